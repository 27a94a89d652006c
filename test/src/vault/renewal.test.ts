import { platform } from "sealwire/host";
import type { CertificateInfo } from "../../../src/platform.js";
import { renewalTime } from "../../../src/vault/index.js";
import { ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

const DAY = 86_400_000;
const start = Date.UTC(2026, 0, 1);
const crypto = {
  sha256: () => platform.crypto.sha256(),
  certificate: (): CertificateInfo => ({
    notBefore: start,
    notAfter: start + 90 * DAY,
    serialNumber: new Uint8Array(1),
    commonName: "device",
    dnsNames: [],
    ipAddresses: [],
    publicKey: new Uint8Array(1),
  }),
};

describe("time of renewal", () => {
  it("lies between two thirds of the lifetime and a tenth of it later, spread over the fleet, the same at every start", () => {
    const tenths = new Set<number>();
    for (let i = 0; i < 300; i++) {
      const certificate = Uint8Array.of(i >> 8, i);
      const time = renewalTime(crypto, certificate);
      strictEqual(renewalTime(crypto, certificate), time);
      const share = (time - start) / (90 * DAY);
      ok(share >= 2 / 3 - 1e-9 && share <= 2 / 3 + 0.1, String(share));
      tenths.add(Math.floor((share - 2 / 3) * 100));
    }
    ok(tenths.size >= 10, "the fleet renews at once");
  });

  it("is what the options say, and refuses those that make no sense", () => {
    strictEqual(renewalTime(crypto, Uint8Array.of(1), { fraction: 0.5, jitter: 0 }), start + 45 * DAY);
    for (const options of [
      { fraction: 0 },
      { fraction: 1 },
      { fraction: 0.9, jitter: 0.2 },
      { jitter: -1 },
      { fraction: Number.NaN },
    ])
      throws(() => renewalTime(crypto, Uint8Array.of(1), options), "INVALID_ARGUMENT");
  });
});
