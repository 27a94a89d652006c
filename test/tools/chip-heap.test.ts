/** The heap of a chip, as its manifest sizes it and `npm run budget` holds it. */
import assert from "node:assert/strict";
import { heapFaults } from "../../tools/xs/chip-profile.js";
import { chipHeap, esp8266 } from "../../tools/xs/chips.js";

describe("The heap of an ESP8266", () => {
  it("is a block of a fixed size, which leaves TLS what a handshake takes", () => {
    const heap = chipHeap(esp8266);
    // 8.7 KB at the peak (npm run budget), and records and chains that are larger than measured.
    assert.ok(esp8266.bytes - heap.static >= 10_240, `XS has ${heap.static} bytes`);
    assert.ok(heap.stack * 16 < heap.static);
  });

  it("is what the manifest says, or an error that says what is missing", () => {
    for (const manifest of ["hosts/esp32/manifest.json", "hosts/mbedtls/manifest.json"])
      assert.throws(() => chipHeap({ ...esp8266, manifest }), {
        message: `${manifest} does not size the heap: "creation" wants "static" and "stack".`,
      });
  });

  it("is a fault of the budget when a firmware does not come through with it", () => {
    const fit = { what: "A session", heap: 20_480, smallest: 20_864, native: 8_765 };
    assert.deepEqual(heapFaults({ ...fit, fits: true }), []);
    const chip = { ...esp8266, bytes: 30_000 };
    assert.deepEqual(heapFaults({ ...fit, fits: false }, chip), [
      "A session: hosts/esp8266/manifest.json gives XS 20480 bytes and leaves 9520 to TLS; it needs 20864 and 8765.",
    ]);
  });
});
