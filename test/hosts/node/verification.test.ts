import "reflect-metadata";
import { equal, match, ok } from "node:assert/strict";
import type { TlsOptions } from "node:tls";
import * as x509 from "@peculiar/x509";
import { createPlatform } from "../../../hosts/node/index.js";
import type { ErrorCode, SealwireError } from "../../../src/errors.js";
import type { TLSNegotiated } from "../../../src/platform.js";
import { type Issued, type IssueOptions, issue } from "./support/pki.js";
import { removeTemporaryFolders, temporaryFolder } from "./support/folder.js";
import { at, closeServers, startClient, startServer } from "./support/tls.js";
import { verificationCases } from "./support/verification-cases.js";

const day = 86_400_000;

type ClientOptions = Partial<Parameters<typeof startClient>[1]>;

/** Connects to a server with this chain. @returns the refusal, or what was negotiated; no byte may reach a refused server's application */
async function attempt(
  chain: readonly Issued[],
  options: ClientOptions,
  serverOptions: TlsOptions = {},
): Promise<SealwireError | TLSNegotiated> {
  const server = await startServer(serverOptions, chain);
  const client = startClient(server.port, {
    trustAnchors: [],
    serverName: "localhost",
    time: at(Date.now()),
    ...options,
  });
  try {
    equal(client.engine.write(Buffer.from("too early")), 0);
    const outcome = await client.opened.catch((error: unknown) => error as SealwireError);
    equal(client.engine.write(Buffer.from("x")), outcome instanceof Error ? 0 : 1);
    if (outcome instanceof Error) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      equal(client.callbacks.includes("open"), false);
      equal(client.sessions.length, 0, "a refused server's session was handed out");
      equal(server.received.length, 0, "application bytes reached a refused server");
    }
    return outcome;
  } finally {
    client.close();
    await server.close();
  }
}

describe("node host: verification of the server", () => {
  verificationCases(attempt);

  let root: Issued;
  let ca: Issued;
  let leaf: Issued;
  let anchors: { trustAnchors: Uint8Array[] };
  before(async () => {
    root = await issue({ name: "root", ca: true });
    ca = await issue({ name: "issuing", ca: true, pathLength: 0, issuer: root });
    leaf = await issue({ name: "server", issuer: ca, dns: ["localhost"] });
    anchors = { trustAnchors: [root.der] };
  });
  afterEach(closeServers);
  after(removeTemporaryFolders);

  const serverOf = (issuer: Issued, more: Partial<IssueOptions> = {}): Promise<Issued> =>
    issue({ name: "server", issuer, dns: ["localhost"], ...more });

  async function unsuitable(chain: readonly Issued[], options: ClientOptions = {}): Promise<SealwireError> {
    const outcome = await attempt(chain, { ...anchors, ...options });
    equal((outcome as SealwireError).code, "TLS_CERTIFICATE_UNSUITABLE");
    return outcome as SealwireError;
  }

  it("leaves name constraints to OpenSSL, and refuses them where OpenSSL's verdict is about dates", async () => {
    // permittedSubtrees: dNSName "localhost", and "elsewhere"
    const permitted = (name: string): x509.Extension => {
      const text = Buffer.from(name);
      const subtree = Buffer.concat([Buffer.of(0x30, text.length + 2, 0x82, text.length), text]);
      const value = Buffer.concat([Buffer.of(0x30, subtree.length + 2, 0xa0, subtree.length), subtree]);
      return new x509.Extension("2.5.29.30", true, value);
    };
    const good = await issue({ name: "good", ca: true, issuer: root, extensions: [permitted("localhost")] });
    const bad = await issue({ name: "bad", ca: true, issuer: root, extensions: [permitted("elsewhere")] });
    ok(!((await attempt([await serverOf(good), good], anchors)) instanceof Error));
    match((await unsuitable([await serverOf(bad), bad])).message, /OpenSSL/);
    const past = { notBefore: Date.now() - 9 * day, notAfter: Date.now() - 5 * day };
    const longAgo = await serverOf(bad, past);
    const constrained = await issue({
      name: "bad",
      ca: true,
      issuer: root,
      keys: bad.keys,
      ...past,
      extensions: [permitted("elsewhere")],
    });
    const oldRoot = await issue({ name: "root", ca: true, keys: root.keys, ...past });
    await unsuitable([longAgo, constrained], { trustAnchors: [oldRoot.der], time: at(Date.now() - 7 * day) });
  });

  it("refuses options that cannot be right before anything is sent", () => {
    const platform = createPlatform({ folder: temporaryFolder() });
    const callbacks = { onOpen() {}, onReadable() {}, onWritable() {}, onDrainable() {}, onClose() {}, onError() {} };
    const good = { ...anchors, serverName: "localhost", time: at(Date.now()), ...callbacks };
    const key = platform.crypto.importKey("private", leaf.keyDER.slice());
    const wrong: [object, ErrorCode][] = [
      [{ trustAnchors: [] }, "INVALID_ARGUMENT"],
      [{ trustAnchors: [Uint8Array.of(0x30, 0)] }, "CRYPTO_INVALID"],
      [{ trustAnchors: [new Uint8Array(5000)] }, "CRYPTO_INVALID"],
      [{ trustAnchors: [Buffer.concat([root.der, Buffer.of(0)])] }, "CRYPTO_INVALID"],
      [{ revocationLists: [leaf.der] }, "CRYPTO_INVALID"],
      [{ certificateChain: [leaf.der] }, "INVALID_ARGUMENT"],
      [{ privateKey: key }, "INVALID_ARGUMENT"],
      [{ certificateChain: [ca.der], privateKey: key }, "CRYPTO_INVALID"],
      [{ serverName: "" }, "INVALID_ARGUMENT"],
      [{ serverName: "a\0b" }, "INVALID_ARGUMENT"],
      [{ inputBuffer: 100 }, "INVALID_ARGUMENT"],
      [{ minimumVersion: "TLSv1.3", maximumVersion: "TLSv1.2" }, "INVALID_ARGUMENT"],
      [{ minimumVersion: "TLSv1.1" }, "INVALID_ARGUMENT"],
      [{ revocation: "maybe" }, "INVALID_ARGUMENT"],
      [{ applicationProtocols: [""] }, "INVALID_ARGUMENT"],
      [{ time: { earliest: NaN, latest: undefined } }, "INVALID_ARGUMENT"],
    ];
    for (const [change, code] of wrong) {
      let thrown: unknown;
      try {
        platform.createTLSEngine({ ...good, ...change }).close();
      } catch (error) {
        thrown = error;
      }
      equal((thrown as SealwireError | undefined)?.code, code, JSON.stringify(Object.keys(change)));
    }
    key.close();
    platform.createTLSEngine(good).close();
  });
});
