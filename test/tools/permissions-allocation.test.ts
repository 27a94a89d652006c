/** The checks of permissions before every message must leave nothing for the garbage collector. */
import assert from "node:assert/strict";
import { Permissions } from "../../src/permissions/index.js";

describe("Checking permissions", function () {
  this.timeout(30_000);

  it("allocates nothing", () => {
    const permissions = new Permissions(
      [
        { topic: "sites/+/rooms/+/lamps/#", operation: "both" },
        { topic: "%c/commands/#", operation: "subscribe" },
        { topic: "%c/+/state", operation: "publish", qos: [0, 1] },
        { topic: "%c/telemetry", operation: "publish" },
      ],
      { clientIdentifier: "dev-1" },
    );
    const checks = 200_000;
    const run = (): number => {
      let allowed = 0;
      for (let i = 0; i < checks; i++) {
        if (permissions.allowsPublish("dev-1/telemetry", 1)) allowed++;
        if (permissions.allowsPublish("dev-1/x/state", 2)) allowed++;
        if (permissions.allowsSubscribe("dev-1/commands/+/now", 1)) allowed++;
        if (permissions.allowsSubscribe("$share/group/sites/1/rooms/2/lamps/#", 0)) allowed++;
      }
      return allowed;
    };
    assert.equal(run(), checks * 3);
    // A collection in between would hide what was allocated: the least of several runs counts, as does a run without one.
    const grown = Array.from({ length: 5 }, () => {
      const before = process.memoryUsage().heapUsed;
      run();
      return process.memoryUsage().heapUsed - before;
    });
    const fair = grown.filter((bytes) => bytes >= 0);
    assert.ok(fair.length > 0, "the heap only ever shrank");
    // One object of 16 bytes per check would be 12.8 MB.
    assert.ok(Math.max(...fair) < 1_000_000, `${Math.max(...fair)} bytes for ${checks * 4} checks`);
  });
});
