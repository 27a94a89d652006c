/** `sealwire simulate --engine xs`: the story of the Node simulator, with the same firmware, on XS with Mbed TLS, against Mosquitto. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { hostProgram } from "../../../tools/xs/paths.js";
import { requireMosquitto } from "../../tools/support/mosquitto.js";
import { type CommandResult, killCommands, startCommand } from "../../tools/support/run-command.js";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";
import { hostIsBuilt } from "./support.js";

interface Story {
  readonly engine: string;
  readonly firmware: string;
  readonly connects: readonly {
    readonly reason: string;
    readonly protocol: string;
    readonly resumed: boolean;
    readonly brokerResumed: boolean | null;
    readonly bytesOut: number;
    readonly bytesIn: number;
    readonly heap?: Readonly<Record<string, number>>;
  }[];
  readonly rotation: { readonly version: number; readonly outcome: string } | null;
  readonly readings: { readonly sent: number; readonly received: number };
  readonly payloads: { readonly sealed: boolean; readonly refused: number };
  readonly ok: boolean;
}

describe("sealwire simulate on the XS engine", function () {
  this.timeout(90_000);
  const folder = temporaryFolder();
  const bits = { xs: 64, xs32: 32 } as const;
  before(hostIsBuilt({ bits: 64 }));
  before(hostIsBuilt({ bits: 32 }));
  afterEach(() => killCommands());

  const run = (args: readonly string[], environment: Record<string, string> = {}): Promise<CommandResult> =>
    startCommand(["simulate", "--certs", folder.join("certs"), ...args], environment).result;
  const libraryOf = (engine: "xs" | "xs32"): number => {
    const text = execFileSync(hostProgram({ bits: bits[engine] }), ["--version"], {
      encoding: "utf8",
    });
    return Number(/Mbed TLS (\d+)/.exec(text)?.[1]);
  };

  for (const [engine, version] of [
    ["xs", "1.2"],
    ["xs32", "1.2"],
    ["xs32", "1.3"],
  ] as const)
    it(`tells the whole story with TLS ${version} on ${bits[engine]} bits, with the figures of the heap`, async function () {
      requireMosquitto(this);
      const args = ["--engine", engine, "--broker", "mosquitto", "--tls", version, "--json"];
      const { exitCode, stdout, stderr } = await run(args);
      assert.deepEqual([exitCode, stderr], [0, ""], stdout);
      const story = JSON.parse(stdout) as Story;
      const protocol = `TLSv${version}`;
      assert.deepEqual(
        story.connects.map(({ reason, protocol, resumed, brokerResumed }) => [
          reason,
          protocol,
          resumed,
          brokerResumed,
        ]),
        [
          ["power-on", protocol, false, false],
          ["network-cut", protocol, true, true],
          ["deep-sleep", protocol, true, true],
          ["power-cut", protocol, true, true],
          ["rotation", protocol, false, false],
          ["after-rotation", protocol, true, true],
        ],
      );
      const [first, ...others] = story.connects.map(({ bytesOut, bytesIn }) => bytesOut + bytesIn);
      for (const [i, bytes] of others.entries())
        if (story.connects[i + 1]!.resumed) assert.ok(bytes < first! * 0.6, `${bytes} bytes, ${first} in full`);
      assert.deepEqual([story.rotation?.version, story.rotation?.outcome], [2, "committed"]);
      assert.ok(story.readings.sent >= 5);
      assert.equal(story.readings.received, story.readings.sent);
      assert.deepEqual(story.payloads, { sealed: true, refused: 0 });
      assert.deepEqual([story.engine, story.firmware, story.ok], [engine, "examples/telemetry", true]);
      for (const { heap } of story.connects) {
        assert.ok(heap);
        for (const area of ["chunks", "slots", "native"]) {
          assert.ok(heap[area]! > 500, JSON.stringify(heap));
          assert.ok(heap[`${area}Peak`]! >= heap[area]!, JSON.stringify(heap));
        }
      }
    });

  it("says where the heap is full when it is made too small", async function () {
    requireMosquitto(this);
    const args = ["--engine", "xs32", "--static", "16384", "--broker", "mosquitto", "--tls", "1.2"];
    const { exitCode, stdout, stderr } = await run(args);
    assert.equal(exitCode, 1);
    assert.match(stdout, /^Engine +XS 13\.\d+\.\d+, 32 bits, Mbed TLS [34]\.\d+\.\d+, a heap of 16,384 bytes$/m);
    assert.match(
      stderr,
      /^sealwire: The firmware crashed: [^\n]*MEMORY_FULL: The heap of 16384 bytes is full[^\n]*\n$/,
    );
  });

  it("says what to do where the library has no TLS 1.3", async function () {
    if (libraryOf("xs") >= 3) this.skip();
    const { exitCode, stderr } = await run(["--engine", "xs", "--tls", "1.3"]);
    assert.equal(exitCode, 3);
    assert.match(stderr, /^sealwire: XS [^\n]*Mbed TLS 2\.28\.\d+ has no TLS 1\.3\. Take --engine xs32[^\n]*\n$/);
  });

  it("says what is missing: Mosquitto, or Mbed TLS", async () => {
    const without = await run(["--engine", "xs", "--broker", "mosquitto", "--tls", "1.2"], {
      SEALWIRE_MOSQUITTO: folder.join("nowhere"),
    });
    assert.equal(without.exitCode, 3);
    assert.match(without.stderr, /^sealwire: [^\n]*[Mm]osquitto[^\n]*\n$/);
    const none = await run(["--engine", "xs", "--tls", "1.2"], { SEALWIRE_MBEDTLS: "none", SEALWIRE_NO_SKIP: "" });
    assert.equal(none.exitCode, 3);
    assert.match(
      none.stderr,
      /sealwire: The XS host is built without TLS and cryptography\. Install Mbed TLS[^\n]*\n$/,
    );
  });

  it("refuses options that have no meaning", async () => {
    for (const [args, sentence] of [
      [["--engine", "v8"], /^sealwire: --engine must be node, xs or xs32, not "v8"\.\n$/],
      [["--static", "32768"], /^sealwire: --static is the size of the heap on XS[^\n]*\n$/],
      [["--engine", "xs", "--static", "1k"], /^sealwire: --static must be a whole number of bytes[^\n]*\n$/],
    ] as const) {
      const { exitCode, stderr } = await run(args);
      assert.equal(exitCode, 2);
      assert.match(stderr, sentence);
    }
  });
});
