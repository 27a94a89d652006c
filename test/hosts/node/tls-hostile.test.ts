import { equal, match, ok } from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { createPlatform } from "../../../hosts/node/index.js";
import { SealwireError } from "../../../src/errors.js";
import type { TLSVersion } from "../../../src/platform.js";
import { removeTemporaryFolders, temporaryFolder } from "./support/folder.js";
import { type Issued, issue } from "./support/pki.js";
import { at, closeServers, type Client, startClient, startServer, type Tamper, until } from "./support/tls.js";

const versions: readonly TLSVersion[] = ["TLSv1.2", "TLSv1.3"];

describe("node host: TLS engine against servers that refuse, lie, or speak nonsense", () => {
  let root: Issued;
  let leaf: Issued;
  before(async () => {
    root = await issue({ name: "root", ca: true });
    leaf = await issue({ name: "server", issuer: root, dns: ["localhost"] });
  });
  afterEach(closeServers);
  after(removeTemporaryFolders);

  const options = () => ({ trustAnchors: [root.der], serverName: "localhost", time: at(Date.now()) });

  /** Runs `body` with a plain TCP server that answers whatever comes with these bytes. */
  async function withBytes(bytes: Uint8Array, body: (port: number) => Promise<void>): Promise<void> {
    const sockets: Socket[] = [];
    const server: Server = createServer((socket) => {
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

  async function failure(port: number, more: object = {}, tamper?: Tamper): Promise<SealwireError> {
    const client = startClient(port, { ...options(), ...more }, tamper);
    const error = await client.failed;
    equal(client.errors.length, 1);
    client.close();
    return error;
  }

  it("says that there is no version in common, whoever finds out", async () => {
    const old = await startServer({ maxVersion: "TLSv1.2" }, [leaf]);
    equal((await failure(old.port, { minimumVersion: "TLSv1.3" })).code, "TLS_VERSION_UNSUPPORTED");
    const young = await startServer({ minVersion: "TLSv1.3" }, [leaf]);
    equal((await failure(young.port, { maximumVersion: "TLSv1.2" })).code, "TLS_VERSION_UNSUPPORTED");
    await Promise.all([old.close(), young.close()]);
  });

  it("names the alert of a server that has no protocol, or no cipher suite, in common", async () => {
    const server = await startServer({ ALPNProtocols: ["mqtt"], maxVersion: "TLSv1.2" }, [leaf]);
    const error = await failure(server.port, { applicationProtocols: ["other"] });
    equal(error.code, "TLS_ALERT_RECEIVED");
    match(error.message, /no_application_protocol/);
    const weak = await startServer({ ciphers: "AES128-SHA", maxVersion: "TLSv1.2" }, [leaf]);
    match((await failure(weak.port)).message, /handshake_failure/);
    await Promise.all([server.close(), weak.close()]);
  });

  for (const protocol of versions)
    describe(`client certificates in ${protocol}`, () => {
      const range = { minVersion: protocol, maxVersion: protocol };
      const { crypto } = createPlatform({ folder: temporaryFolder() });

      it("presents its chain and proves its key", async () => {
        const issuing = await issue({ name: "devices", ca: true, issuer: root });
        const device = await issue({ name: "device-1", issuer: issuing });
        const server = await startServer({ ...range, requestCert: true, rejectUnauthorized: true, ca: root.pem }, [
          leaf,
        ]);
        const privateKey = crypto.importKey("private", device.keyDER.slice());
        const client = startClient(server.port, {
          ...options(),
          certificateChain: [device.der, issuing.der],
          privateKey,
        });
        privateKey.close();
        await client.opened;
        client.engine.write(Buffer.from("me"));
        await client.until(() => client.text() === "echo:me", "the echo");
        equal(server.sockets[0]!.getPeerCertificate().subject.CN, "device-1");
        client.close();
        await server.close();
      });

      it("names the alert of a server that wants none of it: no certificate, an unknown authority", async () => {
        const server = await startServer({ ...range, requestCert: true, rejectUnauthorized: false, ca: root.pem }, [
          leaf,
        ]);
        await server.close();
        const strict = await startOpenSSL(protocol);
        const stranger = await issue({ name: "stranger" });
        const bare = await failure(strict.port);
        equal(bare.code, "TLS_ALERT_RECEIVED", bare.message);
        match(bare.message, protocol === "TLSv1.3" ? /certificate_required/ : /handshake_failure/);
        const unknown = await failure(strict.port, {
          certificateChain: [stranger.der],
          privateKey: crypto.importKey("private", stranger.keyDER.slice()),
        });
        equal(unknown.code, "TLS_ALERT_RECEIVED", unknown.message);
        match(unknown.message, /unknown_ca|bad_certificate|decrypt_error/);
        await strict.close();
      });

      if (protocol === "TLSv1.2")
        it("does not renegotiate: the new handshake might bring another certificate", async () => {
          const server = await startOpenSSL(protocol, ["-msg"]);
          const client = startClient(server.port, options());
          await client.opened;
          server.type("r\n");
          const error = await client.failed;
          equal(error.code, "TLS_HANDSHAKE_FAILED");
          match(error.message, /renegotiation/);
          equal(client.callbacks.filter((name) => name === "open").length, 1);
          equal(server.said().match(/ClientHello/g)?.length, 1);
          client.close();
          await server.close();
        });

      /** Node's own server resets instead of sending an alert, so the alert comes from `openssl s_server`. */
      async function startOpenSSL(
        version: TLSVersion,
        extra = ["-Verify", "2", "-verify_return_error", "-CAfile", "ca.pem"],
      ): Promise<{ port: number; said(): string; type(text: string): void; close(): Promise<void> }> {
        const folder = temporaryFolder();
        writeFileSync(`${folder}/all.pem`, `${leaf.pem}\n${leaf.keyPEM}\n`);
        writeFileSync(`${folder}/ca.pem`, root.pem);
        const flag = version === "TLSv1.3" ? "-tls1_3" : "-tls1_2";
        const server = spawn("openssl", ["s_server", "-accept", "127.0.0.1:0", "-cert", "all.pem", flag, ...extra], {
          cwd: folder,
          stdio: ["pipe", "pipe", "ignore"],
        });
        let said = "";
        server.stdout.on("data", (bytes: Buffer) => (said += bytes.toString()));
        const ended = new Promise<void>((resolve) => server.on("close", () => resolve()));
        await until(() => /ACCEPT \S+:\d+/.test(said), "openssl s_server");
        return {
          port: Number(/ACCEPT \S+:(\d+)/.exec(said)![1]),
          said: () => said,
          type: (text) => server.stdin.write(text),
          close: () => {
            server.kill("SIGKILL");
            return ended;
          },
        };
      }
    });

  it("says that a peer does not speak TLS, before it takes in more of it", async () => {
    for (const text of ["HTTP/1.1 400 Bad Request\r\n\r\n", "\x20\x02\x00\x00", "\0\0\0\0\0\0"])
      await withBytes(Buffer.from(text, "latin1"), async (port) => {
        const error = await failure(port);
        equal(error.code, "TLS_HANDSHAKE_FAILED");
        match(error.message, /does not speak TLS|connection failed/);
      });
  });

  it("refuses a record larger than its input buffer by its header alone", async () => {
    await withBytes(Buffer.of(22, 3, 3, 0x40, 0), async (port) => {
      const client = startClient(port, { ...options(), inputBuffer: 4096 });
      const error = await client.failed;
      equal(error.code, "TLS_RECORD_TOO_LARGE");
      match(error.message, /16384 bytes.*4096/);
      client.close();
    });
    for (const protocol of versions) {
      const server = await startServer({ minVersion: protocol, maxVersion: protocol }, [leaf]);
      const client = startClient(server.port, { ...options(), inputBuffer: 2048 });
      await client.opened;
      await until(() => server.sockets.length > 0, "the server");
      server.sockets[0]!.write(Buffer.alloc(2048, "a"));
      await client.until(() => client.text().length === 2048, "a record that fits");
      server.sockets[0]!.write(Buffer.alloc(protocol === "TLSv1.2" ? 2049 : 2400, "b"));
      equal((await client.failed).code, "TLS_RECORD_TOO_LARGE");
      equal(client.text().includes("b"), false);
      client.close();
      await server.close();
    }
  });

  it("waits quietly for the rest of a flight that was cut short, and can be closed meanwhile", async () => {
    const server = await startServer({}, [leaf]);
    for (const length of [1, 4, 5, 6, 50, 200, 400]) {
      let left = length;
      const cut: Tamper = (bytes) => {
        const part = bytes.subarray(0, left);
        left -= part.byteLength;
        return part.byteLength > 0 ? [part] : [];
      };
      const client = startClient(server.port, options(), cut);
      await new Promise((resolve) => setTimeout(resolve, 15));
      equal(client.errors.length, 0);
      equal(client.engine.negotiated, undefined);
      client.engine.feedEnd();
      equal((await client.failed).code, "CONNECTION_LOST");
      client.close();
    }
    await server.close();
  });

  it("fails properly, once, whatever byte of the server's is changed, and never shows what was not sent", async function () {
    this.timeout(30_000);
    const outcomes = new Map<string, number>();
    for (const protocol of versions) {
      const server = await startServer({ minVersion: protocol, maxVersion: protocol }, [leaf]);
      for (let round = 0; round < 120; round++) {
        const position = randomBytes(2).readUInt16LE() % 1400;
        const mask = 1 << (round % 8);
        let seen = 0;
        const flip: Tamper = (bytes) => {
          const changed = Buffer.from(bytes);
          if (position >= seen && position < seen + bytes.byteLength) changed[position - seen]! ^= mask;
          seen += bytes.byteLength;
          return [changed];
        };
        const client: Client = startClient(server.port, options(), flip);
        client.opened.then(
          () => client.engine.write(Buffer.from("hello")),
          () => undefined,
        );
        const end = performance.now() + 60;
        // A record that seems longer than it is makes the engine wait: the link's own timeout ends that.
        while (client.errors.length === 0 && client.text() === "" && performance.now() < end)
          await new Promise((resolve) => setTimeout(resolve, 2));
        ok(client.errors.length <= 1);
        ok(client.text() === "" || client.text() === "echo:hello", client.text());
        for (const error of client.errors) ok(error instanceof SealwireError);
        const outcome = client.errors[0]?.code ?? (client.text() === "" ? "waits" : "undamaged");
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        client.close();
      }
      await server.close();
    }
    ok((outcomes.get("TLS_HANDSHAKE_FAILED") ?? 0) > 0, JSON.stringify([...outcomes]));
  });

  it("tells the server why it gives up, with an alert that can be drained after the error", async () => {
    const server = await startServer({ maxVersion: "TLSv1.2" }, [leaf]);
    const flip: Tamper = (bytes) => {
      const changed = Buffer.from(bytes);
      // The session identifier's length in ServerHello: what follows makes no sense then.
      changed[43] = 0xff;
      return [changed];
    };
    const client = startClient(server.port, options(), flip);
    const failure = client.failed.then((error) => ({ error, seen: client.callbacks.slice() }));
    const { error, seen } = await failure;
    equal(error.code, "TLS_HANDSHAKE_FAILED");
    ok(seen.includes("error"));
    // The support code drains in onError: what came out is an alert record.
    equal(client.lastSent()[0], 21);
    client.close();
    await server.close();
  });
});
