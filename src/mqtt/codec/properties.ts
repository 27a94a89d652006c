/** Writes and reads the property section of a packet (MQTT 5.0 section 2.2.2). */
import type { BufferLike } from "../../platform.js";
import type { Properties, ReceivedProperties, UserProperty } from "../types.js";
import {
  CONNACK,
  DISCONNECT,
  PUBLISH,
  REASON_TOPIC_ALIAS_INVALID,
  MAXIMUM_VARIABLE_INTEGER,
  nameOfPacket,
} from "./constants.js";
import { invalidArgument, malformed, protocolError, tooLarge } from "./errors.js";
import {
  BINARY,
  BIT,
  FLAG,
  FOUR_BYTES,
  NOT_ZERO,
  REASON_STRING,
  RESPONSE_TOPIC,
  SUBSCRIPTION_IDENTIFIER,
  TEXT,
  TOPIC_ALIAS,
  TWO_BYTES,
  TYPE,
  USER_PROPERTY,
  VARIABLE,
  identifierOf,
  mayCarry,
  nameOf,
  specificationOf,
} from "./property-table.js";
import type { Reader } from "./reader.js";
import { checkTopicName, hasWildcard } from "./topic.js";
import { Writer, lengthOfVariableInteger } from "./writer.js";

/** Bounds on the properties of one packet, and what was asked of the peer. */
export interface PropertyRules {
  /** Bytes. */
  readonly propertiesLength: number;
  /** How many user properties. */
  readonly userProperties: number;
  /** False when `requestProblemInformation` is: only PUBLISH, CONNACK and DISCONNECT may then carry reasons and user properties. */
  readonly problemInformation: boolean;
}

/**
 * Writes the property section: its length and the properties.
 * @param packet the packet type, or WILL
 * @throws SealwireError `INVALID_ARGUMENT` naming the property
 */
export function writeProperties(writer: Writer, properties: Properties | undefined, packet: number): void {
  if (properties === undefined) writer.byte(0);
  else writer.bytes(encodeProperties(properties, packet));
}

/** The property section as bytes: its length and the properties. The rest is as for {@link writeProperties}. */
export function encodeProperties(properties: Properties, packet: number): Uint8Array {
  const measure = new Writer();
  writeEach(measure, properties, packet);
  const byteLength = measure.offset;
  if (byteLength > MAXIMUM_VARIABLE_INTEGER) throw invalidArgument("The properties are larger than MQTT allows.");
  const writer = new Writer(new Uint8Array(lengthOfVariableInteger(byteLength) + byteLength));
  writer.variable(byteLength);
  writeEach(writer, properties, packet);
  return writer.target!;
}

function writeEach(writer: Writer, properties: Properties, packet: number): void {
  for (const name of Object.keys(properties)) {
    const value: unknown = properties[name as keyof Properties];
    if (value === undefined) continue;
    const identifier = identifierOf(name);
    const specification = specificationOf(identifier);
    if (specification === 0) throw invalidArgument(`There is no property ${name}.`);
    if (!mayCarry(packet, specification))
      throw invalidArgument(
        `The property ${name} is not allowed in ${packet === 0 ? "a will" : nameOfPacket(packet)}.`,
      );
    if (identifier === USER_PROPERTY) writeUserProperties(writer, value);
    else if (name === "subscriptionIdentifiers") writeSubscriptionIdentifiers(writer, value, packet);
    else {
      writer.byte(identifier);
      if (isNumeric(specification)) writeNumber(writer, value, specification, name);
      else writeValue(writer, value, specification, name);
      if (identifier === RESPONSE_TOPIC) checkTopicName(value, "The property responseTopic"); // [MQTT-3.3.2-14]
    }
  }
}

function writeUserProperties(writer: Writer, value: unknown): void {
  if (!Array.isArray(value)) throw invalidArgument("The property userProperties must be an array of pairs.");
  for (const pair of value as readonly unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2)
      throw invalidArgument("Each of userProperties must be an array of a name and a value.");
    writer.byte(USER_PROPERTY);
    writer.string(pair[0] as string, "The name of a user property");
    writer.string(pair[1] as string, "The value of a user property");
  }
}

function writeSubscriptionIdentifiers(writer: Writer, value: unknown, packet: number): void {
  if (packet !== PUBLISH || !Array.isArray(value))
    throw invalidArgument("The property subscriptionIdentifiers is for PUBLISH and must be an array.");
  for (const each of value as readonly unknown[]) {
    writer.byte(identifierOf("subscriptionIdentifiers"));
    writeNumber(writer, each, VARIABLE | NOT_ZERO, "subscriptionIdentifiers");
  }
}

function writeValue(writer: Writer, value: unknown, specification: number, name: string): void {
  switch (specification & TYPE) {
    case FLAG:
      if (typeof value !== "boolean") throw invalidArgument(`The property ${name} must be true or false.`);
      writer.byte(value ? 1 : 0);
      break;
    case TEXT:
      writer.string(value as string, `The property ${name}`);
      break;
    default:
      if (!(value instanceof ArrayBuffer || value instanceof Uint8Array))
        throw invalidArgument(`The property ${name} must be an ArrayBuffer or Uint8Array.`);
      writer.binary(value, `The property ${name}`);
  }
}

function isNumeric(specification: number): boolean {
  const type = specification & TYPE;
  return type !== FLAG && type !== TEXT && type !== BINARY;
}

function writeNumber(writer: Writer, value: unknown, specification: number, name: string): void {
  const type = specification & TYPE;
  const minimum = (specification & NOT_ZERO) === 0 ? 0 : 1;
  const maximum =
    type === BIT ? 1 : type === TWO_BYTES ? 0xffff : type === FOUR_BYTES ? 0xffff_ffff : MAXIMUM_VARIABLE_INTEGER;
  if (typeof value !== "number" || !Number.isInteger(value) || value < minimum || value > maximum)
    throw invalidArgument(`The property ${name} must be an integer from ${minimum} to ${maximum}.`);
  if (type === BIT) writer.byte(value);
  else if (type === TWO_BYTES) writer.twoBytes(value);
  else if (type === FOUR_BYTES) writer.fourBytes(value);
  else writer.variable(value);
}

/**
 * Reads the property section: its length and the properties, all of which must lie within the reader's packet.
 * @param packet the packet type, or WILL
 * @returns `undefined` when there are none
 */
export function readProperties(reader: Reader, packet: number, rules: PropertyRules): ReceivedProperties | undefined {
  const byteLength = reader.variable();
  if (byteLength === 0) return undefined;
  if (byteLength > reader.left) throw malformed("the properties are longer than the packet");
  checkPropertiesLength(byteLength, rules);
  const packetEnd = reader.end;
  reader.end = reader.offset + byteLength;
  const properties: Record<string, BufferLike | boolean | number | string | (number | UserProperty)[]> = {};
  let userProperties = 0;
  while (reader.left > 0) {
    const identifier = reader.variable();
    const specification = specificationOf(identifier);
    if (specification === 0) throw malformed(`there is no property ${identifier}`);
    let name = nameOf(identifier);
    // [MQTT-2.2.2-2] and the "It is a Protocol Error" of each packet
    if (!mayCarry(packet, specification)) throw protocolError(`${name} is not allowed in ${nameOfPacket(packet)}`);
    if (identifier === USER_PROPERTY || identifier === REASON_STRING) checkProblemInformation(packet, rules);
    if (identifier === USER_PROPERTY) {
      if (++userProperties > rules.userProperties) throw tooLarge(`more than ${rules.userProperties} user properties`);
      ((properties[name] ??= []) as UserProperty[]).push([reader.string(), reader.string()]);
      continue;
    }
    if (identifier === SUBSCRIPTION_IDENTIFIER && packet === PUBLISH) {
      name = "subscriptionIdentifiers";
      ((properties[name] ??= []) as number[]).push(readNumber(reader, specification, identifier));
      continue;
    }
    if (Object.hasOwn(properties, name)) throw protocolError(`the property ${name} is there twice`);
    properties[name] = readValue(reader, specification, identifier);
  }
  reader.end = packetEnd;
  return properties;
}

/** @throws when the section is larger than this side accepts; known before its bytes arrive */
export function checkPropertiesLength(byteLength: number, rules: PropertyRules): void {
  if (byteLength > rules.propertiesLength)
    throw tooLarge(`properties of ${byteLength} bytes, more than ${rules.propertiesLength}`);
}

/** [MQTT-3.1.2-29] */
function checkProblemInformation(packet: number, rules: PropertyRules): void {
  if (!rules.problemInformation && packet !== PUBLISH && packet !== CONNACK && packet !== DISCONNECT)
    throw protocolError("problem information was sent though it was declined");
}

function readValue(reader: Reader, specification: number, identifier: number): boolean | number | string | Uint8Array {
  switch (specification & TYPE) {
    case FLAG: {
      const value = reader.byte();
      if (value > 1) throw protocolError(`the property ${nameOf(identifier)} must be 0 or 1`);
      return value === 1;
    }
    case TEXT: {
      const text = reader.string();
      // [MQTT-3.3.2-14]
      if (identifier === RESPONSE_TOPIC && (text === "" || hasWildcard(text)))
        throw protocolError("a response topic is empty or holds wildcards");
      return text;
    }
    case BINARY:
      return reader.binary();
    default:
      return readNumber(reader, specification, identifier);
  }
}

function readNumber(reader: Reader, specification: number, identifier: number): number {
  const type = specification & TYPE;
  const value =
    type === BIT
      ? reader.byte()
      : type === TWO_BYTES
        ? reader.twoBytes()
        : type === FOUR_BYTES
          ? reader.fourBytes()
          : reader.variable();
  if (type === BIT && value > 1) throw protocolError(`the property ${nameOf(identifier)} must be 0 or 1`);
  if (value === 0 && (specification & NOT_ZERO) !== 0) {
    if (identifier === TOPIC_ALIAS) throw protocolError("a topic alias is 0", REASON_TOPIC_ALIAS_INVALID); // [MQTT-3.3.2-8]
    throw protocolError(`the property ${nameOf(identifier)} is 0`);
  }
  return value;
}
