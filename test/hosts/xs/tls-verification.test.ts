/** Verification of the server on the XS host: the same cases as on the Node host, and where Mbed TLS differs. */
import { equal, ok } from "node:assert/strict";
import type { TlsOptions } from "node:tls";
import type { ErrorCode } from "../../../src/errors.js";
import type { TLSNegotiated } from "../../../src/platform.js";
import { type Issued, issue } from "../node/support/pki.js";
import { at, closeServers, startServer } from "../node/support/tls.js";
import { type CaseOptions, verificationCases } from "../node/support/verification-cases.js";
import { type Refusal, RemoteDevice, type RemoteOptions } from "./remote.js";
import { hostIsBuilt } from "./support.js";
import { tlsBuilds } from "./tls-builds.js";

for (const { name, variant, versions, content, major } of tlsBuilds)
  describe(`XS host: verification of the server with ${name}`, function () {
    this.timeout(20_000);
    const device = new RemoteDevice(variant);
    before(hostIsBuilt(variant));
    before(() => device.start());
    after(() => device.stop());

    async function attempt(
      chain: readonly Issued[],
      options: CaseOptions & Partial<RemoteOptions>,
      serverOptions: TlsOptions = {},
    ): Promise<Refusal | TLSNegotiated> {
      const server = await startServer(serverOptions, chain);
      const client = await device.connect(server.port, {
        trustAnchors: [],
        serverName: "localhost",
        time: at(Date.now()),
        ...options,
      });
      try {
        const outcome = await client.outcome();
        equal(client.find("engine")?.["early"], 0);
        if (!("code" in outcome)) return outcome;
        equal(client.has("open"), false);
        equal(client.sessions.length, 0, "a refused server's session was handed out");
        equal(server.received.length, 0, "application bytes reached a refused server");
        return outcome;
      } finally {
        await client.close();
        await server.close();
      }
    }

    verificationCases(attempt, {
      hasTLS13: versions.includes("TLSv1.3"),
      ...(content.input < 6000 && { longChain: "TLS_RECORD_TOO_LARGE" }),
      // 4.0 keeps no more of the error than that the certificate could not be parsed.
      ...(major >= 4 && { strangeExtension: "TLS_CERTIFICATE_UNTRUSTED" }),
    });

    describe("options", () => {
      let root: Issued;
      let ca: Issued;
      let leaf: Issued;
      before(async () => {
        root = await issue({ name: "root", ca: true });
        ca = await issue({ name: "issuing", ca: true, issuer: root });
        leaf = await issue({ name: "server", issuer: ca, dns: ["localhost"] });
      });

      it("are refused before anything is sent when they cannot be right", async () => {
        const good = { trustAnchors: [root.der], serverName: "localhost", time: at(Date.now()) };
        const wrong: [object, ErrorCode][] = [
          [{ trustAnchors: [] }, "INVALID_ARGUMENT"],
          [{ trustAnchors: [Uint8Array.of(0x30, 0)] }, "CRYPTO_INVALID"],
          [{ trustAnchors: [new Uint8Array(3000)] }, "CRYPTO_INVALID"],
          [{ trustAnchors: [Buffer.concat([root.der, Buffer.of(0)])] }, "CRYPTO_INVALID"],
          [{ trustAnchors: Array.from({ length: 17 }, () => root.der) }, "INVALID_ARGUMENT"],
          [{ revocationLists: [leaf.der] }, "CRYPTO_INVALID"],
          [{ certificateChain: [leaf.der] }, "INVALID_ARGUMENT"],
          [{ privateKey: leaf.keyDER }, "INVALID_ARGUMENT"],
          [{ certificateChain: [ca.der], privateKey: leaf.keyDER }, "CRYPTO_INVALID"],
          [{ serverName: "" }, "INVALID_ARGUMENT"],
          [{ serverName: "a\0b" }, "INVALID_ARGUMENT"],
          [{ inputBuffer: 100 }, "INVALID_ARGUMENT"],
          [{ maximumFragmentLength: 1000 }, "INVALID_ARGUMENT"],
          [{ minimumVersion: "TLSv1.3", maximumVersion: "TLSv1.2" }, "INVALID_ARGUMENT"],
          [{ minimumVersion: "TLSv1.1" }, "INVALID_ARGUMENT"],
          [{ revocation: "maybe" }, "INVALID_ARGUMENT"],
          [{ applicationProtocols: [""] }, "INVALID_ARGUMENT"],
          [{ applicationProtocols: ["a\nb"] }, "INVALID_ARGUMENT"],
          [{ time: { earliest: 2, latest: 1 } }, "INVALID_ARGUMENT"],
        ];
        if (!versions.includes("TLSv1.3")) wrong.push([{ minimumVersion: "TLSv1.3" }, "UNSUPPORTED"]);
        const server = await startServer({}, [leaf, ca]);
        const before = await device.memory();
        for (const [change, code] of wrong) {
          const client = await device.connect(server.port, { ...good, ...change });
          const outcome = await client.failed();
          equal(outcome.code, code, `${JSON.stringify(Object.keys(change))}: ${outcome.message}`);
        }
        const after = await device.memory();
        ok(after.now <= before.now, `${after.now - before.now} bytes of native memory were left behind`);
        await server.close();
      });
    });

    afterEach(closeServers);
  });
