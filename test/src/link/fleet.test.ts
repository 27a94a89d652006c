import { ok, strictEqual } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { mostWithin, simulateFleet } from "../../support/fleet.js";

// The whole matrix, 1,000 devices and 20 seeds, is `npm run bench:fleet` and a test on Node: it takes too long for a chip's engine.
describe("a fleet that loses its broker", () => {
  for (const away of ["refuses", "is silent"] as const)
    it(`comes back spread when the broker ${away}: at most 5 % of it in any second`, () => {
      for (const outage of [0, 10_000, 60_000]) {
        const { worstSecond, attempts } = simulateFleet({ devices: 1000, outage, seed: 7, away });
        ok(worstSecond <= 50, `${worstSecond} attempts in one second after ${outage} ms`);
        ok(attempts.length >= 1000, "every device tried");
      }
    });

  it("is wholly back within two minutes of a broker that comes back", () => {
    const { recovered } = simulateFleet({ devices: 1000, outage: 60_000, seed: 7, away: "refuses" });
    ok(recovered < 121_000, `${recovered} ms`);
  });

  it("is measured in the worst second wherever it begins, not in calendar seconds", () => {
    strictEqual(mostWithin([0, 900, 1100, 1899, 1901], 1000), 3);
  });
});
