/**
 * SCRAM-SHA-256 through AUTH packets (MQTT 5.0 section 4.12), against a server made of independent parts: `mqtt-packet` for the packets, and
 * the SCRAM implementation of `pg` (PostgreSQL's client) to compute what an honest client's proof, and the server's own, must be.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createRequire } from "node:module";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import mqttPacket, { type IAuthPacket, type IConnectPacket, type Packet } from "mqtt-packet";
import { platform } from "sealwire/host";
import type { SealwireError } from "../../src/errors.js";
import { MQTTSession, ScramSHA256 } from "../../src/mqtt/index.js";

interface SASL {
  continueSession(session: SASLSession, password: string, serverFirst: string): Promise<void>;
}

interface SASLSession {
  readonly mechanism: string;
  readonly clientNonce: string;
  message: string;
  response?: string;
  serverSignature?: string;
}

const sasl = createRequire(import.meta.url)("pg/lib/crypto/sasl") as SASL;

/** `pg` always sends this user name: PostgreSQL ignores it. */
const user = "*";
const method = "SCRAM-SHA-256";

describe("SCRAM-SHA-256 against an independent implementation", () => {
  let server: Server;
  let port: number;
  /** What the server knows. */
  let password: string;
  /** Whether the server proves itself with the right signature. */
  let honest: boolean;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    [password, honest] = ["correct horse battery staple", true];
    server = createServer((socket) => {
      sockets.push(socket);
      serve(socket);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    port = (server.address() as AddressInfo).port;
  });

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.close();
  });

  function serve(socket: Socket): void {
    const parser = mqttPacket.parser({ protocolVersion: 5 });
    const send = (packet: Packet): void => void socket.write(mqttPacket.generate(packet, { protocolVersion: 5 }));
    let expected: SASLSession;
    const first = async ({ properties }: IConnectPacket): Promise<void> => {
      assert.equal(properties?.authenticationMethod, method);
      const message = properties.authenticationData!.toString();
      const nonce = /^n,,n=\*,r=(.+)$/.exec(message)?.[1];
      assert.ok(nonce, message);
      const serverFirst = `r=${nonce}${randomBytes(12).toString("base64")},s=${randomBytes(16).toString("base64")},i=4096`;
      expected = { mechanism: method, clientNonce: nonce, message: "SASLInitialResponse" };
      await sasl.continueSession(expected, password, serverFirst);
      send({
        cmd: "auth",
        reasonCode: 0x18,
        properties: { authenticationMethod: method, authenticationData: Buffer.from(serverFirst) },
      });
    };
    const final = ({ properties }: IAuthPacket): void => {
      if (properties?.authenticationData?.toString() !== expected.response) {
        send({ cmd: "connack", reasonCode: 0x86, sessionPresent: false });
        socket.end();
        return;
      }
      const signature = honest ? expected.serverSignature! : randomBytes(32).toString("base64");
      send({
        cmd: "connack",
        reasonCode: 0,
        sessionPresent: false,
        properties: { authenticationMethod: method, authenticationData: Buffer.from(`v=${signature}`) },
      });
    };
    parser.on("packet", (packet: Packet) => {
      if (packet.cmd === "connect") void first(packet);
      if (packet.cmd === "auth") final(packet);
    });
    socket.on("data", (data) => parser.parse(data)).on("error", () => undefined);
  }

  /** Connects with this password. @returns the error that ended the connection, or `undefined` once it is accepted */
  async function connect(presented: string): Promise<SealwireError | undefined> {
    return new Promise((resolve) => {
      const session = new MQTTSession({
        clientIdentifier: "scram",
        timer: platform.timer,
        ticks: () => platform.ticks(),
        version: 5,
        authentication: new ScramSHA256({ crypto: platform.crypto, user, password: presented }),
        onConnected: () => {
          session.close();
          resolve(undefined);
        },
        onDisconnected: (error) => {
          session.close();
          resolve(error);
        },
      });
      session.connect({ host: "127.0.0.1", address: "127.0.0.1", port, socket: { io: platform.tcp } });
    });
  }

  it("is accepted with the right password, every time", async () => {
    for (let i = 0; i < 5; i++) assert.equal(await connect(password), undefined);
  });

  it("is refused with a wrong one", async () => {
    assert.equal((await connect("wrong"))?.code, "MQTT_BAD_CREDENTIALS");
  });

  it("refuses a server that does not know the password", async () => {
    honest = false;
    assert.equal((await connect(password))?.code, "CRYPTO_AUTHENTICATION_FAILED");
  });
});
