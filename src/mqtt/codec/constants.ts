/** Numbers of the protocol: packet types (section 2.1.2 of MQTT 5.0, 2.2.1 of 3.1.1) and reason codes (MQTT 5.0 section 2.4). */

export const CONNECT = 1;
export const CONNACK = 2;
export const PUBLISH = 3;
export const PUBACK = 4;
export const PUBREC = 5;
export const PUBREL = 6;
export const PUBCOMP = 7;
export const SUBSCRIBE = 8;
export const SUBACK = 9;
export const UNSUBSCRIBE = 10;
export const UNSUBACK = 11;
export const PINGREQ = 12;
export const PINGRESP = 13;
export const DISCONNECT = 14;
export const AUTH = 15;

/** Stands for the will within CONNECT, where a packet type tells which properties are allowed. No packet has type 0. */
export const WILL = 0;

export const REASON_CONTINUE_AUTHENTICATION = 0x18;
export const REASON_UNSPECIFIED = 0x80;
export const REASON_MALFORMED_PACKET = 0x81;
export const REASON_PROTOCOL_ERROR = 0x82;
export const REASON_TOPIC_NAME_INVALID = 0x90;
export const REASON_RECEIVE_MAXIMUM_EXCEEDED = 0x93;
export const REASON_TOPIC_ALIAS_INVALID = 0x94;
export const REASON_PACKET_TOO_LARGE = 0x95;

/** Largest value of a variable byte integer, and so of a packet's remaining length (MQTT 5.0 section 1.5.5). */
export const MAXIMUM_VARIABLE_INTEGER = 268_435_455;
/** Largest packet there can be: the remaining length, its own four bytes and the first byte. */
export const MAXIMUM_PACKET_SIZE = MAXIMUM_VARIABLE_INTEGER + 5;

const NAMES =
  "RESERVED CONNECT CONNACK PUBLISH PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK PINGREQ PINGRESP DISCONNECT AUTH";

/** Name of a packet type, for messages. */
export function nameOfPacket(type: number): string {
  return NAMES.split(" ")[type] ?? `packet type ${type}`;
}
