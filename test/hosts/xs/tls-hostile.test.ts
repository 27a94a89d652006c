/** TLS on the XS host against servers that refuse, lie, or speak nonsense: each has its own error, and the firmware goes on. */
import { equal, match, ok } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";
import { type Issued, issue } from "../node/support/pki.js";
import { at, closeServers, startServer } from "../node/support/tls.js";
import { OpenSSLServer } from "./openssl-server.js";
import { type Refusal, RemoteDevice, type RemoteOptions, type Tamper } from "./remote.js";
import { hostIsBuilt } from "./support.js";
import { tlsBuilds } from "./tls-builds.js";

/** A change of the n-th byte that the server sends. */
function flip(position: number, mask: number): Tamper {
  let seen = 0;
  return (bytes) => {
    const changed = Buffer.from(bytes);
    if (position >= seen && position < seen + bytes.byteLength) changed[position - seen]! ^= mask;
    seen += bytes.byteLength;
    return [changed];
  };
}

for (const { name, variant, versions } of tlsBuilds)
  describe(`XS host: TLS against hostile servers with ${name}`, function () {
    this.timeout(20_000);
    const device = new RemoteDevice(variant);
    const folder = temporaryFolder();
    const isSmall = variant.bits === 32;
    let root: Issued;
    let leaf: Issued;
    before(hostIsBuilt(variant));
    before(async () => {
      root = await issue({ name: "root", ca: true });
      leaf = await issue({ name: "server", issuer: root, dns: ["localhost"] });
      await device.start();
    });
    after(() => device.stop());
    afterEach(closeServers);

    const options = () => ({ trustAnchors: [root.der], serverName: "localhost", time: at(Date.now()) });

    async function failure(port: number, more: Partial<RemoteOptions> = {}, tamper?: Tamper): Promise<Refusal> {
      const client = await device.connect(port, { ...options(), ...more }, tamper);
      const error = await client.failed();
      await client.close();
      return error;
    }

    /** Runs `body` with a plain TCP server that answers whatever comes with these bytes, again and again if wanted. */
    async function withBytes(bytes: Uint8Array, body: (port: number) => Promise<void>): Promise<void> {
      const sockets: Socket[] = [];
      const server = createServer((socket) => {
        sockets.push(socket);
        socket.on("error", () => undefined);
        socket.once("data", () => socket.write(bytes));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      try {
        await body((server.address() as AddressInfo).port);
      } finally {
        for (const socket of sockets) socket.destroy();
        server.close();
      }
    }

    it("says that there is no version in common, also of a server that answers with TLS 1.0 or 1.1", async () => {
      if (versions.includes("TLSv1.3")) {
        const old = await startServer({ maxVersion: "TLSv1.2" }, [leaf]);
        equal((await failure(old.port, { minimumVersion: "TLSv1.3" })).code, "TLS_VERSION_UNSUPPORTED");
      }
      const young = await startServer({ minVersion: "TLSv1.3" }, [leaf]);
      equal((await failure(young.port, { maximumVersion: "TLSv1.2" })).code, "TLS_VERSION_UNSUPPORTED");
      const honest = await startServer({ maxVersion: "TLSv1.2" }, [leaf]);
      // Of the first record the ServerHello: its version lies at 9 and 10.
      for (const minor of [1, 2])
        equal((await failure(honest.port, {}, flip(10, 3 ^ minor))).code, "TLS_VERSION_UNSUPPORTED");
    });

    it("names the alert of a server that has no protocol, or no cipher suite, in common", async () => {
      const server = await startServer({ ALPNProtocols: ["mqtt"], maxVersion: "TLSv1.2" }, [leaf]);
      const error = await failure(server.port, { applicationProtocols: ["other"] });
      equal(error.code, "TLS_ALERT_RECEIVED");
      match(error.message, /no_application_protocol/);
      const weak = await startServer({ ciphers: "AES128-SHA", maxVersion: "TLSv1.2" }, [leaf]);
      match((await failure(weak.port)).message, /handshake_failure/);
    });

    for (const protocol of versions)
      it(`names the alert of a server that wants a client certificate, in ${protocol}`, async () => {
        // It speaks its alert before it closes; Node's server often does not.
        writeFileSync(folder.join("ca.pem"), root.pem);
        const verify = ["-CAfile", folder.join("ca.pem"), "-Verify", "2", "-verify_return_error"];
        const strict = await OpenSSLServer.start(folder, leaf, protocol, verify);
        try {
          const bare = await failure(strict.port, { maximumVersion: protocol });
          equal(bare.code, "TLS_ALERT_RECEIVED", bare.message);
          match(bare.message, protocol === "TLSv1.3" ? /certificate_required/ : /handshake_failure/);
          const stranger = await issue({ name: "stranger" });
          const mine = { certificateChain: [stranger.der], privateKey: stranger.keyDER };
          const unknown = await failure(strict.port, { maximumVersion: protocol, ...mine });
          equal(unknown.code, "TLS_ALERT_RECEIVED", unknown.message);
        } finally {
          strict.stop();
        }
      });

    it("refuses a ServerKeyExchange that another key signed", async () => {
      const server = await startServer({ maxVersion: "TLSv1.2", ecdhCurve: "prime256v1" }, [leaf]);
      // Records of their own: ServerHello, Certificate, ServerKeyExchange. The signature is at the end of the third.
      const tamper: Tamper = (bytes) => {
        const changed = Buffer.from(bytes);
        for (let at = 0; at + 5 < changed.byteLength; at += 5 + changed.readUInt16BE(at + 3))
          if (changed[at] === 22 && changed[at + 5] === 12) changed[at + 4 + changed.readUInt16BE(at + 3)]! ^= 1;
        return [changed];
      };
      const error = await failure(server.port, {}, tamper);
      equal(error.code, "TLS_HANDSHAKE_FAILED", error.message);
    });

    it("refuses what is no TLS, and records that are too large, before it costs memory", async () => {
      await withBytes(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), async (port) => {
        const error = await failure(port);
        equal(error.code, "TLS_HANDSHAKE_FAILED");
        match(error.message, /does not speak TLS/);
      });
      await withBytes(Buffer.of(22, 3, 3, 0xff, 0xff, 2), async (port) => {
        equal((await failure(port)).code, "TLS_RECORD_TOO_LARGE");
      });
      await withBytes(Buffer.of(22, 3, 3, 9, 0, 2), async (port) => {
        equal((await failure(port, { inputBuffer: 1024 })).code, "TLS_RECORD_TOO_LARGE");
      });
    });

    it("survives a storm of warnings, and one of empty records", async () => {
      const storm = (record: number[]): Buffer =>
        Buffer.concat(Array.from({ length: 5000 }, () => Buffer.from(record)));
      for (const record of [
        [21, 3, 3, 0, 2, 1, 90],
        [22, 3, 3, 0, 0],
        [20, 3, 3, 0, 1, 1],
        [23, 3, 3, 0, 0],
      ])
        await withBytes(storm(record), async (port) => {
          const client = await device.connect(port, options());
          await client.wait("engine");
          const end = performance.now() + 300;
          while (!client.has("error") && performance.now() < end)
            await new Promise((resolve) => setTimeout(resolve, 5));
          equal(client.has("open"), false);
          await client.close();
        });
      const server = await startServer({}, [leaf]);
      const after = await device.connect(server.port, options());
      await after.opened();
      await after.close();
    });

    for (const protocol of versions)
      it(`refuses 16 KB in one record with an input buffer of 2048, in ${protocol}`, async () => {
        const server = await startServer({ minVersion: protocol, maxVersion: protocol }, [leaf]);
        const small = { ...options(), maximumVersion: protocol, inputBuffer: 2048 };
        // OpenSSL keeps to a fragment length that it agreed on. This is what a server sends that ignores it: the header of a
        // record of 16 KB, in the place of one that fits.
        let isOpen = false;
        const enlarge: Tamper = (bytes) => {
          const changed = Buffer.from(bytes);
          if (isOpen && changed[0] === 23) changed.writeUInt16BE(16_384, 3);
          return [changed];
        };
        const client = await device.connect(server.port, small, enlarge);
        await client.opened();
        // In TLS 1.3 the server is done after the client.
        await client.until(() => server.sockets.length > 0);
        const socket = server.sockets.at(-1)!;
        socket.write(Buffer.alloc(2048, "a"));
        await client.until(() => client.text.length === 2048);
        isOpen = true;
        socket.write(Buffer.alloc(2048, "b"));
        equal((await client.failed()).code, "TLS_RECORD_TOO_LARGE");
        equal(client.text.includes("b"), false);
        await client.close();
      });

    it("waits quietly for the rest of a flight that was cut short, and reports the end", async () => {
      const server = await startServer({}, [leaf]);
      for (const length of [1, 4, 5, 6, 50, 200, 400]) {
        let left = length;
        const cut: Tamper = (bytes) => {
          const part = bytes.subarray(0, left);
          left -= part.byteLength;
          return part.byteLength > 0 ? [part] : [];
        };
        const client = await device.connect(server.port, options(), cut);
        await client.wait("engine");
        await new Promise((resolve) => setTimeout(resolve, 15));
        equal(client.has("error") || client.has("open"), false);
        client.cut();
        equal((await client.failed()).code, "CONNECTION_LOST");
        await client.close();
      }
    });

    it("fails properly, once, whatever byte of the server's is changed, and never shows what was not sent", async function () {
      this.timeout(60_000);
      const outcomes = new Map<string, number>();
      for (const protocol of versions) {
        const server = await startServer({ minVersion: protocol, maxVersion: protocol }, [leaf]);
        for (let round = 0; round < 80; round++) {
          const position = randomBytes(2).readUInt16LE() % 1400;
          const client = await device.connect(server.port, options(), flip(position, 1 << (round % 8)));
          await client.wait("engine");
          const end = performance.now() + 120;
          let written = false;
          while (!client.has("error") && client.text === "" && performance.now() < end) {
            if (client.has("open") && !written) {
              written = true;
              client.write("hello");
            }
            await new Promise((resolve) => setTimeout(resolve, 2));
          }
          ok(client.events.filter(({ event }) => event === "error").length <= 1);
          ok(client.text === "" || client.text === "echo:hello", client.text);
          const error = client.find("error");
          const outcome = error ? (error["code"] as string) : client.text === "" ? "waits" : "undamaged";
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
          ok(!["INVALID_ARGUMENT", "INVALID_STATE", "TLS_OUT_OF_MEMORY"].includes(outcome), JSON.stringify(error));
          await client.close();
        }
      }
      ok((outcomes.get("TLS_HANDSHAKE_FAILED") ?? 0) > 0, JSON.stringify([...outcomes]));
    });

    it("says that memory ran out, and does not call it a bad signature", async () => {
      const server = await startServer({}, [leaf]);
      const before = await device.memory();
      const seen = new Set<string>();
      try {
        for (let spare = 1000; spare < 48_000; spare += isSmall ? 500 : 1500) {
          await device.cap(before.now + spare);
          const client = await device.connect(server.port, options());
          const outcome = await client.outcome();
          seen.add("code" in outcome ? outcome.code : "open");
          await client.close();
          if (!("code" in outcome)) break;
        }
      } finally {
        await device.cap(0);
      }
      equal([...seen].sort().join(), "TLS_OUT_OF_MEMORY,open");
      const { now } = await device.memory();
      ok(now <= before.now, `${now - before.now} bytes were left behind`);
    });
  });
