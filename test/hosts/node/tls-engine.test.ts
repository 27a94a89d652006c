import { deepEqual, equal, ok } from "node:assert/strict";
import type { TLSSessionData, TLSVersion } from "../../../src/platform.js";
import { type Issued, issue } from "./support/pki.js";
import { at, closeServers, rememberSessions, startClient, startServer, type TestServer, until } from "./support/tls.js";

const versions: readonly TLSVersion[] = ["TLSv1.2", "TLSv1.3"];

describe("node host: TLS engine", () => {
  let root: Issued;
  let intermediate: Issued;
  let leaf: Issued;
  let server: TestServer;

  before(async () => {
    root = await issue({ name: "root", ca: true });
    intermediate = await issue({ name: "issuing", ca: true, issuer: root });
    leaf = await issue({ name: "server", issuer: intermediate, dns: ["localhost"], ip: ["127.0.0.1"] });
    server = await startServer({ ALPNProtocols: ["mqtt"] }, [leaf, intermediate]);
  });
  after(closeServers);

  const options = () => ({ trustAnchors: [root.der], serverName: "localhost", time: at(Date.now()) });

  for (const protocol of versions)
    describe(protocol, () => {
      const range = { minimumVersion: protocol, maximumVersion: protocol };

      it("opens, exchanges plaintext, and says what was negotiated", async () => {
        const client = startClient(server.port, { ...options(), ...range, applicationProtocols: ["mqtt"] });
        const negotiated = await client.opened;
        equal(negotiated.protocol, protocol);
        equal(negotiated.resumed, false);
        equal(negotiated.applicationProtocol, "mqtt");
        equal(negotiated.extendedMasterSecret, true);
        ok(negotiated.cipherSuite.startsWith("TLS_"), negotiated.cipherSuite);
        equal(negotiated.chainNotAfter, Math.min(...[leaf, intermediate, root].map((c) => +c.certificate.notAfter)));
        equal(negotiated.revocationNextUpdate, undefined);
        equal(client.engine.negotiated, negotiated);
        equal(client.engine.write(Buffer.from("hello")), 5);
        await client.until(() => client.text() === "echo:hello", "the echo");
        client.close();
      });

      it("resumes from serialised bytes, with a ticket that the server issued", async () => {
        const first = startClient(server.port, { ...options(), ...range });
        await first.opened;
        first.engine.write(Buffer.from("x"));
        await first.until(() => first.sessions.length > 0 && first.text() !== "", "a session");
        ok(first.callbacks.indexOf("open") < first.callbacks.indexOf("session"));
        const session = first.sessions.at(-1)!;
        first.close();
        equal(session.protocol, protocol);
        equal(session.extendedMasterSecret, true);
        equal(session.lifetime, 7_200_000);
        const stored: TLSSessionData = { ...session, bytes: Uint8Array.from(session.bytes) };
        const second = startClient(server.port, { ...options(), ...range, session: stored });
        const negotiated = await second.opened;
        equal(negotiated.resumed, true);
        equal(negotiated.chainNotAfter, undefined);
        equal(negotiated.extendedMasterSecret, true);
        second.engine.write(Buffer.from("again"));
        await second.until(() => second.text() === "echo:again", "the echo");
        equal(server.sockets.at(-1)!.isSessionReused(), true);
        second.close();
      });

      it("asks for no ticket of TLS 1.2 when it is told so, and resumes by ID: TLS 1.3 has nothing but tickets", async () => {
        const both = await startServer({}, [leaf, intermediate]);
        rememberSessions(both);
        const first = startClient(both.port, { ...options(), ...range, sessionTickets: false });
        await first.opened;
        first.engine.write(Buffer.from("x"));
        await first.until(() => first.sessions.length > 0 && first.text() !== "", "a session");
        const session = first.sessions.at(-1)!;
        first.close();
        equal(session.lifetime, protocol === "TLSv1.3" ? 7_200_000 : undefined);
        const second = startClient(both.port, { ...options(), ...range, sessionTickets: false, session });
        equal((await second.opened).resumed, true);
        second.close();
        await both.close();
      });

      it("falls back to a full handshake with a session that is rubbish, cut short, or of another server", async () => {
        const first = startClient(server.port, { ...options(), ...range });
        await first.opened;
        await first.until(() => first.sessions.length > 0, "a session");
        const session = first.sessions[0]!;
        first.close();
        const other = await startServer({}, [leaf, intermediate]);
        const damaged = Uint8Array.from(session.bytes);
        damaged[damaged.byteLength >> 1]! ^= 0xff;
        const attempts: [number, Uint8Array][] = [
          [server.port, Uint8Array.of(1, 2, 3)],
          [server.port, new Uint8Array(0)],
          [server.port, session.bytes.slice(0, 40)],
          [server.port, new Uint8Array(100_000)],
          [server.port, damaged],
          [other.port, session.bytes],
        ];
        for (const [port, bytes] of attempts) {
          const client = startClient(port, { ...options(), ...range, session: { ...session, bytes } });
          const negotiated = await client.opened.catch((error: unknown) => error);
          // A damaged session may parse and then fail as a handshake; it must not do anything else.
          if (bytes !== damaged) equal((negotiated as { resumed: boolean }).resumed, false);
          client.close();
        }
        await other.close();
      });

      it("moves a megabyte each way within its bounds", async () => {
        const client = startClient(server.port, { ...options(), ...range });
        await client.opened;
        const message = Buffer.alloc(1 << 20, "0123456789");
        let sent = 0;
        let most = 0;
        while (sent < message.byteLength) {
          const count = client.engine.write(message.subarray(sent));
          ok(count <= 16_384);
          sent += count;
          most = Math.max(most, client.engine.readable);
          const seen = client.callbacks.length;
          if (count === 0) await client.until(() => client.callbacks.length > seen, "room");
        }
        await client.until(() => client.text().replaceAll("echo:", "").length === message.byteLength, "the echo");
        equal(client.text().replaceAll("echo:", ""), message.toString());
        ok(most <= 32_768, `${most} bytes waited to be read`);
        client.close();
      });

      it("holds no more than its bound while nobody reads, and loses nothing", async () => {
        const before = server.sockets.length;
        const client = startClient(server.port, { ...options(), ...range });
        await client.opened;
        await until(() => server.sockets.length > before, "the server");
        client.holding = true;
        const message = Buffer.alloc(1 << 20, "0123456789abc");
        server.sockets.at(-1)!.write(message);
        await new Promise((resolve) => setTimeout(resolve, 60));
        const waiting = client.engine.readable;
        ok(waiting > 0 && waiting <= 32_768, `${waiting} bytes wait to be read`);
        client.holding = false;
        const buffer = new Uint8Array(16_384);
        const first = Buffer.from(buffer.subarray(0, client.engine.read(buffer))).toString();
        await client.until(() => first.length + client.text().length === message.byteLength, "all of it");
        equal(first + client.text(), message.toString());
        client.close();
      });

      it("says goodbye with end(), and reports the goodbye of the peer after what it sent before", async () => {
        const client = startClient(server.port, { ...options(), ...range });
        await client.opened;
        client.engine.write(Buffer.from("x"));
        await client.until(() => client.text() !== "", "the echo");
        const socket = server.sockets.at(-1)!;
        let ended = false;
        socket.on("end", () => (ended = true));
        client.engine.end();
        equal(client.engine.write(Buffer.from("late")), 0);
        await until(() => ended, "close_notify at the server");
        client.close();

        const other = startClient(server.port, { ...options(), ...range });
        await other.opened;
        other.engine.write(Buffer.from("y"));
        await until(() => server.received.at(-1) === "y", "the message");
        server.sockets.at(-1)!.end("last words");
        await other.closedByPeer;
        equal(other.text(), "echo:ylast words");
        ok(other.callbacks.lastIndexOf("readable") < other.callbacks.indexOf("close"));
        deepEqual(other.errors, []);
        other.close();
      });

      it("hands out everything that was written in one turn, and the goodbye, before it says that nothing is unsent", async () => {
        const client = startClient(server.port, { ...options(), ...range });
        await client.opened;
        for (let i = 0; i < 5; i++) client.engine.write(Buffer.from(`one ${i} `));
        client.engine.end();
        equal(client.engine.unsent, true);
        await client.until(() => !client.engine.unsent, "the end of sending");
        ok(client.callbacks.at(-1) === "drainable" || client.callbacks.at(-1) === "close");
        client.close();
        await until(() => server.sockets.at(-1)!.readableEnded, "close_notify at the server");
        equal(server.received.slice(-5).join("").slice(-30), "one 0 one 1 one 2 one 3 one 4 ");
      });

      it("reports a peer that leaves without close_notify", async () => {
        const client = startClient(server.port, { ...options(), ...range });
        await client.opened;
        client.engine.write(Buffer.from("z"));
        await client.until(() => client.text() !== "", "the echo");
        client.engine.feedEnd();
        equal((await client.failed).code, "CONNECTION_LOST");
        client.close();
      });

      it("calls back nothing after close(), from wherever it is called", async () => {
        const client = startClient(server.port, { ...options(), ...range });
        await client.opened;
        client.engine.write(Buffer.from("x"));
        client.close();
        client.close();
        const seen = client.callbacks.length;
        await new Promise((resolve) => setTimeout(resolve, 50));
        equal(client.callbacks.length, seen);
        equal(client.engine.read(new Uint8Array(8)), 0);
        equal(client.engine.write(new Uint8Array(8)), 0);
        client.engine.end();
      });
    });

  it("takes ciphertext byte by byte", async () => {
    const bytewise = (bytes: Buffer): Buffer[] => Array.from(bytes, (byte) => Buffer.of(byte));
    const client = startClient(server.port, options(), bytewise, 7);
    await client.opened;
    client.engine.write(Buffer.from("slow"));
    await client.until(() => client.text() === "echo:slow", "the echo");
    client.close();
  });
});
