import { platform } from "sealwire/host";
import { fromHex, toUTF8 } from "../../../src/bytes.js";
import { serialIdentifier, uuidIdentifier } from "../../../src/identity/index.js";
import { ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

const { crypto } = platform;
const mac = fromHex("24a1b2c3d4e6");
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("UUID as client identifier", () => {
  it("is a UUID of version 8 that ends with the MAC address", () => {
    strictEqual(uuidIdentifier(mac), "7365616c-7769-8000-8000-24a1b2c3d4e6");
    ok(uuid.test(uuidIdentifier(mac)));
  });

  it("does not show the MAC address when it is keyed, is the same every time, and differs by key and by MAC address", () => {
    const key = crypto.importKey("secret", toUTF8("a key of the fleet, 32 bytes long"));
    const other = crypto.importKey("secret", toUTF8("another key, it does not matter"));
    const keyed = uuidIdentifier(mac, { keyed: { crypto, key } });
    ok(uuid.test(keyed), keyed);
    ok(!keyed.replaceAll("-", "").includes("24a1b2"), keyed);
    strictEqual(uuidIdentifier(mac, { keyed: { crypto, key } }), keyed);
    const neighbour = uuidIdentifier(fromHex("24a1b2c3d4e7"), { keyed: { crypto, key } });
    const seen = new Set([keyed, neighbour, uuidIdentifier(mac, { keyed: { crypto, key: other } })]);
    strictEqual(seen.size, 3);
    // Computed with Python: hmac.new(key, b"sealwire uuid 1" + mac, "sha256"), version and variant set.
    strictEqual(keyed, "f6ff3587-65f4-809e-9ef7-fd73724eacca");
  });

  it("takes a prefix that a topic can hold, 64 characters in all", () => {
    strictEqual(uuidIdentifier(mac, { prefix: "acme:sensor-" }), "acme:sensor-7365616c-7769-8000-8000-24a1b2c3d4e6");
    strictEqual(uuidIdentifier(mac, { prefix: "x".repeat(28) }).length, 64);
    for (const prefix of ["x".repeat(29), "a/b", "a+", "#", "a b", "ä"])
      throws(() => uuidIdentifier(mac, { prefix }), "INVALID_ARGUMENT");
  });

  it("refuses a MAC address that is missing, all zeros, all ones or multicast", () => {
    for (const bad of ["", "0011223344", "000000000000", "ffffffffffff", "01005e000001"])
      throws(() => uuidIdentifier(fromHex(bad)), "IDENTITY_MAC_INVALID");
  });
});

describe("serial number as client identifier", () => {
  it("is taken as it is, behind its prefix", () => {
    strictEqual(serialIdentifier("SN-2026.0001"), "SN-2026.0001");
    strictEqual(serialIdentifier("0001", { prefix: "acme-" }), "acme-0001");
  });

  it("refuses what is empty, longer than 64 characters, or means something in a topic", () => {
    for (const bad of ["", "x".repeat(65), "a/b", "a+b", "#", "$SYS", "a b", "a\0"])
      throws(() => serialIdentifier(bad), "INVALID_ARGUMENT");
    throws(() => serialIdentifier("x".repeat(60), { prefix: "five-" }), "INVALID_ARGUMENT");
    throws(() => serialIdentifier("", { prefix: "only-a-prefix" }), "INVALID_ARGUMENT");
  });
});
