/** Return codes of MQTT 3.1.1 (section 3.2.2.3) and reason codes of 5.0 (section 2.4): where they may stand, and what they mean. */
import { SealwireError, type ErrorCode } from "../../errors.js";
import type { ProtocolVersion, ReceivedProperties } from "../types.js";
import { AUTH, CONNACK, DISCONNECT, PUBACK, PUBCOMP, PUBREC, PUBREL, SUBACK, UNSUBACK } from "./constants.js";

/**
 * Whether a server may send this reason code in a packet of this type (MQTT 5.0 section 2.4, table 2-6).
 * [MQTT-3.2.2-8], [MQTT-3.4.2-1], [MQTT-3.5.2-1], [MQTT-3.6.2-1], [MQTT-3.7.2-1], [MQTT-3.9.3-2], [MQTT-3.11.3-2], [MQTT-3.14.2-1], [MQTT-3.15.2-1]
 */
export function mayCarryReason(packet: number, code: number): boolean {
  switch (packet) {
    case CONNACK:
      return code === 0 || (code >= 0x80 && code <= 0x8a) || has("8c 90 95 97 99 9a 9b 9c 9d 9f", code);
    case PUBACK:
    case PUBREC:
      return code === 0 || has("10 80 83 87 90 91 97 99", code);
    case PUBREL:
    case PUBCOMP:
      return code === 0 || code === 0x92;
    case SUBACK:
      return code <= 2 || has("80 83 87 8f 91 97 9e a1 a2", code);
    case UNSUBACK:
      return code === 0 || has("11 80 83 87 8f 91", code);
    case DISCONNECT:
      return code === 0 || (code >= 0x93 && code <= 0xa2) || has("80 81 82 83 87 89 8b 8d 8e 8f 90", code);
    case AUTH:
      return code === 0 || code === 0x18;
    default:
      return false;
  }
}

/** Whether a client may send this reason code in a packet of this type. */
export function mayClientSendReason(packet: number, code: number): boolean {
  if (packet === AUTH) return code === 0x18 || code === 0x19;
  if (packet !== DISCONNECT) return mayCarryReason(packet, code);
  return code === 0 || code === 4 || has("80 81 82 83 90 93 94 95 96 97 98 99", code);
}

function has(list: string, code: number): boolean {
  return code > 0x0f && list.includes(code.toString(16));
}

/** The error that a return code of a 3.1.1 CONNACK stands for. */
function refusedByReturnCode(code: number): [ErrorCode, string] {
  switch (code) {
    case 1:
      return ["MQTT_VERSION_REFUSED", "the server does not speak this version of MQTT"];
    case 2:
      return ["MQTT_CLIENT_ID_REFUSED", "the server refuses the client identifier"];
    case 3:
      return ["MQTT_SERVER_UNAVAILABLE", "the server is unavailable"];
    case 4:
      return ["MQTT_BAD_CREDENTIALS", "the user name or password is wrong"];
    case 5:
      return ["MQTT_NOT_AUTHORIZED", "the client is not authorised to connect"];
    default:
      return ["MQTT_REFUSED", "the server gave an unknown return code"];
  }
}

/** The error and words that a reason code stands for; `other` is the code of those that have none of their own. */
function meaningOf(code: number, other: ErrorCode): [ErrorCode, string] {
  switch (code) {
    case 0x10:
      return [other, "no matching subscribers"];
    case 0x11:
      return [other, "no subscription existed"];
    case 0x80:
      return [other, "unspecified error"];
    case 0x81:
      return [other, "the server found a packet malformed"];
    case 0x82:
      return [other, "the server found a protocol error"];
    case 0x83:
      return [other, "a reason of the server's own"];
    case 0x84:
      return ["MQTT_VERSION_REFUSED", "the server does not speak this version of MQTT"];
    case 0x85:
      return ["MQTT_CLIENT_ID_REFUSED", "the server refuses the client identifier"];
    case 0x86:
      return ["MQTT_BAD_CREDENTIALS", "the user name or password is wrong"];
    case 0x87:
      return ["MQTT_NOT_AUTHORIZED", "not authorised"];
    case 0x88:
      return ["MQTT_SERVER_UNAVAILABLE", "the server is unavailable"];
    case 0x89:
      return ["MQTT_SERVER_UNAVAILABLE", "the server is busy"];
    case 0x8a:
      return ["MQTT_NOT_AUTHORIZED", "the client is banned"];
    case 0x8b:
      return ["MQTT_SERVER_UNAVAILABLE", "the server is shutting down"];
    case 0x8c:
      return ["MQTT_BAD_CREDENTIALS", "the server does not support the authentication method"];
    case 0x8d:
      return ["MQTT_KEEP_ALIVE_TIMEOUT", "the server heard nothing within one and a half keep-alive intervals"];
    case 0x8e:
      return ["MQTT_TAKEN_OVER", "another connection took over the client identifier"];
    case 0x8f:
      return [other, "the topic filter is not accepted"];
    case 0x90:
      return [other, "the topic name is not accepted"];
    case 0x91:
      return [other, "the packet identifier is in use"];
    case 0x92:
      return [other, "the packet identifier is not known"];
    case 0x93:
      return [other, "more publications than the receive maximum were under way"];
    case 0x94:
      return [other, "the topic alias is not valid"];
    case 0x95:
      return ["MQTT_PACKET_TOO_LARGE", "the packet is too large for the server"];
    case 0x96:
      return ["MQTT_QUOTA_EXCEEDED", "the message rate is too high"];
    case 0x97:
      return ["MQTT_QUOTA_EXCEEDED", "a quota is exceeded"];
    case 0x98:
      return [other, "an administrator ended the connection"];
    case 0x99:
      return [other, "the payload is not what its format indicator says"];
    case 0x9a:
      return [other, "the server does not support retained messages"];
    case 0x9b:
      return [other, "the server does not support this QoS"];
    case 0x9c:
      return ["MQTT_SERVER_MOVED", "another server is to be used for now"];
    case 0x9d:
      return ["MQTT_SERVER_MOVED", "the server moved"];
    case 0x9e:
      return [other, "the server does not support shared subscriptions"];
    case 0x9f:
      return ["MQTT_QUOTA_EXCEEDED", "the connection rate is too high"];
    case 0xa0:
      return [other, "the maximum connect time is over"];
    case 0xa1:
      return [other, "the server does not support subscription identifiers"];
    case 0xa2:
      return [other, "the server does not support wildcard subscriptions"];
    default:
      return [other, "unknown reason"];
  }
}

function hexadecimal(code: number): string {
  return `0x${code < 16 ? "0" : ""}${code.toString(16)}`;
}

function details(properties: ReceivedProperties | undefined): string {
  const reference = properties?.serverReference;
  const reason = properties?.reasonString;
  return (
    (reference === undefined ? "" : ` Server reference: ${JSON.stringify(reference)}.`) +
    (reason === undefined ? "" : ` The server says: ${JSON.stringify(reason)}.`)
  );
}

/** The error of a CONNACK that refuses. @param version 4 also for a CONNACK in the form of 3.1.1 that answers a CONNECT of 5.0 */
export function connectionRefused(
  version: ProtocolVersion,
  reasonCode: number,
  properties: ReceivedProperties | undefined,
): SealwireError {
  const [code, words] = version === 5 ? meaningOf(reasonCode, "MQTT_REFUSED") : refusedByReturnCode(reasonCode);
  const message = `The server refused the connection: ${words} (${hexadecimal(reasonCode)}).${details(properties)}`;
  return new SealwireError(code, message, { reasonCode });
}

/** The error of a DISCONNECT by the server (MQTT 5.0 section 3.14). */
export function disconnectedByServer(reasonCode: number, properties: ReceivedProperties | undefined): SealwireError {
  const [code, words] = meaningOf(reasonCode, "MQTT_REFUSED");
  const message = `The server ended the connection: ${words} (${hexadecimal(reasonCode)}).${details(properties)}`;
  return new SealwireError(code, message, { reasonCode });
}

/**
 * The error of an acknowledgement that refuses: a reason code of 0x80 or more in PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK.
 * @param what was refused, such as `publication to "a/b"`
 */
export function requestRefused(
  what: string,
  reasonCode: number,
  properties: ReceivedProperties | undefined,
): SealwireError {
  const [code, words] = meaningOf(reasonCode, "MQTT_REQUEST_REFUSED");
  const message = `The server refused the ${what}: ${words} (${hexadecimal(reasonCode)}).${details(properties)}`;
  return new SealwireError(code, message, { reasonCode });
}
