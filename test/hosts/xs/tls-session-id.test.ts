/** A session of TLS 1.2 in the storage of a device: resumed by its identifier after a restart, as the wire and the broker's own words tell. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { MosquittoBroker } from "../../../tools/brokers/index.js";
import { HandshakeWatch, type ServerDecision } from "../../../tools/simulate/handshake-watch.js";
import { requireMosquitto } from "../../tools/support/mosquitto.js";
import { type Issued, issue } from "../node/support/pki.js";
import { at } from "../node/support/tls.js";
import { helloOf, Recorder, type Recording, ticketExtension } from "./hello.js";
import { RemoteDevice, type RemoteOptions } from "./remote.js";
import { hostIsBuilt } from "./support.js";
import { tlsBuilds } from "./tls-builds.js";

function decisionOf({ received }: Recording): ServerDecision | undefined {
  const watch = new HandshakeWatch();
  watch.feed(received);
  return watch.decision;
}

for (const { name, variant } of tlsBuilds)
  describe(`XS host: TLS sessions by identifier in storage with ${name}`, function () {
    this.timeout(20_000);
    const device = new RemoteDevice(variant);
    let root: Issued;
    let own: Issued[];
    let broker: MosquittoBroker | undefined;
    const recorder = new Recorder(() => broker!.port);

    before(hostIsBuilt(variant));
    before(async function () {
      requireMosquitto(this);
      root = await issue({ name: "root", ca: true });
      const issuing = await issue({ name: "issuing", ca: true, issuer: root });
      const server = await issue({ name: "server", issuer: issuing, dns: ["localhost"] });
      own = [await issue({ name: "device", issuer: issuing }), issuing];
      broker = new MosquittoBroker({
        server: { certificateChain: [server.der, issuing.der], privateKey: server.keyDER },
        root: root.der,
        versions: { minimum: "TLSv1.2", maximum: "TLSv1.2" },
        tickets: false,
      });
      await broker.start();
      await recorder.start();
      await device.start();
    });
    after(async () => {
      device.stop();
      recorder.stop();
      await broker?.stop();
    });

    const options = (): RemoteOptions => ({
      trustAnchors: [root.der],
      serverName: "localhost",
      time: at(Date.now()),
      certificateChain: own.map(({ der }) => der),
      privateKey: own[0]!.keyDER,
      kept: "session",
    });

    /** MQTT's CONNECT, version 3.1.1, and the answer to it: proof that both have the keys, and that the broker knows who it is. */
    async function connect(): Promise<boolean> {
      const client = await device.connect(recorder.port, options());
      const { resumed, protocol } = await client.opened();
      equal(protocol, "TLSv1.2");
      client.write("\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x04unit");
      await client.untilText("\x20\x02\0\0");
      equal(client.sessions.length, resumed ? 0 : 1);
      // With a goodbye, for OpenSSL 3 forgets a session that ends without one.
      await client.close();
      return resumed;
    }

    it("resumes after the process was ended and started again, as often as that happens", async () => {
      equal(await connect(), false);
      for (let i = 0; i < 2; i++) {
        await device.restart();
        equal(await connect(), true);
      }
      const [full, ...others] = recorder.connections;
      const { sessionID } = helloOf(full!.received);
      equal(sessionID.byteLength, 32);
      deepEqual(decisionOf(full!), { protocol: "TLSv1.2", resumed: false });
      for (const { sent, received } of recorder.connections) {
        equal(helloOf(sent).extensions.get(ticketExtension)!.content.byteLength, 0, "a ticket was offered");
        ok(!helloOf(received).extensions.has(ticketExtension), "a ticket was announced");
      }
      const bytes = ({ sent, received }: Recording): number => sent.byteLength + received.byteLength;
      for (const other of others) {
        deepEqual(decisionOf(other), { protocol: "TLSv1.2", resumed: true });
        deepEqual(helloOf(other.sent).sessionID, sessionID);
        deepEqual(helloOf(other.received).sessionID, sessionID);
        ok(bytes(other) < bytes(full!) * 0.4, `${bytes(other)} bytes resumed, ${bytes(full!)} full`);
      }
    });

    it("shakes hands in full, in the same connection, when the broker has forgotten it", async () => {
      await broker!.restart();
      await device.restart();
      const before = recorder.connections.length;
      equal(await connect(), false);
      equal(recorder.connections.length, before + 1);
      const { sent, received } = recorder.connections.at(-1)!;
      ok(helloOf(sent).sessionID.byteLength === 32 && !helloOf(sent).sessionID.equals(helloOf(received).sessionID));
      equal(decisionOf(recorder.connections.at(-1)!)!.resumed, false);
    });
  });
