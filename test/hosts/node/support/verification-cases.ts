import "reflect-metadata";
import { equal, match, ok } from "node:assert/strict";
import type { TlsOptions } from "node:tls";
import * as x509 from "@peculiar/x509";
import type { ErrorCode, SealwireError } from "../../../../src/errors.js";
import type { RevocationMode, TLSEngineOptions, TLSNegotiated } from "../../../../src/platform.js";
import { generateKeys, type Issued, type IssueOptions, issue, type ListOptions, revocationList } from "./pki.js";
import { at, closeServers } from "./tls.js";

const day = 86_400_000;
const serverAuth = "1.3.6.1.5.5.7.3.1";
const clientAuth = "1.3.6.1.5.5.7.3.2";

/** What a test says of a connection; the rest is the host's. */
export type CaseOptions = Partial<
  Pick<
    TLSEngineOptions,
    "trustAnchors" | "revocationLists" | "revocation" | "serverName" | "time" | "inputBuffer" | "maximumFragmentLength"
  >
>;

/**
 * Connects to a server with this chain. No byte may reach a refused server's application.
 * @returns the refusal, or what was negotiated
 */
export type Attempt = (
  chain: readonly Issued[],
  options: CaseOptions,
  serverOptions?: TlsOptions,
) => Promise<Pick<SealwireError, "code" | "message"> | TLSNegotiated>;

/** In what hosts differ. */
export interface CaseHost {
  /** Without it, OpenSSL's server does not even present a certificate that is not meant for signatures. */
  readonly hasTLS13?: boolean;
  /** What becomes of a server that sends fifteen certificates, 6 KB. */
  readonly longChain?: ErrorCode;
  /** What becomes of a critical extension that is not known. */
  readonly strangeExtension?: ErrorCode;
}

/** What every host must say of a server's certificate. */
export function verificationCases(attempt: Attempt, host: CaseHost = {}): void {
  const { hasTLS13 = true, longChain = "TLS_CERTIFICATE_UNTRUSTED" } = host;
  const { strangeExtension = "TLS_CERTIFICATE_UNSUITABLE" } = host;

  async function refused(
    code: ErrorCode,
    chain: readonly Issued[],
    options: CaseOptions,
    serverOptions: TlsOptions = {},
  ): Promise<Pick<SealwireError, "code" | "message">> {
    const outcome = await attempt(chain, options, serverOptions);
    if (!("code" in outcome)) throw new Error(`the server was accepted, expected ${code}`);
    equal(outcome.code, code, outcome.message);
    return outcome;
  }

  async function accepted(chain: readonly Issued[], options: CaseOptions): Promise<TLSNegotiated> {
    const outcome = await attempt(chain, options);
    if ("code" in outcome) throw new Error(`${outcome.code}: ${outcome.message}`);
    return outcome;
  }

  let root: Issued;
  let ca: Issued;
  let leaf: Issued;
  let anchors: { trustAnchors: Uint8Array[] };

  const serverOf = (issuer: Issued, more: Partial<IssueOptions> = {}): Promise<Issued> =>
    issue({ name: "server", issuer, dns: ["localhost"], extendedKeyUsage: [serverAuth], ...more });

  before(async () => {
    root = await issue({ name: "root", ca: true });
    ca = await issue({ name: "issuing", ca: true, pathLength: 0, issuer: root });
    leaf = await serverOf(ca);
    anchors = { trustAnchors: [root.der] };
  });

  afterEach(closeServers);

  describe("trust", () => {
    it("accepts a chain to the root, whatever else and in whatever order it was sent", async () => {
      const stranger = await issue({ name: "stranger", ca: true });
      await accepted([leaf, ca], anchors);
      await accepted([leaf, stranger, root, ca, ca], anchors);
    });

    it("accepts an issuing authority as trust anchor, and a self-signed server that is one itself", async () => {
      await accepted([leaf], { trustAnchors: [ca.der] });
      const self = await issue({ name: "self", dns: ["localhost"] });
      await accepted([self], { trustAnchors: [root.der, self.der] });
    });

    it("finds the path through a cross-signed authority", async () => {
      const old = await issue({ name: "old root", ca: true });
      const crossed = await issue({ name: "issuing", ca: true, issuer: old, keys: ca.keys });
      await accepted([leaf, ca, crossed], anchors);
      await accepted([leaf, crossed, ca], { trustAnchors: [old.der] });
    });

    it("refuses another authority, one of the same name, a missing intermediate, and a self-signed certificate", async () => {
      const other = await issue({ name: "other root", ca: true });
      await refused("TLS_CERTIFICATE_UNTRUSTED", [leaf, ca], { trustAnchors: [other.der] });
      const namesake = await issue({ name: "root", ca: true });
      await refused("TLS_CERTIFICATE_UNTRUSTED", [leaf, ca], { trustAnchors: [namesake.der] });
      match((await refused("TLS_CERTIFICATE_UNTRUSTED", [leaf], anchors)).message, /no intermediate/);
      const self = await issue({ name: "self", dns: ["localhost"] });
      match((await refused("TLS_CERTIFICATE_UNTRUSTED", [self], anchors)).message, /self-signed/);
    });

    it("refuses a forged certificate that comes with the true authority", async () => {
      const forger = await issue({ name: "issuing", ca: true });
      const forged = await serverOf(forger);
      await refused("TLS_CERTIFICATE_UNTRUSTED", [forged, ca, root], anchors);
    });

    it("does not let a true date error hide that nobody vouches for the server", async () => {
      const other = await issue({ name: "other root", ca: true });
      const expired = await serverOf(other, { notBefore: Date.now() - 3 * day, notAfter: Date.now() - day });
      await refused("TLS_CERTIFICATE_UNTRUSTED", [expired], anchors);
      // The device's time makes the dates right: OpenSSL's complaint of the date must not hide the rest.
      await refused("TLS_CERTIFICATE_UNTRUSTED", [expired], { ...anchors, time: at(Date.now() - 2 * day) });
    });

    it("bounds the work that a hostile chain costs", async () => {
      const keys = await generateKeys();
      const ring = await Promise.all(Array.from({ length: 14 }, async () => issue({ name: "ring", ca: true, keys })));
      const begin = performance.now();
      await refused(longChain, [await serverOf(ring[0]!), ...ring], anchors);
      ok(performance.now() - begin < 1000);
    });
  });

  describe("dates", () => {
    it("refuses what has expired or is not valid yet, leaf, authority or anchor", async () => {
      const past = { notBefore: Date.now() - 5 * day, notAfter: Date.now() - day };
      const future = { notBefore: Date.now() + day, notAfter: Date.now() + 5 * day };
      for (const [dates, code] of [
        [past, "TLS_CERTIFICATE_EXPIRED"],
        [future, "TLS_CERTIFICATE_NOT_YET_VALID"],
      ] as const) {
        await refused(code, [await serverOf(ca, dates), ca], anchors);
        const badCA = await issue({ name: "bad issuing", ca: true, issuer: root, ...dates });
        await refused(code, [await serverOf(badCA), badCA], anchors);
        const badRoot = await issue({ name: "bad root", ca: true, ...dates });
        await refused(code, [await serverOf(badRoot)], { trustAnchors: [badRoot.der] });
      }
    });

    it("goes by the device's time, not the host's", async () => {
      const then = Date.now() + 1000 * day;
      await refused("TLS_CERTIFICATE_EXPIRED", [leaf, ca], { ...anchors, time: at(then) });
      await refused("TLS_CERTIFICATE_NOT_YET_VALID", [leaf, ca], { ...anchors, time: at(Date.now() - 10 * day) });
      const dates = { notBefore: then - day, notAfter: then + day };
      const futureRoot = await issue({ name: "future root", ca: true, ...dates });
      const future = [await serverOf(futureRoot, dates)];
      await accepted(future, { trustAnchors: [futureRoot.der], time: at(then) });
      await refused("TLS_CERTIFICATE_NAME_MISMATCH", future, {
        trustAnchors: [futureRoot.der],
        time: at(then),
        serverName: "elsewhere",
      });
    });

    it("takes what it does not know of the time in the server's favour, on both sides of the interval", async () => {
      const now = Date.now();
      const short = [await serverOf(ca, { notBefore: now - day, notAfter: now + day }), ca];
      await accepted(short, { ...anchors, time: { earliest: now - 100 * day, latest: undefined } });
      await accepted(short, { ...anchors, time: { earliest: now - 10 * day, latest: now + 10 * day } });
      await refused("TLS_CERTIFICATE_EXPIRED", short, {
        ...anchors,
        time: { earliest: now + 2 * day, latest: undefined },
      });
      await refused("TLS_CERTIFICATE_NOT_YET_VALID", short, {
        ...anchors,
        time: { earliest: now - 10 * day, latest: now - 2 * day },
      });
    });
  });

  describe("names", () => {
    it("compares host names without case, with a wildcard for one label, and IP addresses", async () => {
      const chain = [
        await serverOf(ca, { dns: ["broker.example", "*.fleet.example"], ip: ["192.0.2.1", "2001:db8::1"] }),
        ca,
      ];
      for (const serverName of ["broker.example", "BROKER.example", "a.fleet.example", "192.0.2.1", "2001:db8::1"])
        await accepted(chain, { ...anchors, serverName });
      for (const serverName of [
        "example",
        "xbroker.example",
        "a.b.fleet.example",
        "fleet.example",
        "192.0.2.2",
        "2001:db8::2",
      ])
        await refused("TLS_CERTIFICATE_NAME_MISMATCH", chain, { ...anchors, serverName });
    });

    it("does not take the common name for a host name, nor a DNS name for an address", async () => {
      const chain = [await serverOf(ca, { name: "localhost", dns: [] }), ca];
      await refused("TLS_CERTIFICATE_NAME_MISMATCH", chain, anchors);
      const numeric = [await serverOf(ca, { dns: ["127.0.0.1"] }), ca];
      await refused("TLS_CERTIFICATE_NAME_MISMATCH", numeric, { ...anchors, serverName: "127.0.0.1" });
    });

    it("keeps what a stranger named itself short and printable", async () => {
      const chain = [await serverOf(ca, { dns: [`evil\u001b[31m${"x".repeat(300)}`] }), ca];
      const { message } = await refused("TLS_CERTIFICATE_NAME_MISMATCH", chain, anchors);
      ok(message.length < 200 && !message.includes("\u001b"), message);
    });
  });

  describe("use", () => {
    /** A server that does not mind how weak its own certificates are. */
    const careless = { ciphers: "DEFAULT@SECLEVEL=0" };
    const unsuitable = (
      chain: readonly Issued[],
      more: CaseOptions = {},
    ): Promise<Pick<SealwireError, "code" | "message">> =>
      refused("TLS_CERTIFICATE_UNSUITABLE", chain, { ...anchors, ...more }, careless);

    it("refuses a certificate signed by one that is no authority", async () => {
      await unsuitable([await serverOf(leaf), leaf, ca]);
    });

    it("refuses an authority that must not sign, and a path longer than one allows", async () => {
      const mute = await issue({ name: "mute", ca: true, issuer: root, keyUsage: x509.KeyUsageFlags.cRLSign });
      await unsuitable([await serverOf(mute), mute]);
      const below = await issue({ name: "below", ca: true, issuer: ca });
      await unsuitable([await serverOf(below), below, ca]);
    });

    it("refuses a client's certificate, one not meant for signatures, and one signed for another purpose", async () => {
      await unsuitable([await serverOf(ca, { extendedKeyUsage: [clientAuth] }), ca]);
      if (hasTLS13) await unsuitable([await serverOf(ca, { keyUsage: x509.KeyUsageFlags.keyAgreement }), ca]);
      const clients = await issue({ name: "clients", ca: true, issuer: root, extendedKeyUsage: [clientAuth] });
      await unsuitable([await serverOf(clients), clients]);
    });

    it("refuses SHA-1 signatures and RSA keys below 2,048 bits", async () => {
      await unsuitable([await serverOf(ca, { hash: "SHA-1" }), ca]);
      const rsa = (modulusLength: number) =>
        generateKeys({
          name: "RSASSA-PKCS1-v1_5",
          modulusLength,
          publicExponent: Uint8Array.of(1, 0, 1),
          hash: "SHA-256",
        });
      const weak = await issue({ name: "weak", ca: true, issuer: root, keys: await rsa(1024) });
      await unsuitable([await serverOf(weak), weak]);
      const strong = await issue({ name: "strong", ca: true, issuer: root, keys: await rsa(2048) });
      await accepted([await serverOf(strong), strong], anchors);
    });

    it("refuses a critical extension that nobody here understands", async () => {
      const strange = new x509.Extension("1.2.3.4", true, Uint8Array.of(5, 0));
      await refused(strangeExtension, [await serverOf(ca, { extensions: [strange] }), ca], anchors);
    });
  });

  describe("revocation", () => {
    const modes: readonly RevocationMode[] = ["off", "leaf", "chain"];
    let byCA: (options?: ListOptions) => Promise<Uint8Array>;
    let byRoot: (options?: ListOptions) => Promise<Uint8Array>;
    before(() => {
      byCA = (options) => revocationList(ca, options);
      byRoot = (options) => revocationList(root, options);
    });

    const unknown = "TLS_REVOCATION_UNKNOWN";
    const revoked = "TLS_CERTIFICATE_REVOKED";
    /** What each mode says to the same lists: off, leaf, chain. */
    const table: [string, () => Promise<Uint8Array[]>, ErrorCode | undefined, ErrorCode | undefined][] = [
      ["no list", () => Promise.resolve([]), unknown, unknown],
      ["good lists of both authorities", async () => [await byCA(), await byRoot()], undefined, undefined],
      ["a good list of the issuing authority alone", async () => [await byCA()], undefined, unknown],
      ["a good list of the root alone", async () => [await byRoot()], unknown, unknown],
      ["the server revoked", async () => [await byCA({ revoked: [leaf] }), await byRoot()], revoked, revoked],
      [
        "the issuing authority revoked",
        async () => [await byCA(), await byRoot({ revoked: [ca] })],
        undefined,
        revoked,
      ],
      [
        "its serial number on the list of another authority",
        async () => [await byCA(), await byRoot({ revoked: [leaf] })],
        undefined,
        undefined,
      ],
      [
        "a list that is out of date",
        async () => [await byCA({ nextUpdate: Date.now() - 1000 }), await byRoot()],
        unknown,
        unknown,
      ],
      [
        "a list out of date and a fresh one",
        async () => [await byCA({ nextUpdate: Date.now() - 1000 }), await byCA(), await byRoot()],
        undefined,
        undefined,
      ],
      [
        "a list from the future",
        async () => [await byCA({ thisUpdate: Date.now() + day }), await byRoot()],
        unknown,
        unknown,
      ],
      [
        "a list without a date for the next",
        async () => [await byCA({ nextUpdate: null }), await byRoot()],
        unknown,
        unknown,
      ],
      ["a forged list", async () => [await byCA({ signer: leaf }), await byRoot()], unknown, unknown],
      [
        "a forged list that revokes",
        async () => [await byCA({ signer: leaf, revoked: [leaf] }), await byCA(), await byRoot()],
        undefined,
        undefined,
      ],
      [
        "a list with an unknown critical extension",
        async () => [
          await byCA({ extensions: [new x509.Extension("2.5.29.28", true, Uint8Array.of(0x30, 0))] }),
          await byRoot(),
        ],
        unknown,
        unknown,
      ],
      [
        "a delta that does not say so critically",
        async () => [
          await byCA({ extensions: [new x509.Extension("2.5.29.27", false, Uint8Array.of(2, 1, 1))] }),
          await byRoot(),
        ],
        unknown,
        unknown,
      ],
      [
        "a part of a list that does not say so critically",
        async () => [
          await byCA({ extensions: [new x509.Extension("2.5.29.28", false, Uint8Array.of(0x30, 0))] }),
          await byRoot(),
        ],
        unknown,
        unknown,
      ],
      [
        "the server taken off the list again",
        async () => [await byCA({ revoked: [leaf], reason: x509.X509CrlReason.removeFromCRL }), await byRoot()],
        undefined,
        undefined,
      ],
      [
        "the server on hold",
        async () => [await byCA({ revoked: [leaf], reason: x509.X509CrlReason.certificateHold }), await byRoot()],
        revoked,
        revoked,
      ],
      [
        "a stale list of the root that revokes",
        async () => [await byCA(), await byRoot({ revoked: [ca], nextUpdate: Date.now() - 1000 })],
        undefined,
        unknown,
      ],
    ];
    for (const [title, lists, ofLeaf, ofChain] of table)
      it(`with ${title}: leaf ${ofLeaf ?? "accepts"}, chain ${ofChain ?? "accepts"}`, async () => {
        const expected = { off: undefined, leaf: ofLeaf, chain: ofChain };
        const revocationLists = await lists();
        for (const revocation of modes) {
          const options = { ...anchors, revocation, revocationLists };
          if (expected[revocation] === undefined) await accepted([leaf, ca], options);
          else await refused(expected[revocation], [leaf, ca], options);
        }
      });

    it("reports the earliest next update among the lists it used", async () => {
      const soon = Math.floor((Date.now() + day) / 1000) * 1000;
      const revocationLists = [await byCA(), await byRoot({ nextUpdate: soon })];
      equal(
        (await accepted([leaf, ca], { ...anchors, revocation: "chain", revocationLists })).revocationNextUpdate,
        soon,
      );
      const leafOnly = await accepted([leaf, ca], { ...anchors, revocation: "leaf", revocationLists });
      ok(leafOnly.revocationNextUpdate! > soon);
      const off = await accepted([leaf, ca], { ...anchors, revocation: "off", revocationLists });
      equal(off.revocationNextUpdate, undefined);
    });

    it("goes by the device's time", async () => {
      const revocationLists = [await byCA()];
      const time = at(Date.now() + 8 * day);
      await refused(unknown, [leaf, ca], { ...anchors, revocation: "leaf", revocationLists, time });
    });

    it("refuses what must not sign lists", async () => {
      const mute = await issue({ name: "mute", ca: true, issuer: root, keyUsage: x509.KeyUsageFlags.keyCertSign });
      const revocationLists = [await revocationList(mute)];
      await refused(unknown, [await serverOf(mute), mute], { ...anchors, revocation: "leaf", revocationLists });
    });
  });

  it("reports the worst of several problems", async () => {
    const past = { notBefore: Date.now() - 5 * day, notAfter: Date.now() - day };
    const worst = await serverOf(ca, { ...past, dns: ["elsewhere"], extendedKeyUsage: [clientAuth] });
    const options = {
      ...anchors,
      revocation: "leaf" as const,
      revocationLists: [await revocationList(ca, { revoked: [worst] })],
    };
    await refused("TLS_CERTIFICATE_UNSUITABLE", [worst, ca], options);
    const expired = await serverOf(ca, { ...past, dns: ["elsewhere"] });
    await refused("TLS_CERTIFICATE_EXPIRED", [expired, ca], options);
    const elsewhere = await serverOf(ca, { dns: ["elsewhere"] });
    const lists = [await revocationList(ca, { revoked: [elsewhere] })];
    await refused("TLS_CERTIFICATE_NAME_MISMATCH", [elsewhere, ca], { ...options, revocationLists: lists });
  });
}
