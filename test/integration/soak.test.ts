/** What the soak finds flat and what not. All thirty days: `npm run soak`. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { flatness } from "../../bench/soak/flatness.js";
import { reportOf, type SoakReport } from "../../bench/soak/report.js";
import type { SoakRun } from "../../bench/soak/soak.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";

const samples = (bytes: (wake: number) => number, count = 60) =>
  Array.from({ length: count }, (_, i) => ({ wake: (i + 1) * 5, bytes: bytes((i + 1) * 5) }));

/** Noise that is the same in each run, from -1 to 1. */
const noise = (wake: number): number => Math.sin(wake * 12.9898) * Math.cos(wake * 78.233);

const wakes = { wakes: 200, writes: 0, most: 0 };

function run(bytes: (wake: number) => number, more: Partial<SoakRun> = {}): SoakRun {
  return {
    published: 300,
    acknowledged: 300,
    putOff: 0,
    resumed: 299,
    full: 1,
    faults: {},
    wear: {
      byKey: {},
      byWake: { "power-on": wakes, "full handshake": wakes, resumed: wakes, "not connected": wakes },
      writes: 0,
      bytes: 0,
    },
    steady: { published: 300, resumed: 0, full: 1 },
    samples: samples(bytes),
    errors: [],
    lost: 0,
    repeated: 0,
    brokerKilled: 0,
    ...more,
  };
}

const violations = (of: SoakRun): readonly string[] => reportOf(of, { wakes: 300, days: 2, seconds: 1 }).violations;

describe("The soak", function () {
  this.timeout(60_000);

  it("finds the slope of a heap in noise, and is not moved by single samples that are far off", () => {
    const { slope, lowest, highest } = flatness(
      samples((wake) => 1e7 + 250 * wake + 2000 * noise(wake) + (wake % 50 === 0 ? 80_000 : 0)),
    );
    assert.ok(Math.abs(slope - 250) < 10, String(slope));
    assert.ok(lowest < 250 && highest > 250 && highest - lowest < 50, `${lowest} to ${highest}`);
  });

  it("leaves the warm-up out, and says nothing of too few samples", () => {
    const { slope } = flatness(samples((wake) => (wake < 100 ? wake * 10_000 : 1e6)));
    assert.equal(slope, 0);
    assert.throws(() => flatness(samples(() => 1, 25)), /too few/);
  });

  it("finds nothing wrong with a heap that is flat", () => {
    assert.deepEqual(violations(run((wake) => 1e7 + 3000 * noise(wake))), []);
  });

  it("fails for a heap that grows, and for one of which it cannot be told", () => {
    assert.match(violations(run((wake) => 1e7 + 200 * wake + 3000 * noise(wake))).join(), /not shown to be flat/);
    assert.match(violations(run((wake) => 1e7 + 3e6 * noise(wake))).join(), /not shown to be flat/);
  });

  it("fails for a heap of which nothing was measured", () => {
    assert.match(violations(run(() => NaN)).join(), /not shown to be flat/);
  });

  it("measures whatever a program keeps, and nothing of what it has let go", async () => {
    const module = new URL("../../bench/soak/reachable-heap.js", import.meta.url).href;
    const kinds = {
      objects: "({ i })",
      closures: "() => i",
      promises: "new Promise(() => i)",
      strings: "('k' + i).repeat(20).split('').join('')",
      bytes: "new Uint8Array(100)",
      buffers: "Buffer.from('x'.repeat(100))",
      maps: "new Map([[i, i]])",
      arrays: "[i, {}, 's' + i]",
      numbers: "[i + 0.5]",
    };
    const program = `
      import { reachableBytes } from ${JSON.stringify(module)};
      const kept = [], grown = {};
      const measure = async (make) => {
        const before = await reachableBytes();
        make();
        return (await reachableBytes()) - before;
      };
      const fill = (make) => Array.from({ length: 1000 }, (_, i) => make(i));
      ${Object.entries(kinds)
        .map(
          ([kind, expression]) => `{
        const make = (i) => ${expression};
        fill(make);
        grown.${kind} = [await measure(() => kept.push(fill(make))), await measure(() => void fill(make))];
      }`,
        )
        .join("\n")}
      console.log(JSON.stringify(grown));
      process.exit(kept.length - ${Object.keys(kinds).length});`;
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--expose-gc",
      "--input-type=module",
      "--eval",
      program,
    ]);
    const grown = Object.entries(JSON.parse(stdout) as Record<string, [number, number]>);
    assert.equal(grown.length, Object.keys(kinds).length);
    for (const [kind, [kept, gone]] of grown) {
      assert.ok(kept > 24_000, `1,000 ${kind}: ${kept} bytes`);
      assert.ok(gone < 16_384, `1,000 ${kind} that were let go: ${gone} bytes`);
    }
  });

  it("fails for readings that were lost or came twice, for flash that wears, and for unexpected failures", () => {
    const flat = (): number => 1e7;
    assert.match(violations(run(flat, { lost: 1 })).join(), /lost/);
    assert.match(violations(run(flat, { repeated: 1 })).join(), /twice/);
    assert.match(violations(run(flat, { errors: ["none: TIMEOUT: x"] })).join(), /nobody caused/);
    const { wear } = run(flat);
    const worn = { ...wear, byWake: { ...wear.byWake, resumed: { wakes: 200, writes: 20, most: 2 } } };
    assert.match(violations(run(flat, { wear: worn })).join(), /to flash/);
  });

  it("runs devices through real faults, and catches a program that keeps 2,000 bytes of each wake", async function () {
    requireMosquitto(this);
    const program = fileURLToPath(new URL("../../bench/soak/main.js", import.meta.url));
    const { code, stdout } = await new Promise<{ code: unknown; stdout: string }>((resolve) => {
      execFile(process.execPath, [program, "--days", "0.4", "--leak", "2000", "--json"], (error, output) =>
        resolve({ code: error?.code ?? 0, stdout: output }),
      );
    });
    const report = JSON.parse(stdout) as SoakReport;
    assert.equal(code, 1);
    assert.equal(report.violations.length, 1, report.violations.join("\n"));
    assert.match(report.violations[0]!, /not shown to be flat/);
    assert.ok(report.heap.slope > 1500 && report.heap.slope < 4000, String(report.heap.slope));
    assert.deepEqual([report.lost, report.repeated], [0, 0]);
    assert.equal(Object.keys(report.faults).length, 6, "each kind of fault was met");
    assert.ok(report.resumed > 40);
  });
});
