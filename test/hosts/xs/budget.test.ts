/** The memory budget, and that going over it is noticed. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Budget, measureBudget, overruns, readLimits, totalOf, totals } from "../../../tools/xs/budget.js";
import { tableIn } from "../../../tools/xs/budget-table.js";
import { chipHeap, measureFit } from "../../../tools/xs/firmware-fit.js";
import { root } from "../../../tools/xs/paths.js";
import { smallestCaps } from "../../../tools/xs/smallest-caps.js";
import { hostIsBuilt } from "./support.js";

describe("The search for the smallest caps", () => {
  it("finds what each step needs, whatever was enough", async () => {
    const needs = [3, 40, 40, 41, 977];
    const tried: number[] = [];
    const caps = await smallestCaps({
      enough: [100, 1000, 1000, 1000, 1000],
      tooSmall: 0,
      resolution: 1,
      attempt: (cap) => {
        tried.push(cap);
        return Promise.resolve(needs.filter((need) => need <= cap).length);
      },
    });
    assert.deepEqual(caps, needs);
    assert.equal(new Set(tried).size, tried.length, "a cap was tried twice");
    assert.ok(tried.length < 40, `${tried.length} attempts`);
  });

  it("is never below the truth, and above it by less than its resolution", async () => {
    const needs = [17, 500];
    const attempt = (cap: number): Promise<number> => Promise.resolve(needs.filter((need) => need <= cap).length);
    const caps = await smallestCaps({ enough: [600, 600], tooSmall: 0, resolution: 16, attempt });
    for (const [i, cap] of caps.entries()) assert.ok(cap >= needs[i]! && cap < needs[i]! + 16, `${cap}`);
  });
});

describe("The memory budget on 32-bit XS", function () {
  this.timeout(60_000);
  let budget: Budget;
  before(hostIsBuilt({ bits: 32, sanitize: false }));
  before(async () => {
    budget = { steps: await measureBudget(), fit: await measureFit() };
  });

  it("knows the steps from boot to idle", () => {
    assert.deepEqual(
      budget.steps.map(({ step }) => step),
      [
        "boot",
        "modules loaded",
        "plain connect",
        "subscribed",
        "publish QoS 1, durable",
        "receive 64 KB",
        "receive 1 MB",
        "idle",
      ],
    );
    for (const { step, native } of budget.steps)
      assert.ok(native.peak > 0 && native.peak < 100_000, `${step}: the C stack`);
  });

  it("is kept at every step, and by a message of 1 MB", () => {
    assert.deepEqual(overruns(budget, readLimits()), []);
  });

  it("keeps every step within the stack of an ESP8266, 256 slots", () => {
    for (const { step, stack } of budget.steps) assert.ok(stack.peak <= 256 * 16, `${step}: ${stack.peak} bytes`);
  });

  it("lets the telemetry firmware run in 32,768 bytes", () => {
    const { heap, stack } = budget.fit!;
    assert.ok(stack > 1000 && stack < heap && heap <= chipHeap, `${heap} bytes, ${stack} of them stack`);
  });

  it("does not grow with the length of a streamed message", () => {
    const [small, large] = ["receive 64 KB", "receive 1 MB"].map((name) => totals(budget)[name]!);
    assert.ok(large! - small! <= 512, `64 KB: ${small}, 1 MB: ${large}`);
  });

  it("is exceeded by a firmware that wastes 4 KB", async () => {
    const faults = overruns({ steps: await measureBudget({ waste: 4096, coarseness: 8 }) }, readLimits());
    assert.ok(
      faults.some((fault) => /The step "plain connect" needs \d+ bytes; its budget is \d+\./.test(fault)),
      faults.join("\n"),
    );
  });

  it("names steps that only one side knows", () => {
    const step = budget.steps[0]!;
    assert.deepEqual(overruns({ steps: [step] }, { [step.step]: totalOf(step), other: 1 }), [
      'The step "other" of the budget was not measured.',
    ]);
    assert.deepEqual(overruns({ steps: [step] }, {}), [`The step "${step.step}" has no budget.`]);
  });

  for (const file of ["docs/xs-host.md", "README.md"])
    it(`is not understated by the table in ${file}, where there is one`, function () {
      const table = existsSync(join(root, file)) ? tableIn(readFileSync(join(root, file), "utf8")) : undefined;
      if (table === undefined) {
        assert.equal(file, "README.md", "the guide has lost its table");
        this.skip();
      }
      const rows = table.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
      const written = Object.fromEntries(
        rows.slice(2).map((row) => [row[1]!, Number(row[5]!.replaceAll(",", ""))] as const),
      );
      const measured = totals(budget);
      assert.deepEqual(Object.keys(written), Object.keys(measured));
      for (const [step, total] of Object.entries(measured))
        assert.ok(
          total <= written[step]! * 1.1 + 256,
          `"${step}" needs ${total} bytes, the guide says ${written[step]}: npm run budget -- --write ${file}`,
        );
    });
});
