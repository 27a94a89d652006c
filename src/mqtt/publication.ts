/** Makes a message of what is given to `publish()`. */
import { lengthOfUTF8, toUTF8 } from "../bytes.js";
import { SealwireError } from "../errors.js";
import { checkString, checkTopicName } from "./codec/topic.js";
import { OutgoingMessage } from "./outgoing-message.js";
import { copyPublishProperties, lengthOfPublishProperties } from "./publish-properties.js";
import { checkFlag, checkNames, checkObject, checkQoS, invalid } from "./session-options.js";
import type { PayloadSource, PublishOptions } from "./session-types.js";
import type { Properties } from "./types.js";

const OPTION_NAMES = " qos retain expiry properties ";

/** Checks what is given to `publish()` and makes a message of it; bytes are not copied yet. */
export function createPublication(
  topic: string,
  payload: Uint8Array | string | PayloadSource,
  options: PublishOptions,
  ticks: () => number,
): OutgoingMessage {
  checkNames(options, OPTION_NAMES, "publish() has no option");
  const topicLength = checkTopicName(topic);
  const qos = checkQoS(options.qos);
  checkFlag("retain", options.retain);
  checkObject("properties", options.properties);
  const isBytes = payload instanceof Uint8Array;
  const bytes = isBytes ? payload : typeof payload === "string" ? toUTF8(payload) : undefined;
  const message = new OutgoingMessage(topic, qos, options.retain ?? false, bytes, bytes?.byteLength ?? 0);
  if (!bytes) setSource(message, payload as PayloadSource);
  const { expiry } = options;
  if (expiry !== undefined) {
    if (typeof expiry !== "number" || !(expiry > 0) || expiry > 0xffffffff * 1000)
      throw invalid("expiry", "must be 1 to 4,294,967,295,000");
    message.expiresAt = ticks() + expiry;
  }
  let propertiesLength = 0;
  if (options.properties) {
    const copy = copyPublishProperties(options.properties);
    if (copy.properties) message.properties = copy.properties;
    propertiesLength = copy.byteLength;
  }
  message.cost = topicLength + propertiesLength + (bytes?.byteLength ?? 0);
  return message;
}

function setSource(message: OutgoingMessage, source: PayloadSource): void {
  const { byteLength, reference, read } = (source as PayloadSource | null) ?? ({} as Partial<PayloadSource>);
  if (
    typeof read !== "function" ||
    byteLength === undefined ||
    !Number.isInteger(byteLength) ||
    byteLength < 0 ||
    byteLength > 0x0fffffff
  )
    throw new SealwireError(
      "INVALID_ARGUMENT",
      "A payload must be a Uint8Array, a string, or a source with byteLength and read().",
    );
  if (reference !== undefined && checkString(reference, "The reference of a payload source") > 255)
    throw invalid("reference", "must be at most 255 bytes");
  message.source = source;
  message.byteLength = byteLength;
  message.reference = reference ?? "";
}

/** Finds the source of a message after a restart. */
export function reopenSource(
  message: OutgoingMessage,
  open: ((reference: string) => PayloadSource | undefined) | undefined,
): PayloadSource {
  const { reference } = message;
  let source: PayloadSource | undefined;
  let cause: unknown;
  try {
    source = reference ? open?.(reference) : undefined;
  } catch (error) {
    cause = error;
  }
  if (source?.byteLength === message.byteLength) return source;
  throw new SealwireError(
    "PAYLOAD_NOT_REPLAYABLE",
    `The payload for ${message.topic} was being streamed when the device restarted, and its source was not found again.`,
    { cause },
  );
}

/** Bytes of a message that count against the queue. */
export function costOf(message: OutgoingMessage): number {
  const payload = message.reference === undefined ? message.byteLength : 0;
  return lengthOfUTF8(message.topic) + payload + lengthOfPublishProperties(message.properties);
}

/** The properties of a PUBLISH (MQTT 5.0): those of the application, what is left of its lifetime, and a topic alias unless it is 0. */
export function propertiesToSend(
  message: OutgoingMessage,
  topicAlias: number,
  ticks: () => number,
): Properties | undefined {
  const { expiresAt } = message;
  let { properties } = message;
  if (expiresAt !== undefined)
    properties = { ...properties, messageExpiryInterval: Math.max(1, Math.ceil((expiresAt - ticks()) / 1000)) };
  return topicAlias > 0 ? { ...properties, topicAlias } : properties;
}
