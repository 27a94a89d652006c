/** Reads the packets that a server sends, other than PUBLISH. */
import type {
  AcknowledgementMessage,
  ConnackMessage,
  ControlMessage,
  ProtocolVersion,
  ReasonMessage,
  SubscriptionMessage,
} from "../types.js";
import {
  AUTH,
  CONNACK,
  DISCONNECT,
  PINGRESP,
  PUBACK,
  PUBCOMP,
  PUBREC,
  PUBREL,
  SUBACK,
  UNSUBACK,
  nameOfPacket,
} from "./constants.js";
import { malformed, protocolError } from "./errors.js";
import { readProperties, type PropertyRules } from "./properties.js";
import { mayCarryReason } from "./reason.js";
import type { Reader } from "./reader.js";

/**
 * Reads one packet.
 * @param first its first byte
 * @param reader stands behind the fixed header; its end is the packet's end
 */
export type ControlReader<Message> = (
  version: ProtocolVersion,
  first: number,
  reader: Reader,
  rules: PropertyRules,
) => Message;

/** The flags of the first byte are fixed for every packet but PUBLISH: [MQTT-2.2.2-2] (3.1.1), [MQTT-2.1.3-1] (5.0). */
export function checkFlags(first: number, expected: number): void {
  if ((first & 0x0f) !== expected) throw malformed(`${nameOfPacket(first >> 4)} has wrong flags`);
}

/** Packets from a server to a client. */
export function readControlFromServer(
  version: ProtocolVersion,
  first: number,
  reader: Reader,
  rules: PropertyRules,
): ControlMessage {
  const type = first >> 4;
  switch (type) {
    case PUBACK:
    case PUBREC:
    case PUBREL:
    case PUBCOMP:
      checkFlags(first, type === PUBREL ? 2 : 0); // [MQTT-3.6.1-1]
      return readAcknowledgement(version, type, reader, rules);
    case CONNACK:
      checkFlags(first, 0);
      return readConnack(version, reader, rules);
    case SUBACK:
    case UNSUBACK:
      checkFlags(first, 0);
      return readSubscriptionAnswer(version, type, reader, rules);
    case PINGRESP:
      checkFlags(first, 0);
      reader.finish();
      return { operation: PINGRESP };
    case DISCONNECT:
    case AUTH:
      if (version === 5) {
        checkFlags(first, 0);
        return readReason(type, reader, rules);
      }
      break;
  }
  if (type === 0 || (type === AUTH && version === 4)) throw malformed(`packet type ${type} is reserved`);
  throw protocolError(`a server does not send ${nameOfPacket(type)}`);
}

function readConnack(version: ProtocolVersion, reader: Reader, rules: PropertyRules): ConnackMessage {
  const flags = reader.byte();
  if (flags > 1) throw malformed("CONNACK has reserved flags"); // [MQTT-3.2.2-1] (5.0)
  const sessionPresent = flags === 1;
  const reasonCode = reader.byte();
  // A server that speaks 3.1.1 only refuses a CONNECT of 5.0 in the form of 3.1.1 (section 3.1.2.2 there)
  const old = version === 4 || (reader.left === 0 && reasonCode > 0 && reasonCode < 0x80);
  if (!old && !mayCarryReason(CONNACK, reasonCode)) throw wrongReason(CONNACK, reasonCode);
  const properties = old ? undefined : readProperties(reader, CONNACK, rules);
  reader.finish();
  // [MQTT-3.2.2-4] (3.1.1), [MQTT-3.2.2-6] (5.0)
  if (sessionPresent && reasonCode !== 0) throw protocolError("a CONNACK that refuses says that a session is present");
  return { operation: CONNACK, sessionPresent, returnCode: reasonCode, reasonCode, properties };
}

/** PUBACK, PUBREC, PUBREL, PUBCOMP: alike in both directions. */
export function readAcknowledgement(
  version: ProtocolVersion,
  operation: AcknowledgementMessage["operation"],
  reader: Reader,
  rules: PropertyRules,
): AcknowledgementMessage {
  const id = reader.identifier();
  let reasonCode = 0;
  let properties;
  if (version === 5 && reader.left > 0) {
    // sections 3.4.2.1 and 3.4.2.2.1: reason code and properties may be left out
    reasonCode = reader.byte();
    if (!mayCarryReason(operation, reasonCode)) throw wrongReason(operation, reasonCode);
    if (reader.left > 0) properties = readProperties(reader, operation, rules);
  }
  reader.finish();
  return { operation, id, reasonCode, properties };
}

function readSubscriptionAnswer(
  version: ProtocolVersion,
  operation: SubscriptionMessage["operation"],
  reader: Reader,
  rules: PropertyRules,
): SubscriptionMessage {
  const id = reader.identifier();
  const properties = version === 5 ? readProperties(reader, operation, rules) : undefined;
  const reasonCodes: number[] = [];
  if (version === 5 || operation === SUBACK) {
    while (reader.left > 0) {
      const code = reader.byte();
      // 3.1.1 knows 0x80 alone for a refusal [MQTT-3.9.3-2], but there are servers that send a code of 5.0 there. To end the connection over
      // it would have a device that asks again at each connection reconnect for ever.
      const known = version === 5 ? mayCarryReason(operation, code) : code <= 2 || code >= 0x80;
      if (!known) throw wrongReason(operation, code);
      reasonCodes.push(code);
    }
    if (reasonCodes.length === 0) throw protocolError(`${nameOfPacket(operation)} is empty`);
  }
  reader.finish();
  return { operation, id, reasonCodes, payload: reasonCodes, properties };
}

function readReason(operation: ReasonMessage["operation"], reader: Reader, rules: PropertyRules): ReasonMessage {
  let reasonCode = 0;
  let properties;
  if (reader.left > 0) {
    reasonCode = reader.byte();
    if (!mayCarryReason(operation, reasonCode)) throw wrongReason(operation, reasonCode);
    if (reader.left > 0) properties = readProperties(reader, operation, rules);
  }
  reader.finish();
  return { operation, reasonCode, properties };
}

function wrongReason(packet: number, code: number): Error {
  return protocolError(`${nameOfPacket(packet)} has the reason code ${code}, which is not one of its own`);
}
