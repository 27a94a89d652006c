import tseslint from "typescript-eslint";

/** Globals that Node has and the bare XS engine lacks: the firmware module must not name them. */
const missingOnXS = [
  "AbortController",
  "Blob",
  "Buffer",
  "EventTarget",
  "Intl",
  "TextDecoder",
  "TextEncoder",
  "URL",
  "WebSocket",
  "atob",
  "btoa",
  "clearImmediate",
  "clearInterval",
  "clearTimeout",
  "console",
  "crypto",
  "fetch",
  "global",
  "performance",
  "process",
  "queueMicrotask",
  "require",
  "setImmediate",
  "setInterval",
  "setTimeout",
  "structuredClone",
];

/** A module whose only top-level await is a `for await` crashes XS 13.3 and 17. */
const topLevelForAwait = {
  selector:
    "ForOfStatement[await=true]:not(FunctionDeclaration ForOfStatement):not(FunctionExpression ForOfStatement):not(ArrowFunctionExpression ForOfStatement)",
  message: "A top-level `for await` crashes the XS engine.",
};

export default tseslint.config(
  {
    // Native functions are declared in a syntax of the XS engine.
    ignores: [
      "dist/",
      "certs/dev/",
      ".sealwire/",
      "hosts/xs/native/*.js",
      "hosts/mbedtls/*.js",
      "hosts/moddable/**/*.js",
      "hosts/simulator/**/*.js",
      // Declarations for the compiler that the Moddable SDK runs, with a project of its own.
      "hosts/*/host.d.ts",
      "hosts/moddable/names/",
      "hosts/moddable/**/mqtt.d.ts",
      "hosts/moddable/mqtt-client/host.d.ts",
      // Apps in plain JavaScript, of the modules of the SDK.
      "test/moddable/**/*.js",
      "hosts/moddable/sdk.d.ts",
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ["eslint.config.js"] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", ignoreRestSiblings: true }],
      // Indexing a typed array is `number | undefined` to the compiler; the loops around it know better.
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "no-restricted-syntax": ["error", topLevelForAwait],
      "max-lines": ["error", { max: 400, skipComments: true, skipBlankLines: true }],
    },
  },
  {
    files: ["src/**/*.ts", "examples/**/*.ts", "test/src/**/*.ts", "test/support/**/*.ts"],
    rules: { "no-restricted-globals": ["error", ...missingOnXS] },
  },
  { files: ["test/**/*.ts"], rules: { "max-lines": "off" } },
  { files: ["**/*.js"], ...tseslint.configs.disableTypeChecked },
);
