/** Writes the packets other than CONNECT and PUBLISH that a client sends. */
import {
  AUTH,
  DISCONNECT,
  PINGREQ,
  PUBREL,
  REASON_CONTINUE_AUTHENTICATION,
  REASON_UNSPECIFIED,
  SUBSCRIBE,
  UNSUBSCRIBE,
  nameOfPacket,
} from "./codec/constants.js";
import { encodeAcknowledgement, encodeReason, encodeRequest } from "./codec/encode.js";
import { invalidArgument } from "./codec/errors.js";
import { mayClientSendReason } from "./codec/reason.js";
import type { Output } from "./output.js";
import { payloadUnderWay } from "./publish-writer.js";
import type { Properties, ProtocolVersion, ServerLimits, WriteOptions } from "./types.js";
import { checkId, checkPacketSize, checkSubscriptionsOffered, overflow } from "./write-options.js";

/**
 * Writes one packet; its options were checked for the operation.
 * @param id packet identifier, for those that have one
 * @throws SealwireError as `MQTTClient.write` says
 */
export function writeControl(
  output: Output,
  version: ProtocolVersion,
  limits: ServerLimits,
  operation: number,
  id: number | undefined,
  options: WriteOptions,
): void {
  const { properties } = options;
  switch (operation) {
    case SUBSCRIBE:
    case UNSUBSCRIBE: {
      const items = options.items ?? [];
      const packet = encodeRequest(operation, version, checkId(id), items, properties);
      const filters = items.map(({ topic }) => ({ filter: topic }));
      if (operation === SUBSCRIBE)
        checkSubscriptionsOffered(limits, filters, properties?.subscriptionIdentifier !== undefined);
      writePacket(output, packet, limits);
      break;
    }
    case PINGREQ:
      if (output.room < 2) throw overflow(2, output.room);
      output.empty(PINGREQ << 4);
      break;
    case DISCONNECT:
    case AUTH: {
      const reasonCode = options.reasonCode ?? (operation === AUTH ? REASON_CONTINUE_AUTHENTICATION : 0);
      checkReason(operation, reasonCode);
      if (output.streaming > 0) throw payloadUnderWay();
      if (reasonCode === 0 && properties === undefined) {
        if (output.room < 2) throw overflow(2, output.room);
        output.empty(operation << 4);
      } else writePacket(output, encodeReason(operation, reasonCode, properties), limits);
      break;
    }
    default:
      if (!writeAcknowledgement(output, operation, checkId(id), options.reasonCode, properties, limits))
        throw overflow(4, output.room);
  }
}

/** PUBACK, PUBREC, PUBREL, PUBCOMP: they may wait in the output buffer, behind a payload too. @returns false when there is no room */
export function writeAcknowledgement(
  output: Output,
  operation: number,
  id: number,
  reasonCode: number | undefined,
  properties: Properties | undefined,
  limits: ServerLimits,
): boolean {
  const first = (operation << 4) | (operation === PUBREL ? 2 : 0); // [MQTT-3.6.1-1]
  if (!reasonCode && properties === undefined) {
    if (output.room < 4) return false;
    output.identifier(first, id);
    return true;
  }
  checkReason(operation, reasonCode ?? 0);
  const packet = encodeAcknowledgement(first, id, reasonCode ?? 0, properties);
  checkPacketSize(packet.byteLength, limits);
  if (packet.byteLength > output.room && (output.streaming > 0 || packet.byteLength > output.writable)) return false;
  output.packet(packet);
  return true;
}

/** Writes a packet that must not wait. @throws SealwireError `INVALID_STATE` when there is no room */
export function writePacket(output: Output, packet: Uint8Array, limits: ServerLimits): void {
  checkPacketSize(packet.byteLength, limits);
  if (output.streaming > 0) throw payloadUnderWay();
  if (packet.byteLength > output.writable) throw overflow(packet.byteLength, output.writable);
  output.packet(packet);
}

function checkReason(operation: number, reasonCode: number): void {
  if (!mayClientSendReason(operation, reasonCode))
    throw invalidArgument(`The option reasonCode must be one that ${nameOfPacket(operation)} may have.`);
}

/** DISCONNECT with the reason for which this side gives up (MQTT 5.0 section 4.13); nothing when it cannot be sent. */
export function writeGoodbye(output: Output, reasonCode: number | undefined): void {
  if (output.broken || output.streaming > 0 || output.writable < 4) return;
  output.packet(encodeReason(DISCONNECT, reasonCode ?? REASON_UNSPECIFIED, undefined));
  output.flush();
}

/** A session that ends with its connection cannot be prolonged by DISCONNECT (MQTT 5.0 section 3.14.2.2.2). */
export function checkSessionExpiry(options: WriteOptions, connectExpiry: number | undefined): void {
  if ((options.properties?.sessionExpiryInterval ?? 0) > 0 && (connectExpiry ?? 0) === 0)
    throw invalidArgument("The property sessionExpiryInterval of DISCONNECT must be 0, as it was in CONNECT.");
}
