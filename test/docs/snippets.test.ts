/**
 * The code in the guides: every TypeScript block compiles against the package's types, and each one marked `run` ends well against a broker,
 * printing what the `text output` block after it says.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { PlainAedes } from "../mqtt-node/plain-broker.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
/** Milliseconds that one block may run. */
const LIMIT = 8000;

interface Snippet {
  /** Document and line. */
  readonly name: string;
  readonly code: string;
  readonly run: boolean;
  /** What it prints; `undefined`: not said. */
  readonly output: string | undefined;
}

/** The blocks of a document, in their order. */
function snippetsOf(path: string): Snippet[] {
  const text = readFileSync(path, "utf8");
  const found: Snippet[] = [];
  const pattern = /^```ts( run)?\n([\s\S]*?)^```$(?:\n+```text output\n([\s\S]*?)^```$)?/gm;
  for (const { 1: run, 2: code = "", 3: output, index } of text.matchAll(pattern)) {
    const line = text.slice(0, index).split("\n").length;
    found.push({ name: `${basename(path)}:${line}`, code, run: run !== undefined, output });
  }
  // A mark that is misspelt would leave a block unread.
  const fences = text.match(/^```(?:ts|typescript|js)\b/gm)?.length ?? 0;
  strictEqual(found.length, fences, `every code block of ${path} is read`);
  return found;
}

const guides = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
const snippets = [join(root, "README.md"), ...guides.map((name) => join(root, "docs", name))].flatMap(snippetsOf);
const runnable = snippets.filter(({ run }) => run);

/** Compiles all blocks at once, as a user's program does. @returns the JavaScript of each, by the name of its file */
function compile(files: ReadonlyMap<string, Snippet>): Map<string, string> {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2022.d.ts"],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    moduleDetection: ts.ModuleDetectionKind.Force,
  };
  const disk = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...disk,
    fileExists: (file) => files.has(file) || disk.fileExists(file),
    readFile: (file) => files.get(file)?.code ?? disk.readFile(file),
    getSourceFile: (file, target, ...rest) => {
      const snippet = files.get(file);
      return snippet
        ? ts.createSourceFile(file, snippet.code, target, true)
        : disk.getSourceFile(file, target, ...rest);
    },
  };
  const program = ts.createProgram([...files.keys()], options, host);
  const faults = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${files.get(file?.fileName ?? "")?.name ?? "?"}, line ${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
  });
  deepStrictEqual(faults, []);
  const emitted = new Map<string, string>();
  program.emit(undefined, (file, text) => emitted.set(file, text));
  return emitted;
}

interface End {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs one block as a program of its own. */
function execute(file: string, environment: NodeJS.ProcessEnv): Promise<End> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file], { cwd: root, env: { ...process.env, ...environment } });
    let output = "";
    let errors = "";
    const limit = setTimeout(() => child.kill("SIGKILL"), LIMIT);
    child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()));
    child.stderr.on("data", (bytes: Buffer) => (errors += bytes.toString()));
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(limit);
      resolve({ code, output, errors });
    });
  });
}

describe("The code in README.md and docs/", function () {
  this.timeout(30_000);
  // Within the package, so that its own name resolves.
  let folder = "";
  const broker = new PlainAedes();
  const programs = new Map<Snippet, string>();
  const ends = new Map<Snippet, Promise<End>>();

  before(async () => {
    mkdirSync(join(root, "dist"), { recursive: true });
    folder = mkdtempSync(join(root, "dist", "snippets-"));
    await broker.start();
  });
  after(async () => {
    await Promise.allSettled(ends.values());
    await broker.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("compiles against the types of the package", () => {
    ok(runnable.length > 0, "there are blocks to run");
    const files = new Map(snippets.map((snippet, i) => [join(folder, `snippet-${i}.mts`), snippet] as const));
    for (const [file, text] of compile(files)) writeFileSync(file, text);
    for (const [file, snippet] of files) programs.set(snippet, file.replace(/\.mts$/, ".mjs"));
  });

  for (const snippet of runnable)
    it(`runs: ${snippet.name}`, async () => {
      // The first one starts them all: each is a process of its own, and a machine has more than one core.
      if (ends.size === 0)
        for (const [i, each] of runnable.entries()) {
          const file = programs.get(each);
          ok(file, "it was compiled");
          const device = join(folder, `device-${i}`);
          const environment = { MQTT_HOST: "127.0.0.1", MQTT_PORT: `${broker.port}`, SEALWIRE_DEVICE: device };
          ends.set(each, execute(file, environment));
        }
      const { code, output, errors } = await ends.get(snippet)!;
      strictEqual(code, 0, errors || `it did not end within ${LIMIT} ms; it printed: ${output}`);
      strictEqual(errors, "");
      if (snippet.output !== undefined) strictEqual(output, snippet.output);
    });
});
