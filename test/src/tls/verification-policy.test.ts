import { platform } from "sealwire/host";
import { toHex } from "../../../src/bytes.js";
import { policyDigest, type VerificationPolicy } from "../../../src/tls/index.js";
import { strictEqual } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

const policy: VerificationPolicy = {
  trustAnchors: [Uint8Array.of(1), Uint8Array.of(2)],
  revocationLists: [Uint8Array.of(3)],
  revocation: "leaf",
  certificateChain: [Uint8Array.of(4)],
  serverName: "broker.example",
  applicationProtocols: ["mqtt"],
  minimumVersion: "TLSv1.2",
  maximumVersion: undefined,
  engineBuild: "engine 1",
};

const digest = (changes: Partial<VerificationPolicy> = {}): string =>
  toHex(policyDigest(platform.crypto, { ...policy, ...changes }));

describe("policy digest", () => {
  it("is the same for the same policy", () => {
    strictEqual(digest(), digest());
    strictEqual(digest().length, 64);
  });

  it("differs when anything in the policy does", () => {
    const changed: Partial<VerificationPolicy>[] = [
      { trustAnchors: [Uint8Array.of(1)] },
      { trustAnchors: [Uint8Array.of(1, 2)] },
      { trustAnchors: [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)], revocationLists: [] },
      { revocationLists: [] },
      { revocationLists: [Uint8Array.of(5)] },
      { revocation: "chain" },
      { revocation: "off" },
      { certificateChain: [] },
      { certificateChain: [Uint8Array.of(5)] },
      { serverName: "other.example" },
      { applicationProtocols: [] },
      { minimumVersion: "TLSv1.3" },
      { maximumVersion: "TLSv1.3" },
      { engineBuild: "engine 2" },
    ];
    strictEqual(new Set([digest(), ...changed.map(digest)]).size, changed.length + 1);
  });
});
