/**
 * The ceiling: packets that were encoded before the clock ran, on a plain socket, with the least that the protocol asks for. No library can
 * be faster on the same socket, and nobody could use this one.
 */
import * as net from "node:net";
import type { Contestant, Idle, Receiver, ReceiverSettings, Sender, SenderSettings } from "./contestant.js";
import { topic } from "./messages.js";

const packet = { connack: 2, publish: 3, puback: 4, pubrec: 5, pubcomp: 7, suback: 9, unsuback: 11 } as const;

/** Bytes that are handed to the socket at once. */
const chunkLength = 65_536;

/** Fixed header, topic, packet identifier: MQTT 3.1.1 section 3.3. */
function encodePublish(qos: number, id: number, payload: Uint8Array): Buffer {
  const variable = [...string(topic), ...(qos > 0 ? [id >> 8, id & 0xff] : [])];
  const remaining = variable.length + payload.byteLength;
  if (remaining > 127) throw new Error("The bench sends packets with a short length only.");
  return Buffer.from([0x30 | (qos << 1), remaining, ...variable, ...payload]);
}

function string(text: string): number[] {
  const bytes = Buffer.from(text);
  return [bytes.byteLength >> 8, bytes.byteLength & 0xff, ...bytes];
}

function request(header: number, variable: readonly number[]): Buffer {
  return Buffer.from([header, variable.length, ...variable]);
}

/** Without keep-alive. */
function encodeConnect(clientIdentifier: string, clean: boolean): Buffer {
  return request(0x10, [...string("MQTT"), 4, clean ? 0x02 : 0, 0, 0, ...string(clientIdentifier)]);
}

/** Splits a stream into packets. */
class PacketStream {
  #rest: Buffer = Buffer.alloc(0);
  readonly #onPacket: (type: number, flags: number, body: Buffer) => void;

  constructor(onPacket: (type: number, flags: number, body: Buffer) => void) {
    this.#onPacket = onPacket;
  }

  feed(chunk: Buffer): void {
    const bytes = this.#rest.byteLength === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (;;) {
      let length = 0;
      let shift = 0;
      let offset = start + 1;
      let byte = 0x80;
      while (byte >= 0x80 && offset < bytes.byteLength) {
        byte = bytes[offset++]!;
        length |= (byte & 0x7f) << shift;
        shift += 7;
      }
      if (byte >= 0x80 || offset + length > bytes.byteLength) break;
      const first = bytes[start]!;
      this.#onPacket(first >> 4, first & 15, bytes.subarray(offset, offset + length));
      start = offset + length;
    }
    this.#rest = bytes.subarray(start);
  }
}

class BareConnection {
  readonly socket: net.Socket;
  /** Takes the packets that arrive. */
  onPacket: (type: number, flags: number, body: Buffer) => void = () => undefined;
  /** Called after all packets of a chunk. */
  onChunk: () => void = () => undefined;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    const stream = new PacketStream((type, flags, body) => this.onPacket(type, flags, body));
    socket.on("data", (chunk) => {
      stream.feed(chunk);
      this.onChunk();
    });
  }

  /** @param onOpen called with CONNACK, before what may come in the same chunk */
  static async open(
    port: number,
    clientIdentifier: string,
    clean = true,
    onOpen: (connection: BareConnection) => void = () => undefined,
  ): Promise<BareConnection> {
    const socket = net.connect({ host: "127.0.0.1", port, noDelay: true });
    // A connection that breaks ends the run: the worker reports it.
    socket.on("error", (error) => {
      throw error;
    });
    const connection = new BareConnection(socket);
    await connection.ask(encodeConnect(clientIdentifier, clean), packet.connack, () => onOpen(connection));
    return connection;
  }

  /** Sends a request and waits for its answer. */
  async ask(bytes: Buffer, answer: number, onAnswer: () => void = () => undefined): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.onPacket = (type) => {
        if (type === answer) {
          onAnswer();
          resolve();
        } else reject(new Error(`The broker answered with packet type ${type} instead of ${answer}.`));
      };
      this.socket.write(bytes);
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.socket.once("close", () => resolve());
      this.socket.end(Buffer.from([0xe0, 0]));
      this.socket.resume();
    });
  }
}

class BareSender implements Sender {
  readonly #connection: BareConnection;
  readonly #settings: SenderSettings;
  #prepared: { readonly first: number; readonly packets: Buffer; readonly length: number } | undefined;

  constructor(connection: BareConnection, settings: SenderSettings) {
    this.#connection = connection;
    this.#settings = settings;
  }

  prepare(first: number, payloads: readonly Buffer[]): void {
    const encoded = payloads.map((payload, i) => encodePublish(this.#settings.qos, (i % 65_535) + 1, payload));
    this.#prepared = { first, packets: Buffer.concat(encoded), length: encoded[0]?.byteLength ?? 0 };
  }

  async send(first: number, payloads: readonly Buffer[]): Promise<void> {
    const prepared = this.#prepared;
    if (prepared?.first !== first) throw new Error("The packets were not encoded before.");
    if (this.#settings.qos === 0) await this.#stream(prepared.packets);
    else await this.#acknowledged(prepared.packets, prepared.length, payloads.length);
  }

  settle(): Promise<void> {
    return this.#connection.ask(request(0xa2, [0, 1, ...string("none")]), packet.unsuback);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #stream(packets: Buffer): Promise<void> {
    const { socket } = this.#connection;
    for (let offset = 0; offset < packets.byteLength; offset += chunkLength)
      if (!socket.write(packets.subarray(offset, offset + chunkLength)))
        await new Promise<void>((resolve) => socket.once("drain", resolve));
    if (socket.writableLength > 0) await new Promise<void>((resolve) => socket.once("drain", resolve));
  }

  #acknowledged(packets: Buffer, length: number, count: number): Promise<void> {
    const { socket } = this.#connection;
    const { qos, window } = this.#settings;
    return new Promise((resolve) => {
      let sent = 0;
      let done = 0;
      const releases = Buffer.alloc(4 * 65_536);
      let released = 0;
      const fill = (): void => {
        const until = Math.min(count, done + window);
        if (until > sent) socket.write(packets.subarray(sent * length, until * length));
        sent = Math.max(sent, until);
      };
      this.#connection.onPacket = (type, _flags, body) => {
        if (type === packet.pubrec) {
          releases[released++] = 0x62;
          releases[released++] = 2;
          releases[released++] = body[0]!;
          releases[released++] = body[1]!;
        } else if (type === (qos === 1 ? packet.puback : packet.pubcomp)) done++;
      };
      this.#connection.onChunk = () => {
        socket.cork();
        // The socket keeps what it is given until it is sent.
        if (released > 0) socket.write(Buffer.from(releases.subarray(0, released)));
        released = 0;
        fill();
        socket.uncork();
        if (done < count) return;
        this.#connection.onChunk = () => undefined;
        resolve();
      };
      fill();
    });
  }
}

class BareReceiver implements Receiver {
  readonly #settings: ReceiverSettings;
  #connection: BareConnection | undefined;

  constructor(settings: ReceiverSettings) {
    this.#settings = settings;
  }

  async connect(): Promise<void> {
    const connection = await BareConnection.open(this.#settings.port, "bench-receiver", false, (opened) =>
      this.#receive(opened),
    );
    this.#connection = connection;
  }

  async disconnect(): Promise<void> {
    await this.#connection?.close();
  }

  /** Subscribes, once: the broker remembers. */
  async subscribe(): Promise<void> {
    await this.#connection?.ask(request(0x82, [0, 1, ...string(topic), this.#settings.qos]), packet.suback);
  }

  #receive(connection: BareConnection): void {
    const topicLength = Buffer.byteLength(topic) + 2;
    const { onMessage } = this.#settings;
    let acknowledgements: number[] = [];
    connection.onPacket = (type, flags, body) => {
      if (type !== packet.publish) return;
      const identified = (flags & 0x06) !== 0;
      if (identified) acknowledgements.push(0x40, 2, body[topicLength]!, body[topicLength + 1]!);
      onMessage(body.subarray(topicLength + (identified ? 2 : 0)));
    };
    connection.onChunk = () => {
      if (acknowledgements.length > 0) connection.socket.write(Buffer.from(acknowledgements));
      acknowledgements = [];
    };
  }
}

async function receiver(settings: ReceiverSettings): Promise<Receiver> {
  const created = new BareReceiver(settings);
  await created.connect();
  await created.subscribe();
  await created.disconnect();
  return created;
}

async function idle(port: number, clientIdentifier: string): Promise<Idle> {
  const connection = await BareConnection.open(port, clientIdentifier);
  return { close: () => connection.socket.destroy() };
}

export const bare: Contestant = {
  sender: async (settings) => new BareSender(await BareConnection.open(settings.port, "bench-sender"), settings),
  receiver,
  idle,
};
