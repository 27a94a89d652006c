/** Checks the options of `MQTTClient.write`: which ones an operation takes, and whether the server offers what they ask for. */
import { SealwireError } from "../errors.js";
import type { BufferLike } from "../platform.js";
import {
  AUTH,
  DISCONNECT,
  PINGREQ,
  PUBACK,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  SUBSCRIBE,
  UNSUBSCRIBE,
  nameOfPacket,
} from "./codec/constants.js";
import { invalidArgument } from "./codec/errors.js";
import { hasWildcard, isShared } from "./codec/topic.js";
import type { ProtocolVersion, ServerLimits, WriteOptions } from "./types.js";

const OPERATION = 1;
const TOPIC = 2;
const QOS = 4;
const RETAIN = 8;
const DUPLICATE = 16;
const ID = 32;
const BYTE_LENGTH = 64;
const ITEMS = 128;
const PROPERTIES = 256;
const REASON_CODE = 512;

function bitOf(name: string): number {
  switch (name) {
    case "operation":
      return OPERATION;
    case "topic":
      return TOPIC;
    case "QoS":
      return QOS;
    case "retain":
      return RETAIN;
    case "duplicate":
      return DUPLICATE;
    case "id":
      return ID;
    case "byteLength":
      return BYTE_LENGTH;
    case "items":
      return ITEMS;
    case "properties":
      return PROPERTIES;
    case "reasonCode":
      return REASON_CODE;
    default:
      return 0;
  }
}

/** The options that an operation takes; 0 when it is not one that a client may write. */
function allowedFor(operation: number): number {
  switch (operation) {
    case PUBLISH:
      return OPERATION | TOPIC | QOS | RETAIN | DUPLICATE | ID | BYTE_LENGTH | PROPERTIES;
    case PUBACK:
    case PUBREC:
    case PUBREL:
    case PUBCOMP:
      return OPERATION | ID | PROPERTIES | REASON_CODE;
    case SUBSCRIBE:
    case UNSUBSCRIBE:
      return OPERATION | ID | ITEMS | PROPERTIES;
    case PINGREQ:
      return OPERATION;
    case DISCONNECT:
    case AUTH:
      return OPERATION | PROPERTIES | REASON_CODE;
    default:
      return 0;
  }
}

/** @throws SealwireError `INVALID_ARGUMENT` naming the option */
export function checkWriteOptions(options: WriteOptions, operation: number, version: ProtocolVersion): void {
  const allowed = allowedFor(operation);
  if (allowed === 0 || (operation === AUTH && version === 4))
    throw invalidArgument(`A client does not write the operation ${nameOfPacket(operation)}.`);
  for (const name in options) {
    const bit = bitOf(name);
    if ((bit & allowed) !== 0) continue;
    if (bit === 0) throw invalidArgument(`There is no option ${name}.`);
    if (options[name as keyof WriteOptions] !== undefined)
      throw invalidArgument(`The option ${name} is not for ${nameOfPacket(operation)}.`);
  }
  if (version === 4) {
    if (options.properties !== undefined) throw invalidArgument("The option properties needs MQTT 5.0.");
    if (options.reasonCode !== undefined) throw invalidArgument("The option reasonCode needs MQTT 5.0.");
  }
}

/** @throws SealwireError `INVALID_ARGUMENT` unless it is an integer from 1 to 65535 [MQTT-2.3.1-1] (3.1.1), [MQTT-2.2.1-3] (5.0) */
export function checkId(id: unknown): number {
  if (typeof id !== "number" || !Number.isInteger(id) || id < 1 || id > 0xffff)
    throw invalidArgument("The option id must be an integer from 1 to 65535.");
  return id;
}

/** What the server said that it does not offer would end the connection. */
export function notOffered(what: string): SealwireError {
  return new SealwireError("UNSUPPORTED", `The server does not offer ${what}.`);
}

/** Subscriptions that the server said it refuses (MQTT 5.0 sections 3.2.2.3.11 to 3.2.2.3.13) */
export function checkSubscriptionsOffered(
  limits: ServerLimits,
  entries: readonly { readonly filter: string }[],
  withIdentifier: boolean,
): void {
  if (withIdentifier && !limits.subscriptionIdentifiersAvailable) throw notOffered("subscription identifiers");
  if (limits.wildcardSubscriptionAvailable && limits.sharedSubscriptionAvailable) return;
  for (const { filter } of entries) {
    if (!limits.sharedSubscriptionAvailable && isShared(filter)) throw notOffered("shared subscriptions");
    if (!limits.wildcardSubscriptionAvailable && hasWildcard(filter)) throw notOffered("wildcards in subscriptions");
  }
}

/** The bytes of data that a caller gave. @throws SealwireError `INVALID_ARGUMENT` when it is not bytes */
export function viewOf(data: BufferLike): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  // Plain JavaScript may also hand over other views, as to other ECMA-419 classes.
  const view: unknown = data;
  if (ArrayBuffer.isView(view)) return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  throw invalidArgument("The data must be an ArrayBuffer or a Uint8Array.");
}

/** The packet does not fit into what can be written now. */
export function overflow(length: number, writable: number): SealwireError {
  return new SealwireError(
    "INVALID_STATE",
    `Overflow: ${length} bytes are needed and ${writable} can be written now; wait for onWritable.`,
  );
}

/** [MQTT-3.2.2-15]: the server would end the connection. */
export function checkPacketSize(size: number, limits: ServerLimits): void {
  if (size > limits.maximumPacketSize)
    throw new SealwireError(
      "MQTT_PACKET_TOO_LARGE",
      `The packet has ${size} bytes; the server accepts ${limits.maximumPacketSize}.`,
    );
}
