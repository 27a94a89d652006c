/** A broker of MQTT 5.0 that logs clients in by SCRAM-SHA-256 (RFC 7677), computed with `node:crypto`, and takes what they publish. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import mqttPacket, { type IAuthPacket, type IConnectPacket, type Packet } from "mqtt-packet";

const method = "SCRAM-SHA-256";
const iterations = 4096;

const hmac = (key: Uint8Array, data: string): Buffer => createHmac("sha256", key).update(data).digest();

export class ScramBroker {
  /** Whether it proves that it knows the password itself. */
  honest = true;
  /** Whether it offers enhanced authentication; one that does not accepts whoever comes. */
  knowsScram = true;
  readonly logins: ("accepted" | "refused")[] = [];
  /** Payloads. */
  readonly published: Buffer[] = [];
  /** Packet identifiers of what clients acknowledged. */
  readonly acknowledged: number[] = [];
  /** Everything that clients sent. */
  readonly received: Buffer[] = [];
  readonly #user: string;
  readonly #password: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #clients = new Map<string, (packet: Packet) => void>();

  constructor(user: string, password: string) {
    this.#user = user;
    this.#password = password;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async start(): Promise<void> {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  /** Sends a message with QoS 1 to one client. */
  publish(to: string, topic: string, payload: Buffer, messageId: number, dup: boolean): void {
    this.#clients.get(to)?.({ cmd: "publish", topic, payload, qos: 1, retain: false, dup, messageId });
  }

  /** Ends every connection. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket)).on("error", () => undefined);
    const parser = mqttPacket.parser({ protocolVersion: 5 });
    const send = (packet: Packet): void => void socket.write(mqttPacket.generate(packet, { protocolVersion: 5 }));
    let exchange: { bare: string; first: string; nonce: string; salted: Buffer } | undefined;
    const connect = ({ properties }: IConnectPacket): void => {
      if (!this.knowsScram) {
        send({ cmd: "connack", reasonCode: 0, sessionPresent: false });
        return;
      }
      const bare = properties?.authenticationData?.toString().slice("n,,".length) ?? "";
      const nonce = `${/^n=(.*),r=(.+)$/.exec(bare)?.[2] ?? ""}${randomBytes(12).toString("base64")}`;
      const salt = randomBytes(16);
      const first = `r=${nonce},s=${salt.toString("base64")},i=${iterations}`;
      exchange = { bare, first, nonce, salted: pbkdf2Sync(this.#password, salt, iterations, 32, "sha256") };
      send({
        cmd: "auth",
        reasonCode: 0x18,
        properties: { authenticationMethod: method, authenticationData: Buffer.from(first) },
      });
    };
    const authenticate = ({ properties }: IAuthPacket): void => {
      const { bare, first, nonce, salted } = exchange!;
      const answer = properties?.authenticationData?.toString() ?? "";
      const message = `${bare},${first},c=biws,r=${nonce}`;
      const clientKey = hmac(salted, "Client Key");
      const signature = hmac(createHash("sha256").update(clientKey).digest(), message);
      const proof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!)).toString("base64");
      const accepted = answer === `c=biws,r=${nonce},p=${proof}` && bare.startsWith(`n=${this.#user},`);
      this.logins.push(accepted ? "accepted" : "refused");
      if (!accepted) {
        send({ cmd: "connack", reasonCode: 0x86, sessionPresent: false });
        socket.end();
        return;
      }
      const own = this.honest ? hmac(hmac(salted, "Server Key"), message) : randomBytes(32);
      send({
        cmd: "connack",
        reasonCode: 0,
        sessionPresent: false,
        properties: {
          authenticationMethod: method,
          authenticationData: Buffer.from(`v=${own.toString("base64")}`),
        },
      });
    };
    parser.on("packet", (packet: Packet) => {
      if (packet.cmd === "connect") {
        this.#clients.set(packet.clientId, send);
        connect(packet);
      } else if (packet.cmd === "subscribe")
        send({ cmd: "suback", messageId: packet.messageId!, granted: packet.subscriptions.map(({ qos }) => qos) });
      else if (packet.cmd === "puback") this.acknowledged.push(packet.messageId!);
      else if (packet.cmd === "auth") authenticate(packet);
      else if (packet.cmd === "publish") {
        this.published.push(Buffer.from(packet.payload));
        if (packet.qos === 1) send({ cmd: "puback", messageId: packet.messageId!, reasonCode: 0 });
      }
    });
    socket.on("data", (data) => {
      this.received.push(data);
      parser.parse(data);
    });
  }
}
