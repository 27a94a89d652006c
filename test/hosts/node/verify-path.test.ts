import "reflect-metadata";
import { equal, throws } from "node:assert/strict";
import * as x509 from "@peculiar/x509";
import { readCertificate } from "../../../hosts/node/x509/certificate.js";
import { type VerificationPolicy, verifyServer } from "../../../hosts/node/x509/verify-path.js";
import type { ErrorCode } from "../../../src/errors.js";
import { type Issued, type IssueOptions, issue } from "./support/pki.js";
import { at } from "./support/tls.js";

const day = 86_400_000;

/** Where OpenSSL complains of a date that is fine by the device's clock, nothing but this verification stands in the way. */
describe("node host: verification where OpenSSL sees nothing but a date", () => {
  let root: Issued;
  let ca: Issued;
  let policy: VerificationPolicy;

  before(async () => {
    root = await issue({ name: "root", ca: true });
    ca = await issue({ name: "issuing", ca: true, pathLength: 0, issuer: root });
    policy = {
      trustAnchors: [readCertificate(root.der)],
      revocationLists: [],
      revocation: "off",
      serverName: "localhost",
      time: at(Date.now()),
    };
  });

  const serverOf = (issuer: Issued, more: Partial<IssueOptions> = {}): Promise<Issued> =>
    issue({ name: "server", issuer, dns: ["localhost"], ...more });
  const verify = (chain: readonly Issued[], more: Partial<VerificationPolicy> = {}, complaint = "CERT_HAS_EXPIRED") =>
    verifyServer(
      chain.map(({ der }) => readCertificate(der)),
      complaint,
      { ...policy, ...more },
    );
  const refused = (code: ErrorCode, chain: readonly Issued[], more: Partial<VerificationPolicy> = {}): void =>
    throws(() => verify(chain, more), { code });

  it("accepts what is right", async () => {
    const leaf = await serverOf(ca);
    equal(verify([leaf, ca]).chainNotAfter, Math.min(...[leaf, ca, root].map((c) => +c.certificate.notAfter)));
  });

  it("accepts nothing that OpenSSL refuses for another reason", async () => {
    const chain = [await serverOf(ca), ca];
    for (const complaint of ["SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "CERT_SIGNATURE_FAILURE"])
      throws(() => verify(chain, {}, complaint), { code: "TLS_CERTIFICATE_UNTRUSTED" });
    for (const complaint of ["INVALID_PURPOSE", "PATH_LENGTH_EXCEEDED", "UNSPECIFIED"])
      throws(() => verify(chain, {}, complaint), { code: "TLS_CERTIFICATE_UNSUITABLE" });
  });

  it("refuses a signature that is another's, under the right names", async () => {
    const forger = await issue({ name: "issuing", ca: true });
    refused("TLS_CERTIFICATE_UNTRUSTED", [await serverOf(forger), ca]);
    const forgedCA = await issue({ name: "issuing", ca: true, issuer: await issue({ name: "root", ca: true }) });
    refused("TLS_CERTIFICATE_UNTRUSTED", [await serverOf(forgedCA), forgedCA]);
    refused("TLS_CERTIFICATE_UNTRUSTED", []);
  });

  it("refuses what must not be used this way", async () => {
    const noAuthority = await serverOf(root, {
      keyUsage: x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature,
    });
    const mute = await issue({ name: "mute", ca: true, issuer: root, keyUsage: x509.KeyUsageFlags.cRLSign });
    const below = await issue({ name: "below", ca: true, issuer: ca });
    const strange = new x509.Extension("1.2.3.4", true, Uint8Array.of(5, 0));
    const subtree = Buffer.concat([Buffer.of(0x30, 11, 0x82, 9), Buffer.from("localhost")]);
    const constraints = Buffer.concat([Buffer.of(0x30, 15, 0xa0, 13), subtree]);
    const constrained = await issue({
      name: "constrained",
      ca: true,
      issuer: root,
      extensions: [new x509.Extension("2.5.29.30", true, constraints)],
    });
    const clients = await issue({ name: "c", ca: true, issuer: root, extendedKeyUsage: ["1.3.6.1.5.5.7.3.2"] });
    for (const chain of [
      [await serverOf(noAuthority), noAuthority],
      [await serverOf(mute), mute],
      [await serverOf(below), below, ca],
      [await serverOf(ca, { hash: "SHA-1" }), ca],
      [await serverOf(ca, { extensions: [strange] }), ca],
      [await serverOf(constrained), constrained],
      [await serverOf(clients), clients],
      [await serverOf(ca, { extendedKeyUsage: ["2.5.29.37.0"] }), ca],
    ])
      refused("TLS_CERTIFICATE_UNSUITABLE", chain);
  });

  it("takes the best of several paths, and says the worst of several problems", async () => {
    const past = { notBefore: Date.now() - 9 * day, notAfter: Date.now() - day };
    const expiredRoot = await issue({ name: "root", ca: true, keys: root.keys, ...past });
    const anchors = [expiredRoot, root].map(({ der }) => readCertificate(der));
    const leaf = await serverOf(ca);
    verify([leaf, ca], { trustAnchors: anchors });
    verify([leaf, ca], { trustAnchors: anchors.reverse() });
    refused("TLS_CERTIFICATE_EXPIRED", [leaf, ca], { trustAnchors: [readCertificate(expiredRoot.der)] });
    const future = await serverOf(ca, { notBefore: Date.now() + day, dns: ["elsewhere"] });
    refused("TLS_CERTIFICATE_NOT_YET_VALID", [future, ca]);
    refused("TLS_CERTIFICATE_EXPIRED", [future, ca], { trustAnchors: [readCertificate(expiredRoot.der)] });
  });

  it("does not read a certificate whose two signature algorithms differ, or that has an extension twice", async () => {
    const { der } = await serverOf(ca);
    const changed = der.slice();
    // ecdsa-with-SHA256 in the outer algorithm becomes ecdsa-with-SHA384.
    const at = Buffer.from(der).lastIndexOf(Buffer.from("2a8648ce3d040302", "hex"));
    changed[at + 7] = 3;
    throws(() => readCertificate(changed), { code: "CRYPTO_INVALID" });
    const again = new x509.BasicConstraintsExtension(true, undefined, true);
    const twice = await serverOf(ca, { extensions: [again] });
    throws(() => readCertificate(twice.der), { code: "CRYPTO_INVALID" });
  });
});
