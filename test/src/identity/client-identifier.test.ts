import { fromHex } from "../../../src/bytes.js";
import { clientIdentifier } from "../../../src/identity/index.js";
import { ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

describe("client identifier", () => {
  it("is the MAC address in base 62, nine digits", () => {
    strictEqual(clientIdentifier(fromHex("000000000001")), "000000001");
    strictEqual(clientIdentifier(fromHex("00000000003e")), "000000010");
    strictEqual(clientIdentifier(fromHex("feffffffffff")), "1HcAN4Qlb");
  });

  it("differs for MAC addresses that differ in one bit", () => {
    const base = fromHex("24a1b2c3d4e6");
    const seen = new Set([clientIdentifier(base)]);
    for (let bit = 0; bit < 48; bit++) {
      const mac = base.slice();
      mac[bit >> 3]! ^= 1 << (bit & 7);
      if ((mac[0]! & 1) === 0) seen.add(clientIdentifier(mac));
    }
    strictEqual(seen.size, 48);
  });

  it("is at most 23 characters that every server accepts", () => {
    const identifier = clientIdentifier(fromHex("feffffffffff"), { prefix: "fourteenchars0" });
    strictEqual(identifier.length, 23);
    ok(/^[0-9A-Za-z]+$/.test(identifier));
  });

  it("refuses a prefix that is too long or has other characters", () => {
    throws(() => clientIdentifier(fromHex("24a1b2c3d4e6"), { prefix: "fifteencharslng" }), "INVALID_ARGUMENT");
    throws(() => clientIdentifier(fromHex("24a1b2c3d4e6"), { prefix: "a/b" }), "INVALID_ARGUMENT");
  });

  it("refuses a MAC address that is missing, all zeros, all ones or multicast", () => {
    for (const mac of ["", "0011223344", "000000000000", "ffffffffffff", "01005e000001"])
      throws(() => clientIdentifier(fromHex(mac)), "IDENTITY_MAC_INVALID");
  });
});
