/** The whole matrix of outages, with the real link on manual time; `npm run bench:fleet` prints it. */
import assert from "node:assert/strict";
import { simulateFleet } from "../support/fleet.js";

const devices = 1000;

describe("A fleet of 1,000 devices that loses its broker", function () {
  this.timeout(120_000);
  for (const outage of [0, 1, 10, 60, 300, 600])
    for (const away of ["refuses", "is silent"] as const)
      it(`for ${outage} s, a broker that ${away}: never more than 5 % of it attempt within one second, 20 seeds`, () => {
        for (let seed = 1; seed <= 20; seed++) {
          const { worstSecond } = simulateFleet({ devices, outage: outage * 1000, seed, away });
          assert.ok(worstSecond <= devices * 0.05, `seed ${seed}: ${worstSecond} attempts in one second`);
        }
      });
});
