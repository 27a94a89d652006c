/**
 * A small MQTT broker for tests, written from the standards and not from our codec: MQTT 3.1.1 and the parts of 5.0 that sessions
 * need. It keeps every rule of QoS, and can be told to forget, to be silent, and to misbehave.
 */
import { concat, fromUTF8, toUTF8 } from "../../src/bytes.js";
import type { ServerEnd } from "./memory-network.js";

/** An application message as the broker saw it. */
export interface BrokerMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly retain: boolean;
  /** MQTT 5.0: the bytes of the property section, without its length. */
  readonly properties: Uint8Array;
}

/** A packet that a client sent. */
export interface SeenPacket {
  readonly type: number;
  readonly flags: number;
  /** Without the fixed header. */
  readonly body: Uint8Array;
  readonly id: number;
}

interface Outgoing {
  readonly message: BrokerMessage;
  readonly qos: number;
  id: number;
  state: "waiting" | "sent" | "received";
}

interface BrokerSession {
  readonly subscriptions: Map<string, number>;
  readonly outgoing: Outgoing[];
  /** Identifiers of QoS 2 messages that were received and not released. */
  readonly incoming: Set<number>;
  nextId: number;
  connection: BrokerConnection | undefined;
}

export const PACKET = {
  CONNECT: 1,
  CONNACK: 2,
  PUBLISH: 3,
  PUBACK: 4,
  PUBREC: 5,
  PUBREL: 6,
  PUBCOMP: 7,
  SUBSCRIBE: 8,
  SUBACK: 9,
  UNSUBSCRIBE: 10,
  UNSUBACK: 11,
  PINGREQ: 12,
  PINGRESP: 13,
  DISCONNECT: 14,
  AUTH: 15,
} as const;

export class BrokerModel {
  /** Versions that are accepted; others are refused as the version says. */
  versions: readonly number[] = [4, 5];
  /** Return or reason code of CONNACK. */
  connackCode = 0;
  /** MQTT 5.0: property section of CONNACK, without its length. */
  connackProperties: Uint8Array = new Uint8Array(0);
  /** Publications to one client that may be unacknowledged. */
  window = 20;
  /** Reason codes, by topic, that publications are answered with (MQTT 5.0). */
  readonly refusals = new Map<string, number>();
  /** Filters that are refused in SUBACK. */
  readonly refusedFilters = new Set<string>();
  /** The highest QoS that publications are answered with; a server that knows no QoS 2 takes them as QoS 1. */
  highestQoS = 2;
  /** Packet types that are read and not answered. */
  readonly silent = new Set<number>();
  /** Every message that was published, once per delivery to subscribers, in order. */
  readonly published: BrokerMessage[] = [];
  /** Every packet that came in, in order. */
  readonly seen: SeenPacket[] = [];
  /** Handles AUTH (MQTT 5.0 section 4.12): property section of an answer, and its packet type. */
  onAuth: ((connection: BrokerConnection, data: Uint8Array) => void) | undefined;
  /** Called for every message that was published, once it has gone to its subscribers. */
  onRoute: (() => void) | undefined;
  onConnect: ((connection: BrokerConnection, packet: SeenPacket) => boolean) | undefined;
  readonly sessions = new Map<string, BrokerSession>();
  readonly #retained = new Map<string, BrokerMessage>();

  /** For `new MemoryNetwork(broker.accept)`. */
  readonly accept = (end: ServerEnd): void => {
    new BrokerConnection(this, end);
  };

  /** Loses all sessions, as a broker without persistence that restarts. */
  forget(): void {
    this.sessions.clear();
  }

  /** Publishes on behalf of another client. */
  publish(
    topic: string,
    payload: Uint8Array | string,
    qos = 0,
    { retain = false, properties = new Uint8Array(0) } = {},
  ): void {
    const bytes = typeof payload === "string" ? toUTF8(payload) : payload;
    this.route({ topic, payload: bytes, qos, retain, properties });
  }

  /** @internal */
  route(message: BrokerMessage): void {
    this.published.push(message);
    if (message.retain) this.#retained.set(message.topic, message);
    for (const session of this.sessions.values()) {
      let granted = -1;
      for (const [filter, qos] of session.subscriptions)
        if (matches(filter, message.topic)) granted = Math.max(granted, qos);
      if (granted >= 0) this.enqueue(session, { ...message, retain: false }, Math.min(granted, message.qos));
    }
    this.onRoute?.();
  }

  /** @internal */
  enqueue(session: BrokerSession, message: BrokerMessage, qos: number): void {
    if (qos === 0) session.connection?.sendPublish(message, 0, 0, false);
    else {
      session.outgoing.push({ message, qos, id: 0, state: "waiting" });
      this.pump(session);
    }
  }

  /** @internal Sends what the window allows. */
  pump(session: BrokerSession): void {
    const { connection } = session;
    if (!connection) return;
    const window = Math.min(this.window, connection.receiveMaximum);
    let unacknowledged = session.outgoing.filter(({ state }) => state !== "waiting").length;
    for (const entry of session.outgoing) {
      if (unacknowledged >= window) return;
      if (entry.state !== "waiting") continue;
      do session.nextId = session.nextId === 0xffff ? 1 : session.nextId + 1;
      while (session.outgoing.some(({ id }) => id === session.nextId));
      entry.id = session.nextId;
      entry.state = "sent";
      unacknowledged++;
      connection.sendPublish(entry.message, entry.qos, entry.id, false);
    }
  }

  /** @internal */
  sendRetained(session: BrokerSession, filter: string, qos: number): void {
    for (const message of this.#retained.values())
      if (matches(filter, message.topic)) this.enqueue(session, message, Math.min(qos, message.qos));
  }
}

export class BrokerConnection {
  clientIdentifier = "";
  version = 4;
  receiveMaximum = 0xffff;
  session: BrokerSession | undefined;
  readonly #broker: BrokerModel;
  readonly #end: ServerEnd;
  #input: Uint8Array = new Uint8Array(0);

  constructor(broker: BrokerModel, end: ServerEnd) {
    this.#broker = broker;
    this.#end = end;
    end.onData = (bytes) => this.#receive(bytes);
    end.onClose = () => {
      if (this.session?.connection === this) this.session.connection = undefined;
    };
  }

  send(type: number, flags: number, ...parts: readonly Uint8Array[]): void {
    const body = concat(...parts);
    this.#end.send(concat(Uint8Array.of((type << 4) | flags), variable(body.byteLength), body));
  }

  close(): void {
    this.#end.finish();
  }

  sendPublish(message: BrokerMessage, qos: number, id: number, duplicate: boolean): void {
    this.send(
      PACKET.PUBLISH,
      (duplicate ? 8 : 0) | (qos << 1) | (message.retain ? 1 : 0),
      text(message.topic),
      qos > 0 ? two(id) : new Uint8Array(0),
      this.version === 5 ? concat(variable(message.properties.byteLength), message.properties) : new Uint8Array(0),
      message.payload,
    );
  }

  sendIdentifier(type: number, id: number, reasonCode = 0): void {
    const flags = type === PACKET.PUBREL ? 2 : 0;
    if (reasonCode === 0 || this.version === 4) this.send(type, flags, two(id));
    else this.send(type, flags, two(id), Uint8Array.of(reasonCode));
  }

  /** Answers CONNECT; the session is there from then on. */
  connack(clean: boolean): void {
    const broker = this.#broker;
    let session = clean ? undefined : broker.sessions.get(this.clientIdentifier);
    const present = session !== undefined;
    session ??= { subscriptions: new Map(), outgoing: [], incoming: new Set(), nextId: 0, connection: undefined };
    session.connection?.close();
    session.connection = this;
    this.session = session;
    broker.sessions.set(this.clientIdentifier, session);
    this.sendConnack(present, 0);
    for (const entry of session.outgoing) {
      if (entry.state === "received") this.sendIdentifier(PACKET.PUBREL, entry.id);
      else if (entry.state === "sent") this.sendPublish(entry.message, entry.qos, entry.id, true);
    }
    broker.pump(session);
  }

  sendConnack(sessionPresent: boolean, code: number): void {
    const head = Uint8Array.of(sessionPresent ? 1 : 0, code);
    const { connackProperties } = this.#broker;
    if (this.version === 5)
      this.send(PACKET.CONNACK, 0, head, variable(connackProperties.byteLength), connackProperties);
    else this.send(PACKET.CONNACK, 0, head);
  }

  #receive(bytes: Uint8Array): void {
    this.#input = concat(this.#input, bytes);
    for (;;) {
      const head = readVariable(this.#input, 1);
      if (!head || this.#input.byteLength < head.next + head.value) return;
      const first = this.#input[0]!;
      const body = this.#input.slice(head.next, head.next + head.value);
      this.#input = this.#input.slice(head.next + head.value);
      this.#handle(first >> 4, first & 15, body);
    }
  }

  #handle(type: number, flags: number, body: Uint8Array): void {
    const broker = this.#broker;
    const hasId = type !== PACKET.CONNECT && (type !== PACKET.PUBLISH || (flags & 6) !== 0);
    const idOffset = type === PACKET.PUBLISH ? 2 + number(body, 0) : 0;
    const id = hasId && body.byteLength >= idOffset + 2 ? number(body, idOffset) : 0;
    const packet = { type, flags, body, id };
    broker.seen.push(packet);
    if (type === PACKET.CONNECT) {
      this.#connect(packet);
      return;
    }
    const { session } = this;
    if (type === PACKET.AUTH) return broker.onAuth?.(this, body);
    if (!session) {
      this.#end.finish();
      return;
    }
    if (broker.silent.has(type)) return;
    switch (type) {
      case PACKET.PUBLISH:
        this.#publish(session, flags, body, id);
        break;
      case PACKET.PUBREL:
        session.incoming.delete(id);
        this.sendIdentifier(PACKET.PUBCOMP, id);
        break;
      case PACKET.PUBACK:
      case PACKET.PUBCOMP:
        this.#acknowledged(session, id);
        break;
      case PACKET.PUBREC:
        this.#received(session, id, body[2] ?? 0);
        break;
      case PACKET.SUBSCRIBE:
        this.#subscribe(session, body, id);
        break;
      case PACKET.UNSUBSCRIBE: {
        const filters = this.#filters(body, false);
        for (const { filter } of filters) session.subscriptions.delete(filter);
        const codes = this.version === 5 ? concat(Uint8Array.of(0), new Uint8Array(filters.length)) : new Uint8Array(0);
        this.send(PACKET.UNSUBACK, 0, two(id), codes);
        break;
      }
      case PACKET.PINGREQ:
        this.send(PACKET.PINGRESP, 0);
        break;
      case PACKET.DISCONNECT:
        this.#end.finish();
        break;
    }
  }

  #connect(packet: SeenPacket): void {
    const { body } = packet;
    const broker = this.#broker;
    const version = body[6]!;
    this.version = version;
    if (broker.silent.has(PACKET.CONNECT)) return;
    if (!broker.versions.includes(version)) {
      // A 3.1.1 server answers in its own format [MQTT-3.1.2-2].
      if (broker.versions.includes(5)) this.send(PACKET.CONNACK, 0, Uint8Array.of(0, 0x84, 0));
      else this.send(PACKET.CONNACK, 0, Uint8Array.of(0, 1));
      this.#end.finish();
      return;
    }
    let offset = 10;
    if (version === 5) {
      const length = readVariable(body, offset)!;
      const properties = body.subarray(length.next, length.next + length.value);
      const at = findProperty(properties, 0x21);
      if (at >= 0) this.receiveMaximum = number(properties, at);
      offset = length.next + length.value;
    }
    this.clientIdentifier = readText(body, offset);
    if (broker.connackCode !== 0) {
      this.sendConnack(false, broker.connackCode);
      this.#end.finish();
      return;
    }
    if (broker.onConnect?.(this, packet)) return;
    this.connack((body[7]! & 2) !== 0);
  }

  #publish(session: BrokerSession, flags: number, body: Uint8Array, id: number): void {
    const broker = this.#broker;
    const asked = (flags >> 1) & 3;
    const qos = Math.min(asked, broker.highestQoS);
    const topic = readText(body, 0);
    let offset = 2 + number(body, 0) + (asked > 0 ? 2 : 0);
    let properties = new Uint8Array(0);
    if (this.version === 5) {
      const length = readVariable(body, offset)!;
      properties = body.slice(length.next, length.next + length.value);
      offset = length.next + length.value;
    }
    const message = { topic, payload: body.slice(offset), qos, retain: (flags & 1) !== 0, properties };
    const refusal = this.version === 5 ? (broker.refusals.get(topic) ?? 0) : 0;
    if (qos === 2) {
      if (!session.incoming.has(id) && refusal === 0) {
        session.incoming.add(id);
        broker.route(message);
      }
      this.sendIdentifier(PACKET.PUBREC, id, refusal);
    } else {
      if (refusal === 0) broker.route(message);
      if (qos === 1) this.sendIdentifier(PACKET.PUBACK, id, refusal);
    }
  }

  #acknowledged(session: BrokerSession, id: number): void {
    const index = session.outgoing.findIndex((entry) => entry.id === id);
    if (index >= 0) session.outgoing.splice(index, 1);
    this.#broker.pump(session);
  }

  #received(session: BrokerSession, id: number, reasonCode: number): void {
    const entry = session.outgoing.find((other) => other.id === id);
    if (entry && reasonCode >= 0x80) {
      this.#acknowledged(session, id);
      return;
    }
    if (entry) entry.state = "received";
    this.sendIdentifier(PACKET.PUBREL, id);
  }

  #subscribe(session: BrokerSession, body: Uint8Array, id: number): void {
    const filters = this.#filters(body, true);
    const codes = filters.map(({ filter, options }) => {
      if (this.#broker.refusedFilters.has(filter)) return 0x80;
      return options & 3;
    });
    const properties = this.version === 5 ? Uint8Array.of(0) : new Uint8Array(0);
    this.send(PACKET.SUBACK, 0, two(id), properties, Uint8Array.from(codes));
    filters.forEach(({ filter, options }, i) => {
      if (codes[i]! >= 0x80) return;
      const known = session.subscriptions.has(filter);
      session.subscriptions.set(filter, codes[i]!);
      const handling = (options >> 4) & 3;
      if (handling === 0 || (handling === 1 && !known)) this.#broker.sendRetained(session, filter, codes[i]!);
    });
  }

  #filters(body: Uint8Array, withOptions: boolean): { filter: string; options: number }[] {
    let offset = 2;
    if (this.version === 5) {
      const length = readVariable(body, offset)!;
      offset = length.next + length.value;
    }
    const filters: { filter: string; options: number }[] = [];
    while (offset < body.byteLength) {
      const filter = readText(body, offset);
      offset += 2 + number(body, offset);
      filters.push({ filter, options: withOptions ? body[offset++]! : 0 });
    }
    return filters;
  }
}

/** Topic of a PUBLISH packet. */
export function topicOf(packet: SeenPacket): string {
  return readText(packet.body, 0);
}

export function two(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 255);
}

export function text(value: string): Uint8Array {
  const bytes = toUTF8(value);
  return concat(two(bytes.byteLength), bytes);
}

export function variable(value: number): Uint8Array {
  const bytes: number[] = [];
  do {
    bytes.push((value & 127) | (value > 127 ? 128 : 0));
    value >>>= 7;
  } while (value > 0);
  return Uint8Array.from(bytes);
}

function number(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!;
}

function readText(bytes: Uint8Array, offset: number): string {
  return fromUTF8(bytes, offset + 2, offset + 2 + number(bytes, offset))!;
}

export function readVariable(bytes: Uint8Array, offset: number): { value: number; next: number } | undefined {
  let value = 0;
  for (let shift = 0; offset < bytes.byteLength; shift += 7) {
    const byte = bytes[offset++]!;
    value |= (byte & 127) << shift;
    if (byte < 128) return { value, next: offset };
  }
  return undefined;
}

/** Lengths of the properties' values, by identifier, where they are fixed. */
const FIXED: Record<number, number> = {
  0x01: 1,
  0x02: 4,
  0x11: 4,
  0x13: 2,
  0x17: 1,
  0x18: 4,
  0x19: 1,
  0x21: 2,
  0x22: 2,
  0x23: 2,
  0x24: 1,
  0x25: 1,
  0x27: 4,
  0x28: 1,
  0x29: 1,
  0x2a: 1,
};

/** @returns the offset of a property's value within a property section, or -1 */
export function findProperty(properties: Uint8Array, identifier: number): number {
  for (let offset = 0; offset < properties.byteLength;) {
    const id = properties[offset++]!;
    if (id === identifier) return offset;
    if (id === 0x0b) offset = readVariable(properties, offset)!.next;
    else if (id === 0x26) {
      offset += 2 + number(properties, offset);
      offset += 2 + number(properties, offset);
    } else offset += FIXED[id] ?? 2 + number(properties, offset);
  }
  return -1;
}

function matches(filter: string, topic: string): boolean {
  const levels = filter.split("/");
  const names = topic.split("/");
  for (const [i, level] of levels.entries()) {
    if (level === "#") return true;
    if (names[i] === undefined || (level !== "+" && level !== names[i])) return false;
  }
  return levels.length === names.length;
}
