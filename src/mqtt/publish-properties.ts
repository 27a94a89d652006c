/** Properties of a PUBLISH outside of a packet: as they lie in the queue and in a stored record. */
import { PUBLISH } from "./codec/constants.js";
import { encodeProperties, readProperties } from "./codec/properties.js";
import { Reader } from "./codec/reader.js";
import type { Writer } from "./codec/writer.js";
import { invalid } from "./session-options.js";
import type { Properties } from "./types.js";

/** What is read here was written here. */
const RULES = { propertiesLength: 0xffff, userProperties: 0xffff, problemInformation: true };

/**
 * Checks the properties of a publication and copies them: the caller may reuse its memory.
 * @returns the copy and its length on the wire
 * @throws SealwireError `INVALID_ARGUMENT` naming the property
 */
export function copyPublishProperties(properties: Properties): {
  properties: Properties | undefined;
  byteLength: number;
} {
  checkOwn(properties);
  const bytes = encodeProperties(properties, PUBLISH);
  if (bytes.byteLength > RULES.propertiesLength) throw invalid("properties", "must be at most 65,535 bytes");
  return { properties: readProperties(new Reader(bytes), PUBLISH, RULES), byteLength: bytes.byteLength };
}

/** Bytes of a property section. */
export function lengthOfPublishProperties(properties: Properties | undefined): number {
  return properties ? encodeProperties(properties, PUBLISH).byteLength : 0;
}

export function writePublishProperties(writer: Writer, properties: Properties): void {
  writer.bytes(encodeProperties(properties, PUBLISH));
}

/** @throws when they are not what a client may publish with */
export function readPublishProperties(reader: Reader): Properties | undefined {
  const properties = readProperties(reader, PUBLISH, RULES);
  if (properties) checkOwn(properties);
  return properties;
}

/** The session sets some itself, and the server sets others. */
function checkOwn(properties: Properties): void {
  if (properties.topicAlias !== undefined) throw invalid("properties.topicAlias", "is set by the session");
  if (properties.messageExpiryInterval !== undefined)
    throw invalid("properties.messageExpiryInterval", "is set by the session: use expiry");
  if (properties.subscriptionIdentifiers !== undefined || properties.subscriptionIdentifier !== undefined)
    throw invalid("properties.subscriptionIdentifier", "is for subscriptions"); // [MQTT-3.3.4-6]
}
