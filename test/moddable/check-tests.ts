/**
 * The portable tests, `test/src/`, on the SDK's own engine (XS 17), as an app of the simulator without a window.
 *
 * All of Sealwire is preloaded in it, as on a chip: it ran while the app was built, and lies frozen in flash. A module that keeps state where
 * that cannot be changed any more fails here.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cleanup } from "../../tools/cleanup.js";
import { packageFolder } from "../../tools/paths.js";
import { optionalRooms } from "../../tools/rooms.js";
import { type CheckContext, want } from "./check-step.js";
import { runApp } from "../../tools/moddable/runner.js";
import { buildApp } from "../../tools/moddable/sdk.js";

const timeout = 1_200_000;

/** Folders of `folder` with a compiled module in them, as paths from there. */
function foldersOf(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"));
  return [...new Set(files.map((name) => name.split("/").slice(0, -1).join("/")))].sort();
}

/** What is preloaded is frozen, or this check would hold nothing. */
const begin = [
  'import { kept } from "sealwire/test/moddable/frozen";',
  "let changed = true;",
  "try {",
  '  kept.set("a", 1);',
  "} catch {",
  "  changed = false;",
  "}",
  'if (changed) throw new Error("A preloaded module keeps state: nothing is frozen.");',
];

export async function checkTests(context: CheckContext): Promise<void> {
  const folder = join(context.output, "portable-tests");
  mkdirSync(folder, { recursive: true });
  const tests = join(packageFolder, "dist", "test", "src");
  const suites = readdirSync(tests, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.js"))
    .sort();
  const imports = suites.map((name) => `import ${JSON.stringify(`sealwire/test/src/${name.replace(/\.js$/, "")}`)};`);
  writeFileSync(
    join(folder, "main.js"),
    [...begin, `import { run } from "sealwire/test/xs/runner";`, ...imports, "await run();", ""].join("\n"),
  );
  const modules: Record<string, string> = {
    "*": "./main",
    "sealwire/hosts/xs/native/system": join(packageFolder, "test/moddable/tests/system"),
    "sealwire/test/moddable/frozen": join(packageFolder, "test/moddable/tests/frozen"),
    "sealwire/test/xs/runner": join(packageFolder, "dist/test/xs/runner"),
    "sealwire/test/support/*": join(packageFolder, "dist/test/support/*"),
  };
  for (const name of foldersOf(tests)) {
    const path = name === "" ? "*" : `${name}/*`;
    modules[`sealwire/test/src/${path}`] = join(tests, path);
  }
  const manifest = {
    include: [
      "$(MODDABLE)/examples/manifest_base.json",
      join(packageFolder, "manifest.json"),
      ...optionalRooms().map((room) => join(packageFolder, `src/${room}/manifest.json`)),
    ],
    // As on the XS host: tests make arrays of thousands of elements, which lie on the stack for a while, and keep much at once.
    creation: {
      static: 0,
      chunk: { initial: 134_217_728, incremental: 8_388_608 },
      heap: { initial: 4_000_000, incremental: 100_000 },
      stack: 32_768,
      keys: { initial: 1024, incremental: 256 },
    },
    // Tests use more of the language than devices do.
    strip: [],
    modules,
    preload: ["sealwire/test/moddable/frozen"],
  };
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest, null, 2));
  const build = await buildApp(context.sdk, {
    manifest: join(folder, "manifest.json"),
    output: context.output,
    debug: false,
  });
  context.say(`  ${suites.length} test modules: built in ${build.seconds.toFixed(0)} s`);
  tellChangeable(context, build.warnings);
  const cleanup = new Cleanup();
  try {
    const { exitCode, lines } = await runApp(context.program, build.app, {
      folder: cleanup.temporaryFolder("sealwire-device-"),
      timeout,
    });
    const failed = lines.flatMap((line, index) => (line.startsWith("  FAILED") ? lines.slice(index, index + 3) : []));
    want(exitCode === 0, `The portable tests ended with ${exitCode}:`, [...failed, lines.at(-1) ?? ""]);
    context.say(`  XS 17: ${lines.at(-1)!}`);
  } finally {
    await cleanup.run();
  }
}

/** Each object that was preloaded and not frozen, and each variable, has a pointer in RAM, for the day when it is changed. */
function tellChangeable({ say }: CheckContext, warnings: readonly string[]): void {
  const own = warnings.filter((line) => line.startsWith("sealwire"));
  say(`  changeable although preloaded: ${own.length} objects and variables of Sealwire, a pointer of RAM each`);
}
