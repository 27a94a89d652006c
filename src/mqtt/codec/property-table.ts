/**
 * The properties of MQTT 5.0 (section 2.2.2.2): names, identifiers, types, and the packets that may carry them. The tables are code:
 * code lies in flash, objects would lie in the heap.
 */
import {
  AUTH,
  CONNACK,
  CONNECT,
  DISCONNECT,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  SUBACK,
  SUBSCRIBE,
  UNSUBACK,
  UNSUBSCRIBE,
  WILL,
} from "./constants.js";

/** A byte that says no (0) or yes (1). */
export const FLAG = 1;
/** A byte that says 0 or 1. */
export const BIT = 2;
export const TWO_BYTES = 3;
export const FOUR_BYTES = 4;
export const VARIABLE = 5;
export const BINARY = 6;
export const TEXT = 7;
/** Two strings; may repeat. */
export const PAIR = 8;
/** Takes the type out of a specification. */
export const TYPE = 0x0f;
/** Set in a specification when a numeric value must not be 0. */
export const NOT_ZERO = 0x10;

export const RESPONSE_TOPIC = 0x08;
export const SUBSCRIPTION_IDENTIFIER = 0x0b;
export const REASON_STRING = 0x1f;
export const TOPIC_ALIAS = 0x23;
export const USER_PROPERTY = 0x26;

/** Each packet type has a bit above the type and NOT_ZERO. */
const SHIFT = 5;
const IN_CONNECT = 1 << (CONNECT + SHIFT);
const IN_CONNACK = 1 << (CONNACK + SHIFT);
const IN_PUBLISH = 1 << (PUBLISH + SHIFT);
const IN_WILL = 1 << (WILL + SHIFT);
const IN_SUBSCRIBE = 1 << (SUBSCRIBE + SHIFT);
const IN_DISCONNECT = 1 << (DISCONNECT + SHIFT);
const IN_AUTH = 1 << (AUTH + SHIFT);
const IN_ACKNOWLEDGEMENTS =
  (1 << (PUBACK + SHIFT)) |
  (1 << (PUBREC + SHIFT)) |
  (1 << (PUBREL + SHIFT)) |
  (1 << (PUBCOMP + SHIFT)) |
  (1 << (SUBACK + SHIFT)) |
  (1 << (UNSUBACK + SHIFT));
const IN_ALL =
  IN_ACKNOWLEDGEMENTS |
  IN_CONNECT |
  IN_CONNACK |
  IN_PUBLISH |
  IN_WILL |
  IN_SUBSCRIBE |
  (1 << (UNSUBSCRIBE + SHIFT)) |
  IN_DISCONNECT |
  IN_AUTH;

/** Whether a packet of this type may carry a property with this specification. */
export function mayCarry(packet: number, specification: number): boolean {
  return (specification & (1 << (packet + SHIFT))) !== 0;
}

/** Type and packets of a property; 0 when there is none with this identifier. */
export function specificationOf(identifier: number): number {
  switch (identifier) {
    case 0x01:
      return BIT | IN_PUBLISH | IN_WILL;
    case 0x02:
      return FOUR_BYTES | IN_PUBLISH | IN_WILL;
    case 0x03:
    case RESPONSE_TOPIC:
      return TEXT | IN_PUBLISH | IN_WILL;
    case 0x09:
      return BINARY | IN_PUBLISH | IN_WILL;
    case SUBSCRIPTION_IDENTIFIER:
      return VARIABLE | NOT_ZERO | IN_PUBLISH | IN_SUBSCRIBE;
    case 0x11:
      return FOUR_BYTES | IN_CONNECT | IN_CONNACK | IN_DISCONNECT;
    case 0x12:
    case 0x1a:
      return TEXT | IN_CONNACK;
    case 0x13:
      return TWO_BYTES | IN_CONNACK;
    case 0x15:
      return TEXT | IN_CONNECT | IN_CONNACK | IN_AUTH;
    case 0x16:
      return BINARY | IN_CONNECT | IN_CONNACK | IN_AUTH;
    case 0x17:
    case 0x19:
      return FLAG | IN_CONNECT;
    case 0x18:
      return FOUR_BYTES | IN_WILL;
    case 0x1c:
      return TEXT | IN_CONNACK | IN_DISCONNECT;
    case REASON_STRING:
      return TEXT | IN_ACKNOWLEDGEMENTS | IN_CONNACK | IN_DISCONNECT | IN_AUTH;
    case 0x21:
      return TWO_BYTES | NOT_ZERO | IN_CONNECT | IN_CONNACK;
    case 0x22:
      return TWO_BYTES | IN_CONNECT | IN_CONNACK;
    case TOPIC_ALIAS:
      return TWO_BYTES | NOT_ZERO | IN_PUBLISH;
    case 0x24:
      return BIT | IN_CONNACK;
    case 0x25:
    case 0x28:
    case 0x29:
    case 0x2a:
      return FLAG | IN_CONNACK;
    case USER_PROPERTY:
      return PAIR | IN_ALL;
    case 0x27:
      return FOUR_BYTES | NOT_ZERO | IN_CONNECT | IN_CONNACK;
    default:
      return 0;
  }
}

/** Name of a property that has a specification. */
export function nameOf(identifier: number): string {
  switch (identifier) {
    case 0x01:
      return "payloadFormatIndicator";
    case 0x02:
      return "messageExpiryInterval";
    case 0x03:
      return "contentType";
    case RESPONSE_TOPIC:
      return "responseTopic";
    case 0x09:
      return "correlationData";
    case SUBSCRIPTION_IDENTIFIER:
      return "subscriptionIdentifier";
    case 0x11:
      return "sessionExpiryInterval";
    case 0x12:
      return "assignedClientIdentifier";
    case 0x13:
      return "serverKeepAlive";
    case 0x15:
      return "authenticationMethod";
    case 0x16:
      return "authenticationData";
    case 0x17:
      return "requestProblemInformation";
    case 0x18:
      return "willDelayInterval";
    case 0x19:
      return "requestResponseInformation";
    case 0x1a:
      return "responseInformation";
    case 0x1c:
      return "serverReference";
    case REASON_STRING:
      return "reasonString";
    case 0x21:
      return "receiveMaximum";
    case 0x22:
      return "topicAliasMaximum";
    case TOPIC_ALIAS:
      return "topicAlias";
    case 0x24:
      return "maximumQoS";
    case 0x25:
      return "retainAvailable";
    case USER_PROPERTY:
      return "userProperties";
    case 0x27:
      return "maximumPacketSize";
    case 0x28:
      return "wildcardSubscriptionAvailable";
    case 0x29:
      return "subscriptionIdentifiersAvailable";
    case 0x2a:
      return "sharedSubscriptionAvailable";
    default:
      return "";
  }
}

/** Identifier of the property with this name; 0 when there is none. */
export function identifierOf(name: string): number {
  switch (name) {
    case "payloadFormatIndicator":
      return 0x01;
    case "messageExpiryInterval":
      return 0x02;
    case "contentType":
      return 0x03;
    case "responseTopic":
      return RESPONSE_TOPIC;
    case "correlationData":
      return 0x09;
    case "subscriptionIdentifier":
    case "subscriptionIdentifiers":
      return SUBSCRIPTION_IDENTIFIER;
    case "sessionExpiryInterval":
      return 0x11;
    case "assignedClientIdentifier":
      return 0x12;
    case "serverKeepAlive":
      return 0x13;
    case "authenticationMethod":
      return 0x15;
    case "authenticationData":
      return 0x16;
    case "requestProblemInformation":
      return 0x17;
    case "willDelayInterval":
      return 0x18;
    case "requestResponseInformation":
      return 0x19;
    case "responseInformation":
      return 0x1a;
    case "serverReference":
      return 0x1c;
    case "reasonString":
      return REASON_STRING;
    case "receiveMaximum":
      return 0x21;
    case "topicAliasMaximum":
      return 0x22;
    case "topicAlias":
      return TOPIC_ALIAS;
    case "maximumQoS":
      return 0x24;
    case "retainAvailable":
      return 0x25;
    case "userProperties":
      return USER_PROPERTY;
    case "maximumPacketSize":
      return 0x27;
    case "wildcardSubscriptionAvailable":
      return 0x28;
    case "subscriptionIdentifiersAvailable":
      return 0x29;
    case "sharedSubscriptionAvailable":
      return 0x2a;
    default:
      return 0;
  }
}
