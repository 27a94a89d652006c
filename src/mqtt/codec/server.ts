/**
 * The other half of the codec: reads what a client sends and makes what a server sends. No client imports it, so it costs a device nothing; test
 * brokers and tools are built with it.
 */
import type {
  AcknowledgementMessage,
  ConnackMessage,
  PingMessage,
  Properties,
  ProtocolVersion,
  QoS,
  ReceivedProperties,
  SubscriptionItem,
  SubscriptionMessage,
} from "../types.js";
import {
  AUTH,
  CONNACK,
  CONNECT,
  DISCONNECT,
  PINGREQ,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  SUBACK,
  SUBSCRIBE,
  UNSUBSCRIBE,
  WILL,
  nameOfPacket,
} from "./constants.js";
import { checkFlags, readAcknowledgement } from "./control.js";
import { malformed, protocolError } from "./errors.js";
import { readProperties, writeProperties, type PropertyRules } from "./properties.js";
import type { Reader } from "./reader.js";
import { mayClientSendReason } from "./reason.js";
import { faultOfTopicFilter, hasWildcard } from "./topic.js";
import { makePacket } from "./writer.js";

/** A will as CONNECT carries it. */
export interface ReceivedWill {
  readonly topic: string;
  readonly message: Uint8Array;
  readonly QoS: QoS;
  readonly retain: boolean;
  readonly properties: ReceivedProperties | undefined;
}

export interface ConnectMessage {
  readonly operation: 1;
  readonly version: ProtocolVersion;
  readonly clean: boolean;
  /** Seconds. */
  readonly keepAlive: number;
  readonly id: string;
  readonly will: ReceivedWill | undefined;
  readonly user: string | undefined;
  readonly password: Uint8Array | undefined;
  readonly properties: ReceivedProperties | undefined;
}

export interface SubscribeMessage {
  readonly operation: 8 | 10;
  readonly id: number;
  readonly items: readonly SubscriptionItem[];
  readonly properties: ReceivedProperties | undefined;
}

export interface ClientReasonMessage {
  readonly operation: 14 | 15;
  readonly reasonCode: number;
  readonly properties: ReceivedProperties | undefined;
}

export interface PingRequestMessage {
  readonly operation: 12;
}

/** What a client sends, other than PUBLISH. */
export type ClientMessage =
  ConnectMessage | AcknowledgementMessage | SubscribeMessage | PingRequestMessage | ClientReasonMessage;

/** Packets from a client to a server. The version of a connection is known after its CONNECT only: give 4 before, it is not looked at. */
export function readControlFromClient(
  version: ProtocolVersion,
  first: number,
  reader: Reader,
  rules: PropertyRules,
): ClientMessage {
  const type = first >> 4;
  switch (type) {
    case CONNECT:
      checkFlags(first, 0);
      return readConnect(reader, rules);
    case PUBACK:
    case PUBREC:
    case PUBREL:
    case PUBCOMP:
      checkFlags(first, type === PUBREL ? 2 : 0); // [MQTT-3.6.1-1]
      return readAcknowledgement(version, type, reader, rules);
    case SUBSCRIBE:
    case UNSUBSCRIBE:
      checkFlags(first, 2); // [MQTT-3.8.1-1], [MQTT-3.10.1-1]
      return readSubscribe(version, type, reader, rules);
    case PINGREQ:
      checkFlags(first, 0);
      reader.finish();
      return { operation: PINGREQ };
    case DISCONNECT:
    case AUTH:
      checkFlags(first, 0); // [MQTT-3.14.1-1], [MQTT-3.15.1-1]
      return readReason(version, type, reader, rules);
    default:
      throw protocolError(`a client does not send ${nameOfPacket(type)}`);
  }
}

function readConnect(reader: Reader, rules: PropertyRules): ConnectMessage {
  if (reader.string() !== "MQTT") throw protocolError("the protocol name is not MQTT", 0x84); // [MQTT-3.1.2-1]
  const version = reader.byte();
  if (version !== 4 && version !== 5) throw protocolError("the protocol version is not supported", 0x84); // [MQTT-3.1.2-2]
  const flags = reader.byte();
  const hasWill = (flags & 0x04) !== 0;
  const willQoS = (flags >> 3) & 3;
  if ((flags & 0x01) !== 0) throw malformed("CONNECT has the reserved flag"); // [MQTT-3.1.2-3]
  if (willQoS === 3 || (!hasWill && (flags & 0x38) !== 0)) throw malformed("CONNECT has wrong will flags"); // [MQTT-3.1.2-11] to [MQTT-3.1.2-15]
  // [MQTT-3.1.2-22] (3.1.1)
  if (version === 4 && (flags & 0xc0) === 0x40) throw malformed("CONNECT has a password without a user name");
  const keepAlive = reader.twoBytes();
  const properties = version === 5 ? readProperties(reader, CONNECT, rules) : undefined;
  if (properties?.authenticationData && properties.authenticationMethod === undefined)
    throw protocolError("authentication data comes without its method");
  const id = reader.string();
  let will: ReceivedWill | undefined;
  if (hasWill) {
    const willProperties = version === 5 ? readProperties(reader, WILL, rules) : undefined;
    const topic = reader.string();
    if (topic === "" || hasWildcard(topic)) throw malformed("the topic of the will is not a topic name", 0x90);
    const message = reader.binary();
    will = { topic, message, QoS: willQoS as QoS, retain: (flags & 0x20) !== 0, properties: willProperties };
  }
  const user = (flags & 0x80) === 0 ? undefined : reader.string();
  const password = (flags & 0x40) === 0 ? undefined : reader.binary();
  reader.finish();
  return { operation: CONNECT, version, clean: (flags & 0x02) !== 0, keepAlive, id, will, user, password, properties };
}

function readSubscribe(
  version: ProtocolVersion,
  operation: SubscribeMessage["operation"],
  reader: Reader,
  rules: PropertyRules,
): SubscribeMessage {
  const id = reader.identifier();
  const properties = version === 5 ? readProperties(reader, operation, rules) : undefined;
  const items: SubscriptionItem[] = [];
  while (reader.left > 0) {
    const topic = reader.string();
    const fault = faultOfTopicFilter(topic, version === 5);
    if (fault !== undefined) throw malformed(`a topic filter ${fault}`, 0x8f);
    if (operation === UNSUBSCRIBE) {
      items.push({ topic });
      continue;
    }
    const options = reader.byte();
    const QoS = options & 3;
    // [MQTT-3.8.3-4] (3.1.1), [MQTT-3.8.3-5] (5.0)
    if (QoS === 3 || (version === 4 ? options > 2 : options >= 0x30 || (options & 0x30) === 0x30))
      throw malformed("SUBSCRIBE has wrong subscription options");
    const item: SubscriptionItem = { topic, QoS: QoS as QoS };
    items.push(
      version === 4
        ? item
        : {
            ...item,
            noLocal: (options & 0x04) !== 0,
            retainAsPublished: (options & 0x08) !== 0,
            retainHandling: ((options >> 4) & 3) as 0 | 1 | 2,
          },
    );
  }
  if (items.length === 0) throw protocolError(`${nameOfPacket(operation)} is empty`); // [MQTT-3.8.3-2], [MQTT-3.10.3-2]
  return { operation, id, items, properties };
}

function readReason(
  version: ProtocolVersion,
  operation: ClientReasonMessage["operation"],
  reader: Reader,
  rules: PropertyRules,
): ClientReasonMessage {
  let reasonCode = 0;
  let properties;
  if (version === 5 && reader.left > 0) {
    reasonCode = reader.byte();
    if (!mayClientSendReason(operation, reasonCode))
      throw protocolError(`${nameOfPacket(operation)} has the reason code ${reasonCode}, which is not one of its own`);
    if (reader.left > 0) properties = readProperties(reader, operation, rules);
  }
  reader.finish();
  return { operation, reasonCode, properties };
}

/** A PUBLISH as a server sends it. */
export interface ServerPublish {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly QoS?: QoS;
  readonly retain?: boolean;
  readonly duplicate?: boolean;
  /** Needed with QoS > 0. */
  readonly id?: number;
  readonly properties?: Properties;
}

/** PUBLISH with its payload. */
export function encodePublish(version: ProtocolVersion, message: ServerPublish): Uint8Array {
  const { topic, payload, QoS = 0, retain, duplicate, id = 0, properties } = message;
  const first = (PUBLISH << 4) | (duplicate ? 0x08 : 0) | (QoS << 1) | (retain ? 0x01 : 0);
  return makePacket(first, (writer) => {
    writer.string(topic, "The topic");
    if (QoS > 0) writer.twoBytes(id);
    if (version === 5) writeProperties(writer, properties, PUBLISH);
    writer.bytes(payload);
  });
}

/** A packet other than PUBLISH that a server sends, from the message that a client decodes it to. */
export function encodeControlFromServer(
  version: ProtocolVersion,
  message: ConnackMessage | AcknowledgementMessage | SubscriptionMessage | PingMessage | ClientReasonMessage,
): Uint8Array {
  switch (message.operation) {
    case CONNACK:
      return makePacket(CONNACK << 4, (writer) => {
        writer.byte(message.sessionPresent ? 1 : 0);
        writer.byte(message.reasonCode);
        if (version === 5) writeProperties(writer, message.properties, CONNACK);
      });
    case PINGRESP:
      return Uint8Array.of(PINGRESP << 4, 0);
    case DISCONNECT:
    case AUTH: {
      const { operation, reasonCode, properties } = message;
      return makePacket(operation << 4, (writer) => {
        if (reasonCode === 0 && properties === undefined) return;
        writer.byte(reasonCode);
        if (properties) writeProperties(writer, properties, operation);
      });
    }
    case SUBACK:
    case 11:
      return makePacket(message.operation << 4, (writer) => {
        writer.twoBytes(message.id);
        if (version === 5) writeProperties(writer, message.properties, message.operation);
        if (version === 5 || message.operation === SUBACK) for (const code of message.reasonCodes) writer.byte(code);
      });
    default: {
      const { operation, id, reasonCode, properties } = message;
      return makePacket((operation << 4) | (operation === PUBREL ? 2 : 0), (writer) => {
        writer.twoBytes(id);
        if (version === 4 || (reasonCode === 0 && properties === undefined)) return;
        writer.byte(reasonCode);
        if (properties) writeProperties(writer, properties, operation);
      });
    }
  }
}
