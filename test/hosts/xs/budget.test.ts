/** The memory budget, and that going over it is noticed. */
import assert from "node:assert/strict";
import { measureBudget, overruns, peakOf, readLimits } from "../../../tools/xs/budget.js";
import { hostIsBuilt } from "./support.js";

describe("The memory budget on 32-bit XS", function () {
  this.timeout(40_000);
  before(hostIsBuilt({ bits: 32, sanitize: false }));

  it("is kept at every step", async () => {
    assert.deepEqual(overruns(await measureBudget(), readLimits()), []);
  });

  it("is exceeded by a firmware that wastes 4 KB", async () => {
    const faults = overruns(await measureBudget(4096), readLimits());
    assert.ok(
      faults.some((fault) => /The step "plain connect" needs \d+ bytes; its budget is \d+\./.test(fault)),
      faults.join("\n"),
    );
  });

  it("names steps that only one side knows", async () => {
    const [step] = await measureBudget();
    assert.ok(step);
    assert.deepEqual(overruns([step], { [step.step]: peakOf(step), other: 1 }), [
      'The step "other" of the budget was not measured.',
    ]);
    assert.deepEqual(overruns([step], {}), [`The step "${step.step}" has no budget.`]);
  });
});
