/**
 * The API of the SDK's classic module `mqtt`, over Sealwire's client: for apps that were written for that one.
 *
 * The same: `onConnected`, `onReady`, `onMessage`, `onClose`, `publish`, `subscribe`, `unsubscribe`, `close`, and what they throw while there is no
 * connection. Better: messages without a payload arrive, what does not fit into the socket waits instead of being lost, and publications
 * with QoS 1 or 2 are acknowledged to the end. Not there: the server's side (`socket`), and WebSocket (`path`).
 */
import { toUTF8 } from "../../../src/bytes.js";
import { SealwireError } from "../../../src/errors.js";
import type { QoS, WriteOptions } from "../../../src/mqtt/index.js";
import type { BufferLike } from "../../../src/platform.js";
import { MQTTClient } from "../mqtt-client/client.js";
import { DeviceResolver } from "../mqtt-client/resolver.js";
import { SDKTLSSocket, type SDKSecureOptions } from "../mqtt-client/tls-socket.js";
import { TCP } from "../tcp.js";

type Content = string | BufferLike;

export interface ClassicOptions {
  readonly host: string;
  /** 1883 when left out, with `secure` too. */
  readonly port?: number | undefined;
  readonly id?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: Content | undefined;
  readonly will?: WillOptions | undefined;
  /** Keep-alive, in milliseconds. */
  readonly timeout?: number | undefined;
  /** TLS. Without a certificate in it, the device's own credentials are used. */
  readonly secure?: SDKSecureOptions | undefined;
  /** The SDK's class for TLS: that it is there is enough, ours is used. */
  readonly Socket?: unknown;
  readonly path?: string | undefined;
  readonly socket?: unknown;
}

export interface WillOptions {
  readonly topic: string;
  readonly message: Content;
  readonly quality?: QoS | undefined;
  readonly retain?: boolean | number | undefined;
}

export interface PublishFlags {
  readonly quality?: QoS | undefined;
  readonly retain?: boolean | number | undefined;
  readonly duplicate?: boolean | number | undefined;
}

/** Bytes of packets that wait until the socket takes them. */
const queueBound = 8192;

interface Waiting {
  readonly data: BufferLike | null;
  readonly options: WriteOptions;
  readonly size: number;
}

const bytesOf = (content: Content): BufferLike => (typeof content === "string" ? toUTF8(content) : content);

export default class Client {
  // Declared alone: as fields they would hide the methods of a subclass.
  declare onConnected?: () => void;
  declare onReady?: () => void;
  declare onMessage?: (topic: string, payload: ArrayBuffer) => void;
  declare onClose?: () => void;
  /** 0: connecting, 2: ready, -1: closed. */
  state = 0;
  readonly #client: MQTTClient;
  #waiting: Waiting[] = [];
  #held = 0;
  /** Parts of a message that came so far. */
  #topic = "";
  #payload: Uint8Array | undefined;
  #received = 0;

  /** @throws SealwireError `INVALID_ARGUMENT`; `UNSUPPORTED` for `path` and `socket` */
  constructor(options: ClassicOptions) {
    const { host, port, id, user, password, will, timeout, secure, Socket, path, socket } = options;
    if (socket !== undefined)
      throw new SealwireError("UNSUPPORTED", "This client has no server's side: leave out the option socket.");
    if (path != null)
      throw new SealwireError("UNSUPPORTED", "WebSocket is not there: use `Device` with the room sealwire/websocket.");
    if (!host) throw new SealwireError("INVALID_ARGUMENT", "The option host is needed.");
    const tls = secure !== undefined || Socket !== undefined;
    this.#client = new MQTTClient({
      host,
      port: port ?? 1883,
      dns: { io: DeviceResolver },
      socket: tls ? { io: SDKTLSSocket, secure } : { io: TCP },
      id: id ?? "",
      user: user || undefined,
      password: password === undefined || password === "" ? undefined : password,
      will: will && {
        topic: will.topic,
        message: bytesOf(will.message),
        QoS: will.quality ?? 0,
        retain: !!will.retain,
      },
      keepAlive: timeout ?? 0,
      onControl: ({ operation }) => {
        if (operation === MQTTClient.CONNACK) this.#ready();
      },
      onWritable: () => this.#flush(),
      onReadable: (count, { more, topic, byteLength }) => this.#receive(count, more, topic, byteLength),
      onClose: () => this.#ended(),
      onError: (error) => this.#ended(error),
    });
  }

  /** @throws SealwireError `INVALID_STATE` while there is no connection, or when too much waits to be sent */
  publish(topic: string, data: unknown, flags?: PublishFlags): void {
    // Whatever has text: the SDK's client takes numbers too.
    const payload = data instanceof ArrayBuffer || data instanceof Uint8Array ? data : toUTF8(String(data));
    const { quality = 0, retain, duplicate } = flags ?? {};
    this.#send(payload, { topic, QoS: quality, retain: !!retain, duplicate: !!duplicate }, topic.length);
  }

  subscribe(topic: string): void {
    this.#send(null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic, QoS: 0 }] }, topic.length);
  }

  unsubscribe(topic: string): void {
    this.#send(null, { operation: MQTTClient.UNSUBSCRIBE, items: [{ topic }] }, topic.length);
  }

  /** @param immediate without DISCONNECT: the server publishes the will */
  close(immediate = false): void {
    if (this.state === -1) return;
    const connected = this.state === 2;
    this.#over();
    if (immediate || !connected) this.#client.close();
    else this.#goodbye();
  }

  #goodbye(): void {
    try {
      this.#client.write(null, { operation: MQTTClient.DISCONNECT });
    } catch {
      this.#client.close();
    }
  }

  #ready(): void {
    if (this.state !== 0) return;
    this.state = 2;
    this.onConnected?.();
    if (this.state === 2) this.onReady?.();
  }

  #send(data: BufferLike | null, options: WriteOptions, topicLength: number): void {
    if (this.state !== 2) throw new SealwireError("INVALID_STATE", "There is no connection.");
    // A character is three bytes at most, two characters four; a few bytes of header.
    const size = (data?.byteLength ?? 0) + 3 * topicLength + 16;
    if (this.#held + size > queueBound && this.#held > 0)
      throw new SealwireError("INVALID_STATE", `More than ${queueBound} bytes wait to be sent: try again later.`);
    // Bytes that are the caller's are copied: they may be sent later.
    const own = data === null ? null : data.slice(0);
    this.#waiting.push({ data: own, options, size });
    this.#held += size;
    this.#flush();
  }

  #flush(): void {
    let next: Waiting | undefined;
    while (this.state === 2 && (next = this.#waiting[0])) {
      const { data, options } = next;
      // Payload that is larger than what can be written goes in parts.
      const sent = this.#write(data, options);
      if (sent === undefined) return;
      const rest = data === null ? 0 : data.byteLength - sent;
      if (rest > 0) {
        this.#waiting[0] = { ...next, data: data!.slice(sent), options: continued };
        return;
      }
      this.#waiting.shift();
      this.#held -= next.size;
    }
  }

  /** @returns bytes of `data` that were written; `undefined` when none fitted, and neither did the header */
  #write(data: BufferLike | null, options: WriteOptions): number | undefined {
    const client = this.#client;
    const { writable } = client;
    if (data === null) {
      if (writable === 0) return undefined;
      return attempt(() => client.write(null, options)) ? 0 : undefined;
    }
    if (options === continued) {
      const part = Math.min(writable, data.byteLength);
      if (part === 0) return undefined;
      client.write(data.slice(0, part));
      return part;
    }
    if (attempt(() => client.write(data, options))) return data.byteLength;
    const room = writable - 3 * (options.topic?.length ?? 0) - 16;
    if (room <= 0 || room >= data.byteLength) return undefined;
    const first = data.slice(0, room);
    return attempt(() => client.write(first, { ...options, byteLength: data.byteLength })) ? room : undefined;
  }

  #receive(count: number, more: boolean, topic: string | undefined, byteLength: number | undefined): void {
    const client = this.#client;
    if (topic !== undefined) {
      this.#topic = topic;
      this.#received = 0;
      this.#payload = new Uint8Array(byteLength ?? count);
    }
    const payload = this.#payload!;
    if (count > 0) this.#received += client.read(payload.subarray(this.#received, this.#received + count)) ?? 0;
    if (more) return;
    this.#payload = undefined;
    this.onMessage?.(this.#topic, payload.buffer as ArrayBuffer);
  }

  #ended(error?: SealwireError): void {
    if (this.state === -1) return;
    if (error) trace(`MQTT FAIL: ${error.message}\n`);
    // The SDK's tells first, and is closed after it.
    this.#over();
    this.onClose?.();
  }

  #over(): void {
    this.state = -1;
    this.#waiting = [];
    this.#held = 0;
    this.#payload = undefined;
  }
}

/** Options of what follows a first part. */
const continued: WriteOptions = Object.freeze({});

/** @returns whether it was written; false when there was no room @throws everything else */
function attempt(write: () => unknown): boolean {
  try {
    write();
    return true;
  } catch (error) {
    if (error instanceof SealwireError && error.code === "INVALID_STATE") return false;
    throw error;
  }
}
