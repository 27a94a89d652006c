/** The host program on the XS engine: what it runs, how it fails, and what it keeps. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { verify } from "../../../tools/xs/engine-source.js";
import { preloadedModules, preloadManifests, preloadOptions } from "../../../tools/xs/manifest.js";
import { root, type Variant } from "../../../tools/xs/paths.js";
import { runOnXS, type RunResult } from "../../../tools/xs/run.js";
import { findMosquitto, installMosquitto, PlainMosquitto } from "../../../tools/brokers/index.js";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";
import mqtt from "mqtt";
import ts from "typescript";
import { hostIsBuilt } from "./support.js";

const variant: Variant = { bits: 64 };
const firmware = (name: string): string => join(root, "dist", "test", "xs", "firmware", `${name}.js`);
/** The line of a fixture that holds some text, counted from 1. */
const lineOf = (name: string, text: string): number =>
  readFileSync(join(root, "test", "xs", "firmware", `${name}.ts`), "utf8")
    .split("\n")
    .findIndex((line) => line.includes(text)) + 1;

describe("The engine's sources", () => {
  it("are refused when they are not those that were reviewed", () => {
    assert.throws(() => verify(Buffer.from("something else")), /not the expected one/);
  });
});

describe("The XS host", function () {
  this.timeout(20_000);
  const folder = temporaryFolder();
  const run = (module: string, parameters: string[] = [], host: string[] = []): Promise<RunResult> =>
    runOnXS(module, parameters, { variant, host, timeout: 15_000 });

  before(hostIsBuilt(variant));

  describe("ends with a named code and a sentence with file and line of the TypeScript source", () => {
    const failures = [
      ["uncaught", 70, "UNCAUGHT_EXCEPTION: TypeError: bad reading 1", "throw new"],
      ["rejection", 71, "UNHANDLED_REJECTION: Error: bad reading 2", "throw new"],
      ["memory-full", 72, "MEMORY_FULL: The heap of 65536 bytes is full", "readings.push"],
      ["stack-overflow", 73, "STACK_OVERFLOW: The stack of 256 slots is full", "return descend"],
    ] as const;
    for (const [name, code, sentence, text] of failures)
      it(name, async () => {
        const { exitCode, errors } = await run(firmware(name), [], ["--static", "65536"]);
        assert.ok(errors.includes(sentence), errors);
        assert.ok(errors.includes(`test/xs/firmware/${name}.ts:${lineOf(name, text)}`), errors);
        assert.equal(exitCode, code);
      });

    it("missing module", async () => {
      const module = folder.join("missing.js");
      writeFileSync(module, 'const a = 1;\nimport "./not-there.js";\n');
      const { exitCode, errors } = await run(module);
      assert.equal(
        errors,
        `MODULE_NOT_FOUND: The module "./not-there.js" was not found; it is imported at ${module}:2.\n`,
      );
      assert.equal(exitCode, 74);
    });

    it("syntax error", async () => {
      const module = folder.join("syntax.js");
      writeFileSync(module, "const a = 1;\nconst b = ;\n");
      const { exitCode, errors } = await run(module);
      assert.equal(errors, `SYNTAX_ERROR: missing expression at ${module}:2.\n`);
      assert.equal(exitCode, 75);
    });

    /** What a compiler makes of a TypeScript source that does not hold together, with its source map. */
    const transpile = (name: string, source: string): string => {
      const { outputText, sourceMapText } = ts.transpileModule(source, {
        fileName: `${name}.ts`,
        compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, sourceMap: true },
      });
      writeFileSync(folder.join(`${name}.ts`), source);
      writeFileSync(folder.join(`${name}.js`), outputText);
      writeFileSync(folder.join(`${name}.js.map`), sourceMapText!);
      return folder.join(`${name}.js`);
    };
    const typesFirst = "interface Reading {\n  readonly value: number;\n}\n\n";

    it("missing module, in its TypeScript source", async () => {
      const module = transpile(
        "absent",
        `${typesFirst}import { a } from "./not-there.js";\na({ value: 1 } as Reading);\n`,
      );
      const { exitCode, errors } = await run(module);
      assert.equal(
        errors,
        `MODULE_NOT_FOUND: The module "./not-there.js" was not found; it is imported at ${folder.join("absent.ts")}:5.\n`,
      );
      assert.equal(exitCode, 74);
    });

    it("missing export, in its TypeScript source", async () => {
      writeFileSync(folder.join("there.js"), "export const b = 1;\n");
      const module = transpile("export", `${typesFirst}import { a } from "./there.js";\na({ value: 1 } as Reading);\n`);
      const { exitCode, errors } = await run(module);
      assert.match(errors, /^UNCAUGHT_EXCEPTION: SyntaxError: .*import a not found/);
      assert.equal(exitCode, 70);
    });

    it("syntax error, in its TypeScript source", async () => {
      // Newer than XS 13: the compiler has nothing against it.
      const module = transpile(
        "newer",
        `${typesFirst}const a: Reading = { value: 1 };\n\nexport const b = /[\\p{L}--a]/v;\n`,
      );
      const { exitCode, errors } = await run(module);
      const compiled =
        readFileSync(module, "utf8")
          .split("\n")
          .findIndex((line) => line.includes("/v")) + 1;
      assert.match(errors, /^SYNTAX_ERROR: invalid flags/);
      assert.ok(errors.includes(` at ${folder.join("newer.ts")}:7 (compiled: ${module}:${compiled}).\n`), errors);
      assert.equal(exitCode, 75);
    });

    it("a preloaded module that is changed: it lies in flash", async () => {
      writeFileSync(folder.join("flash.js"), "const map = new Map();\nexport const put = (x) => map.set(x, x);\n");
      const module = folder.join("app.js");
      writeFileSync(module, 'import { put } from "./flash.js";\nput(1);\n');
      assert.equal((await run(module)).exitCode, 0);
      const { exitCode, errors } = await run(module, [], ["--preload", folder.join("flash.js")]);
      assert.match(errors, /^FLASH_WRITE: /);
      assert.equal(exitCode, 76);
    });
  });

  it("numbers more than 65,536 timers, and forgets those that were cleared", async () => {
    const { output, errors } = await run(firmware("timers"), [folder.join("timers")]);
    assert.equal(output, "75000 fired, 0 wrong, heap known\n", errors);
  });

  it("keeps built-ins and preloaded modules out of the heap", async () => {
    const module = folder.join("empty.js");
    writeFileSync(module, 'import "sealwire";\n');
    const { errors } = await run(module, [], ["--static", "65536", "--heap", ...preloadOptions()]);
    const { slots, chunks } = JSON.parse(errors) as Record<"slots" | "chunks", { used: number }>;
    assert.ok(slots.used + chunks.used < 12_000, errors);
  });

  it("preloads what the manifests say and nothing else", async () => {
    const { output } = await run(firmware("session"), [], ["--list", ...preloadOptions()]);
    const listed = (kind: string): string[] =>
      output.split("\n").flatMap((line) => (line.startsWith(`${kind} `) ? [line.replace(/^\S+ \S+ /, "")] : []));
    const expected = preloadManifests.flatMap((file) => preloadedModules(file));
    assert.deepEqual(listed("preload").sort(), expected.sort());
    assert.deepEqual(listed("run"), [firmware("session")]);
  });

  describe("storage", () => {
    it("keeps values beyond the process", async () => {
      const device = folder.join("kept");
      assert.equal((await run(firmware("storage"), [device, "9", "fail"])).output, "power 0 0\n1\n2\n3\n4\n");
      assert.equal((await run(firmware("storage"), [device])).output, "power 4 4\n");
    });

    it("fails at the n-th write, and keeps the old value", async () => {
      const device = folder.join("failed");
      const { errors, exitCode } = await run(firmware("storage"), [device, "3", "fail"]);
      assert.match(errors, /The storage failed \(injected fault\)/);
      assert.equal(exitCode, 70);
      assert.equal((await run(firmware("storage"), [device])).output, "power 1 1\n");
    });

    for (const [action, a] of [
      ["kill-before", 1],
      ["kill-between", 1],
      ["kill-after", 2],
    ] as const)
      it(`leaves the old or the new value when power fails (${action})`, async () => {
        const device = folder.join(action);
        assert.equal((await run(firmware("storage"), [device, "3", action])).signal, "SIGKILL");
        assert.equal((await run(firmware("storage"), [device])).output, `power ${a} 1\n`);
      });
  });

  describe("with Mosquitto", () => {
    const broker = new PlainMosquitto();
    let client: mqtt.MqttClient | undefined;

    before(async function () {
      if (findMosquitto() === undefined) {
        if (process.env["SEALWIRE_NO_SKIP"] === "1") throw new Error(`Mosquitto is missing: ${installMosquitto}.`);
        console.log(`      skipped: ${installMosquitto}`);
        this.skip();
      }
      await broker.start();
      client = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`);
    });
    after(async () => {
      await client?.endAsync();
      await broker.stop();
    });

    it("runs a durable session over plain TCP", async () => {
      const seen: string[] = [];
      const subscriber = client!;
      subscriber.on("message", (topic, payload) => {
        seen.push(`${topic} ${payload.toString()}`);
        if (topic !== "device/ready") return;
        for (let i = 0; i < 2; i++) subscriber.publish("device/big", Buffer.alloc(65_536, 7), { qos: 1 });
      });
      await subscriber.subscribeAsync(["telemetry", "device/ready"], { qos: 1 });
      const { output, errors } = await run(firmware("session"), [
        folder.join("session"),
        String(broker.port),
        "device",
      ]);
      assert.equal(output, "131072 bytes streamed, 0 wasted\n", errors);
      assert.deepEqual(seen, ["telemetry 21.5 degrees", "device/ready "]);
    });
  });
});
