/** TLS on the XS host: what it agrees on with real servers, and what it resumes. */
import { equal, match, ok } from "node:assert/strict";
import { constants } from "node:crypto";
import { generateKeys, type Issued, issue } from "../node/support/pki.js";
import { at, closeServers, rememberSessions, startServer, type TestServer } from "../node/support/tls.js";
import { RemoteDevice } from "./remote.js";
import { hostIsBuilt } from "./support.js";
import { tlsBuilds } from "./tls-builds.js";

const rsa = {
  name: "RSASSA-PKCS1-v1_5",
  modulusLength: 2048,
  publicExponent: Uint8Array.of(1, 0, 1),
  hash: "SHA-256",
};

for (const { name, variant, versions, major } of tlsBuilds)
  describe(`XS host: TLS with ${name}`, function () {
    this.timeout(20_000);
    const device = new RemoteDevice(variant);
    let root: Issued;
    let intermediate: Issued;
    let leaf: Issued;
    let server: TestServer;

    before(hostIsBuilt(variant));
    before(async () => {
      root = await issue({ name: "root", ca: true });
      intermediate = await issue({ name: "issuing", ca: true, issuer: root });
      leaf = await issue({ name: "server", issuer: intermediate, dns: ["localhost"], ip: ["127.0.0.1"] });
      server = await startServer({ ALPNProtocols: ["mqtt"] }, [leaf, intermediate]);
      await device.start();
    });
    after(async () => {
      device.stop();
      await closeServers();
    });

    const options = () => ({ trustAnchors: [root.der], serverName: "localhost", time: at(Date.now()) });

    it("resumes by session ID where the server gives no tickets", async () => {
      const plain = await startServer({ maxVersion: "TLSv1.2", secureOptions: constants.SSL_OP_NO_TICKET }, [leaf]);
      const sessions = rememberSessions(plain);
      const range = { maximumVersion: "TLSv1.2", trustAnchors: [intermediate.der] } as const;
      const first = await device.connect(plain.port, { ...options(), ...range });
      await first.opened();
      const session = await first.session();
      equal(session.lifetime, undefined);
      first.cut();
      const second = await device.connect(plain.port, { ...options(), ...range, session });
      equal((await second.opened()).resumed, true);
      second.write("x");
      await second.untilText("echo:x");
      equal(plain.sockets.at(-1)!.isSessionReused(), true);
      // Nothing new was issued.
      equal(second.sessions.length, 0);
      await second.close();
      sessions.clear();
      const third = await device.connect(plain.port, { ...options(), ...range, session });
      equal((await third.opened()).resumed, false);
      await third.close();
      await first.close();
      await plain.close();
    });

    it("asks for no ticket when it is told so, and resumes by ID a session that is shorter by it", async () => {
      const range = { maximumVersion: "TLSv1.2" } as const;
      rememberSessions(server);
      const asking = await device.connect(server.port, { ...options(), ...range });
      await asking.opened();
      const withTicket = await asking.session();
      await asking.close();
      const first = await device.connect(server.port, { ...options(), ...range, sessionTickets: false });
      await first.opened();
      const session = await first.session();
      equal(session.lifetime, undefined);
      ok(session.bytes.byteLength + 100 < withTicket.bytes.byteLength, `${session.bytes.byteLength} bytes`);
      await first.close();
      const second = await device.connect(server.port, { ...options(), ...range, sessionTickets: false, session });
      equal((await second.opened()).resumed, true);
      equal(server.sockets.at(-1)!.isSessionReused(), true);
      await second.close();
    });

    it("does not resume when the server's use of extended master secret differs from what is remembered", async () => {
      const range = { maximumVersion: "TLSv1.2" } as const;
      const first = await device.connect(server.port, { ...options(), ...range });
      await first.opened();
      const session = { ...(await first.session()), extendedMasterSecret: false };
      await first.close();
      const received = server.received.length;
      const second = await device.connect(server.port, { ...options(), ...range, session });
      const { code, message } = await second.failed();
      equal(code, "TLS_HANDSHAKE_FAILED");
      match(message, /extended master secret/);
      equal(server.received.length, received);
    });

    it("agrees on TLS 1.2 with a server that has no more and an RSA key, or says what to set", async () => {
      const keys = await generateKeys(rsa);
      const there = await issue({ name: "server", issuer: intermediate, dns: ["localhost"], keys });
      const old = { maxVersion: "TLSv1.2" } as const;
      // By our order of signatures; by its own it takes RSA-PSS, which a library with TLS 1.3 offers, and refuses in TLS 1.2.
      const polite = await startServer({ ...old, honorCipherOrder: false }, [there, intermediate]);
      const strict = await startServer(old, [there, intermediate]);
      for (const [port, more] of [
        [polite.port, {}],
        [strict.port, { maximumVersion: "TLSv1.2" }],
      ] as const) {
        const client = await device.connect(port, { ...options(), ...more });
        equal((await client.opened()).protocol, "TLSv1.2");
        client.write("x");
        await client.untilText("echo:x");
        await client.close();
      }
      // 4.0.0 takes RSA-PSS in TLS 1.2.
      if (!versions.includes("TLSv1.3") || major >= 4) return;
      const refused = await device.connect(strict.port, options());
      const { code, message } = await refused.failed();
      equal(code, "TLS_HANDSHAKE_FAILED");
      match(message, /set maximumVersion to TLSv1\.2/);
      await refused.close();
    });

    for (const protocol of versions)
      describe(protocol, () => {
        const range = { minimumVersion: protocol, maximumVersion: protocol };

        it("opens, exchanges plaintext, and says what was negotiated", async () => {
          const client = await device.connect(server.port, {
            ...options(),
            ...range,
            applicationProtocols: ["mqtt"],
          });
          const negotiated = await client.opened();
          equal(client.find("engine")!["early"], 0);
          equal(negotiated.protocol, protocol);
          equal(negotiated.resumed, false);
          equal(negotiated.applicationProtocol, "mqtt");
          equal(negotiated.extendedMasterSecret, true);
          ok(negotiated.cipherSuite.startsWith("TLS_"), negotiated.cipherSuite);
          const chain = [leaf, intermediate, root].map((c) => c.certificate);
          equal(negotiated.chainNotAfter, Math.min(...chain.map((c) => +c.notAfter)));
          equal(negotiated.chainNotBefore, Math.max(...chain.map((c) => +c.notBefore)));
          equal(negotiated.revocationNextUpdate, undefined);
          client.write("hello");
          await client.untilText("echo:hello");
          await client.close();
        });

        for (const how of ["said goodbye", "was cut off"] as const)
          it(`resumes with a ticket after the connection ${how}, for less than half of the bytes`, async () => {
            const first = await device.connect(server.port, { ...options(), ...range }, "watch");
            await first.opened();
            first.write("x");
            await first.untilText("echo:x");
            const session = await first.session();
            equal(session.protocol, protocol);
            equal(session.extendedMasterSecret, true);
            equal(session.lifetime, 7_200_000);
            if (how === "said goodbye") await first.close();
            else first.cut();
            const second = await device.connect(server.port, { ...options(), ...range, session }, "watch");
            const negotiated = await second.opened();
            equal(negotiated.resumed, true);
            equal(negotiated.chainNotAfter, undefined);
            equal(negotiated.extendedMasterSecret, true);
            second.write("again");
            await second.untilText("echo:again");
            equal(server.sockets.at(-1)!.isSessionReused(), true);
            const bytes = ({ wire }: typeof first): number => wire.sent + wire.received;
            ok(bytes(second) < bytes(first) * 0.6, `${bytes(second)} bytes resumed, ${bytes(first)} full`);
            await second.close();
            first.cut();
          });

        if (protocol === "TLSv1.3")
          it("hands out every ticket, also when several arrive at once, and each of them resumes", async () => {
            // With the client's certificates in each ticket, so that one alone is longer than the engine's ring.
            const issuing = await issue({ name: "devices", ca: true, issuer: root });
            const own = await issue({ name: "device-1", issuer: issuing });
            const strict = await startServer({ ...range, requestCert: true, ca: root.pem }, [leaf, intermediate]);
            const mine = { certificateChain: [own.der, issuing.der], privateKey: own.keyDER };
            const first = await device.connect(strict.port, { ...options(), ...range, ...mine });
            await first.opened();
            first.write("x");
            await first.untilText("echo:x");
            // OpenSSL sends two after a full handshake, in one piece.
            await first.until(() => first.sessions.length === 2);
            await first.close();
            for (const session of first.sessions) {
              const again = await device.connect(strict.port, { ...options(), ...range, ...mine, session });
              equal((await again.opened()).resumed, true);
              await again.close();
            }
            await strict.close();
          });

        for (const kind of ["EC", "RSA"] as const)
          it(`presents its chain of two ${kind} certificates and proves its key, and resumes that`, async () => {
            const algorithm = kind === "RSA" ? rsa : undefined;
            const keys = async (): Promise<object> => (algorithm ? { keys: await generateKeys(algorithm) } : {});
            const issuing = await issue({ name: "devices", ca: true, issuer: root, ...(await keys()) });
            const own = await issue({ name: "device-1", issuer: issuing, ...(await keys()) });
            const mutual = { requestCert: true, rejectUnauthorized: true, ca: root.pem };
            const there = await issue({ name: "server", issuer: intermediate, dns: ["localhost"], ...(await keys()) });
            const strict = await startServer({ ...mutual, minVersion: protocol, maxVersion: protocol }, [
              there,
              intermediate,
            ]);
            const mine = { certificateChain: [own.der, issuing.der], privateKey: own.keyDER };
            const client = await device.connect(strict.port, { ...options(), ...range, ...mine });
            const { cipherSuite } = await client.opened();
            if (protocol === "TLSv1.2") ok(cipherSuite.includes(kind === "EC" ? "ECDSA" : "RSA"), cipherSuite);
            client.write("me");
            await client.untilText("echo:me");
            equal(strict.sockets[0]!.getPeerCertificate().subject.CN, "device-1");
            const session = await client.session();
            client.cut();
            const again = await device.connect(strict.port, { ...options(), ...range, ...mine, session });
            equal((await again.opened()).resumed, true);
            again.write("me");
            await again.untilText("echo:me");
            equal(strict.sockets[1]!.isSessionReused(), true);
            await again.close();
            await client.close();
            await strict.close();
          });

        it("refuses certificates of its own that were exchanged for larger or more ones in the middle of the handshake", async () => {
          const issuing = await issue({ name: "devices", ca: true, issuer: root });
          const own = await issue({ name: "device-1", issuer: issuing });
          const dns = Array.from({ length: 20 }, (_, i) => `name-${i}.with-a-long-tail.fleet.example`);
          const large = await issue({ name: "device-1", issuer: issuing, dns });
          const strict = await startServer({ ...range, requestCert: true, ca: root.pem }, [leaf, intermediate]);
          const mine = { certificateChain: [own.der, issuing.der], privateKey: own.keyDER };
          for (const exchanged of [
            [large.der, issuing.der],
            [own.der, issuing.der, root.der],
            Array<Uint8Array>(8).fill(own.der),
          ]) {
            const client = await device.connect(strict.port, { ...options(), ...range, ...mine, exchanged });
            const { code, message } = await client.failed();
            equal(code, "INVALID_ARGUMENT", message);
            match(message, /exchanged/);
            await client.close();
          }
          // The server judges what is not larger.
          const client = await device.connect(strict.port, {
            ...options(),
            ...range,
            ...mine,
            exchanged: mine.certificateChain,
          });
          await client.opened();
          await client.close();
          await strict.close();
        });

        it("falls back to a full handshake in the same connection with a session that is rubbish or of another server", async () => {
          const first = await device.connect(server.port, { ...options(), ...range });
          await first.opened();
          const session = await first.session();
          await first.close();
          const other = await startServer({}, [leaf, intermediate]);
          const damaged = Uint8Array.from(session.bytes);
          damaged[damaged.byteLength >> 1]! ^= 0xff;
          const attempts: [number, Uint8Array][] = [
            [server.port, Uint8Array.of(1, 2, 3)],
            [server.port, new Uint8Array(0)],
            [server.port, session.bytes.slice(0, 40)],
            [server.port, new Uint8Array(20_000)],
            [server.port, damaged],
            [other.port, session.bytes],
          ];
          for (const [port, bytes] of attempts) {
            const client = await device.connect(port, { ...options(), ...range, session: { ...session, bytes } });
            const outcome = await client.outcome();
            // A damaged session may parse and then fail as a handshake; it must not do anything else.
            if (bytes !== damaged) equal((outcome as { resumed?: boolean }).resumed, false, JSON.stringify(outcome));
            await client.close();
          }
          await other.close();
        });

        if (protocol === "TLSv1.3")
          it("offers no ticket that came at a time that cannot be: before all time, or after the present", async () => {
            const first = await device.connect(server.port, { ...options(), ...range });
            await first.opened();
            const session = await first.session();
            await first.close();
            const view = new DataView(session.bytes.buffer, session.bytes.byteOffset, session.bytes.byteLength);
            const places = Array.from({ length: session.bytes.byteLength - 7 }, (_, i) => i).filter(
              (i) => Math.abs(Number(view.getBigInt64(i)) - Date.now()) < 60_000,
            );
            equal(places.length, 1, "where the library keeps the time");
            const came = view.getBigInt64(places[0]!);
            for (const time of [came + 60_000n, -1n, came - (1n << 63n), (1n << 63n) - 1n, came]) {
              view.setBigInt64(places[0]!, time);
              const client = await device.connect(server.port, { ...options(), ...range, session });
              await client.opened();
              equal(((await client.outcome()) as { resumed?: boolean }).resumed, time === came, String(time));
              await client.close();
            }
          });

        it("moves 64 KB each way within its bounds", async () => {
          const client = await device.connect(server.port, { ...options(), ...range });
          await client.opened();
          const socket = server.sockets.at(-1)!;
          // TLS 1.3 has no way to ask for it in Mbed TLS: the server must be set up to send small records.
          if (protocol === "TLSv1.3") socket.setMaxSendFragment(2048);
          const message = "0123456789abcdef".repeat(4096);
          socket.write(message);
          await client.untilText(message);
          for (let i = 0; i < 32; i++) {
            const before = client.events.filter(({ event }) => event === "writable").length;
            client.write(`${i}:`.padEnd(1000, "x"));
            await client.until(() => client.events.filter(({ event }) => event === "writable").length > before);
          }
          await client.until(() => server.received.join("").includes("31:"));
          equal(client.has("error"), false);
          await client.close();
        });

        it("reports the goodbye of the peer after what it sent before, and a peer that leaves without one", async () => {
          const client = await device.connect(server.port, { ...options(), ...range });
          await client.opened();
          client.write("y");
          await client.untilText("echo:y");
          server.sockets.at(-1)!.end("last words");
          const goodbye = await client.failed();
          equal(goodbye.code, "CONNECTION_LOST");
          equal(goodbye.message, "The server closed the connection.");
          equal(client.text, "echo:ylast words");
          const other = await device.connect(server.port, { ...options(), ...range });
          await other.opened();
          other.write("z");
          await other.untilText("echo:z");
          server.sockets.at(-1)!.destroy();
          equal((await other.failed()).code, "CONNECTION_LOST");
        });

        it("says goodbye when it is closed", async () => {
          const client = await device.connect(server.port, { ...options(), ...range });
          await client.opened();
          client.write("x");
          await client.untilText("echo:x");
          const socket = server.sockets.at(-1)!;
          let ended = false;
          socket.on("end", () => (ended = true));
          await client.close();
          await client.until(() => ended);
        });

        it("says that there is no memory for one connection too many, and opens the next when others are closed", async () => {
          // With PSA, each has keys in slots, whose number is fixed: 12 in our configuration.
          for (let kept = 0; kept < 12; kept++) {
            const clients = [];
            const outcomes = [];
            // Another kept each time, so that it is another key for which there is no slot.
            for (let i = 0; i <= kept; i++) {
              const client = await device.connect(server.port, { ...options(), ...range });
              clients.push(client);
              const outcome = await client.outcome();
              outcomes.push("code" in outcome ? outcome.code : "open");
            }
            equal(outcomes.slice(0, 2).join(), kept === 0 ? "open" : "open,open");
            for (const outcome of outcomes) ok(["open", "TLS_OUT_OF_MEMORY"].includes(outcome), outcomes.join());
            for (const client of clients) await client.close();
          }
          const next = await device.connect(server.port, { ...options(), ...range });
          await next.opened();
          await next.close();
        });

        it("leaves no native memory behind", async () => {
          const before = await device.memory();
          for (let i = 0; i < 3; i++) {
            const client = await device.connect(server.port, { ...options(), ...range });
            await client.opened();
            await client.close();
          }
          const after = await device.memory();
          equal(after.now, before.now);
          equal(after.blocks, before.blocks);
        });
      });
  });
