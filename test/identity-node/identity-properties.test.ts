/** Properties of identifiers over all MAC addresses, and the check of real certificates against them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { createPlatform } from "../../hosts/node/index.js";
import { SealwireError } from "../../src/errors.js";
import { clientIdentifier, requireCertificateIdentity, uuidIdentifier } from "../../src/identity/index.js";
import { generateKeys, issueDevice, issueRoot } from "../../tools/pki/index.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";

const unicast = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((bytes) => Uint8Array.from(bytes, (byte, i) => (i === 0 ? byte & 0xfe : byte)))
  .filter((bytes) => bytes.some((byte) => byte !== 0));

/** The MAC address that a short identifier was made of. */
function macOfShort(identifier: string): string {
  const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  let number = 0n;
  for (const digit of identifier) number = number * 62n + BigInt(alphabet.indexOf(digit));
  return number.toString(16).padStart(12, "0");
}

describe("identifiers over all MAC addresses", () => {
  it("can be turned back into the MAC address, so that no two share one (short)", () => {
    fc.assert(
      fc.property(unicast, (mac) => {
        const identifier = clientIdentifier(mac);
        assert.match(identifier, /^[0-9A-Za-z]{9}$/);
        assert.equal(macOfShort(identifier), Buffer.from(mac).toString("hex"));
      }),
      { numRuns: 5000 },
    );
  });

  it("can be turned back into the MAC address, so that no two share one (uuid)", () => {
    fc.assert(
      fc.property(unicast, (mac) => {
        assert.equal(uuidIdentifier(mac).slice(24), Buffer.from(mac).toString("hex"));
      }),
      { numRuns: 5000 },
    );
  });

  it("differ for different MAC addresses, in every form, keyed included", () => {
    const { crypto } = createPlatform({ folder: temporary.join("device") });
    const key = crypto.importKey("secret", new Uint8Array(32).fill(7));
    fc.assert(
      fc.property(fc.uniqueArray(unicast, { minLength: 2, maxLength: 20, selector: String }), (macs) => {
        for (const form of [
          (mac: Uint8Array) => clientIdentifier(mac, { prefix: "p" }),
          (mac: Uint8Array) => uuidIdentifier(mac),
          (mac: Uint8Array) => uuidIdentifier(mac, { keyed: { crypto, key } }),
        ])
          assert.equal(new Set(macs.map(form)).size, macs.length);
      }),
    );
  });

  const temporary = temporaryFolder();
});

describe("a device certificate", () => {
  const temporary = temporaryFolder();
  const validity = { notBefore: new Date(Date.now() - 1000), notAfter: new Date(Date.now() + 86_400_000) };

  it("is accepted for the identifier that it names, and refused for every other", async () => {
    const { crypto } = createPlatform({ folder: temporary.join("device") });
    const keys = await generateKeys();
    const root = { keys, certificate: await issueRoot({ commonName: "Root", validity }, keys) };
    const identifier = "Abc123xyz";
    const certificate = await issueDevice({ clientIdentifier: identifier, validity }, keys.publicKey, root);
    requireCertificateIdentity(crypto, certificate, identifier);
    for (const other of ["abc123xyz", "Abc123xy", "Abc123xyzz", "", "Root"])
      assert.throws(
        () => requireCertificateIdentity(crypto, certificate, other),
        (error) => error instanceof SealwireError && error.code === "IDENTITY_CERTIFICATE_MISMATCH",
        other,
      );
    assert.throws(
      () => requireCertificateIdentity(crypto, new Uint8Array(10), identifier),
      (error) => error instanceof SealwireError && error.code === "CRYPTO_INVALID",
    );
  });
});
