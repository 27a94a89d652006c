/** Checks the options of a session and fills in what was left out. */
import { SealwireError } from "../errors.js";
import { checkString, checkTopicName } from "./codec/topic.js";
import type { KeyValueStorage, PlatformTimer } from "../platform.js";
import type { Authentication, SessionOptions } from "./session-types.js";
import type { QoS } from "./types.js";

/** The options as they were checked. What was left out is not filled in here: each would cost a session memory. */
export type SessionSettings = SessionOptions;

/** What holds when the option of this name is left out. */
export const DEFAULT = Object.freeze({
  sessionExpiryInterval: 604_800,
  keepAlive: 60_000,
  queueMessages: 64,
  queueBytes: 16_384,
  window: 20,
  receiveMaximum: 64,
  maximumMessageSize: 16_384,
  maximumSubscriptions: 64,
});

const NAMES =
  " clientIdentifier timer ticks time version cleanStart sessionExpiryInterval keepAlive pingTimeout user password will properties " +
  "authentication durability storage savedState openSource queue window receiveMaximum maximumPacketSize maximumMessageSize " +
  "maximumSubscriptions topicAliases limits inputBuffer outputBuffer acknowledge onMessage onMessageStart onConnected onDisconnected " +
  "onVersion onDrain onError ";

const FUNCTIONS = [
  "time",
  "openSource",
  "onMessage",
  "onMessageStart",
  "onConnected",
  "onDisconnected",
  "onVersion",
  "onDrain",
  "onError",
] as const;

const OBJECTS = ["will", "properties", "authentication", "storage", "queue", "topicAliases"] as const;

/** Properties of CONNECT that have an option of their own: given twice, one of them would be ignored without a word. */
const OWN_PROPERTIES = {
  sessionExpiryInterval: "sessionExpiryInterval",
  receiveMaximum: "receiveMaximum",
  maximumPacketSize: "maximumPacketSize",
  topicAliasMaximum: "topicAliases.incoming",
  authenticationMethod: "authentication",
  authenticationData: "authentication",
} as const;

/** @throws SealwireError `INVALID_ARGUMENT` naming the option */
export function checkSessionOptions(options: SessionOptions): SessionSettings {
  checkNames(options, NAMES, "MQTTSession has no option");
  checkString(options.clientIdentifier, "The option clientIdentifier");
  if (typeof options.ticks !== "function") throw invalid("ticks", "must be a function");
  if (typeof (options.timer as PlatformTimer | undefined)?.set !== "function")
    throw invalid("timer", "must be a PlatformTimer");
  for (const name of FUNCTIONS)
    if (options[name] !== undefined && typeof options[name] !== "function") throw invalid(name, "must be a function");
  checkFlag("cleanStart", options.cleanStart);
  for (const name of OBJECTS) checkObject(name, options[name]);
  checkParts(options);
  const version = oneOf("version", options.version ?? "auto", [4, 5, "auto"] as const);
  const durability = oneOf("durability", options.durability ?? "none", ["none", "sleep", "power"] as const);
  if (durability === "power" && !options.storage) throw invalid("storage", 'is needed for durability "power"');
  if (options.savedState && durability !== "sleep") throw invalid("savedState", 'goes with durability "sleep"');
  if (options.clientIdentifier === "" && durability !== "none")
    throw invalid("clientIdentifier", "must not be empty for a session that survives");
  if (options.authentication && version === 4) throw invalid("authentication", "needs version 5");
  if (options.will) checkTopicName(options.will.topic, "The topic of the will");
  const queue = options.queue ?? {};
  checkNames(queue, " messages bytes policy ", "The option queue has no member");
  const aliases = options.topicAliases ?? {};
  checkNames(aliases, " outgoing incoming ", "The option topicAliases has no member");
  oneOf("acknowledge", options.acknowledge ?? "auto", ["auto", "manual"] as const);
  const { sessionExpiryInterval, keepAlive, window, receiveMaximum, maximumMessageSize, maximumSubscriptions } =
    options;
  optional("sessionExpiryInterval", sessionExpiryInterval, 0, 0xffffffff);
  optional("keepAlive", keepAlive, 0, 65_535_000);
  optional("queue.messages", queue.messages, 1, 0xffff);
  optional("queue.bytes", queue.bytes, 1, 0x7fffffff);
  oneOf("queue.policy", queue.policy ?? "reject", ["reject", "dropOldest", "dropNewest"] as const);
  optional("window", window, 1, 0xffff);
  optional("receiveMaximum", receiveMaximum, 1, 0xffff);
  optional("maximumMessageSize", maximumMessageSize, 0, 0x0fffffff);
  optional("maximumSubscriptions", maximumSubscriptions, 1, 256);
  optional("topicAliases.outgoing", aliases.outgoing, 0, 0xffff);
  optional("topicAliases.incoming", aliases.incoming, 0, 0xffff);
  optional("maximumPacketSize", options.maximumPacketSize, 64, 0xffffffff);
  // Not kept: it may be large, and is read once.
  const settings: { -readonly [Name in keyof SessionOptions]: SessionOptions[Name] } = { ...options };
  delete settings.savedState;
  return settings;
}

/** Objects that the host or the application made: what is called on them must be there. */
function checkParts({ authentication, properties, savedState, storage }: SessionOptions): void {
  if (authentication !== undefined) {
    const { method, start, step } = authentication as Partial<Authentication>;
    if (typeof method !== "string" || typeof start !== "function" || typeof step !== "function")
      throw invalid("authentication", "must have method, start() and step()");
  }
  if (storage !== undefined) {
    const { read, write, delete: remove, [Symbol.iterator]: keys } = storage as Partial<KeyValueStorage>;
    for (const each of [read, write, remove, keys])
      if (typeof each !== "function") throw invalid("storage", "must be a KeyValueStorage");
  }
  if (savedState !== undefined && !(savedState instanceof Uint8Array))
    throw invalid("savedState", "must be a Uint8Array that save() returned");
  for (const [name, own] of Object.entries(OWN_PROPERTIES))
    if (properties?.[name as keyof typeof OWN_PROPERTIES] !== undefined)
      throw invalid(`properties.${name}`, `is set by the session: use ${own}`);
}

/** @throws SealwireError `INVALID_ARGUMENT` unless it is an object, or left out */
export function checkObject(name: string, value: unknown): void {
  if (value !== undefined && (typeof value !== "object" || value === null || Array.isArray(value)))
    throw invalid(name, "must be an object");
}

/** @throws SealwireError `INVALID_ARGUMENT` unless it is true, false, or left out: a text such as "false" would count as true */
export function checkFlag(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "boolean") throw invalid(name, "must be true or false");
}

/** Refuses members that nobody reads: a misspelt option must not be silently ignored. */
export function checkNames(options: object, names: string, sentence: string): void {
  if (typeof options !== "object" || (options as unknown) === null)
    throw new SealwireError("INVALID_ARGUMENT", "Options must be an object.");
  // Not Object.keys(): this runs for each publication, and shall cost no array.
  for (const name in options) {
    if (!names.includes(` ${name} `)) throw new SealwireError("INVALID_ARGUMENT", `${sentence} "${name}".`);
  }
}

export function invalid(name: string, sentence: string): SealwireError {
  return new SealwireError("INVALID_ARGUMENT", `The option ${name} ${sentence}.`);
}

/** @throws SealwireError `INVALID_ARGUMENT` unless it is an integer within the bounds */
export function integer(name: string, value: number, minimum: number, maximum: number): number {
  if (!Number.isInteger(value) || value < minimum || value > maximum)
    throw invalid(name, `must be an integer from ${minimum} to ${maximum}`);
  return value;
}

function optional(name: string, value: number | undefined, minimum: number, maximum: number): void {
  if (value !== undefined) integer(name, value, minimum, maximum);
}

/** @throws SealwireError `INVALID_ARGUMENT` unless it is 0, 1, 2, or left out */
export function checkQoS(qos: QoS | undefined): QoS {
  const value: unknown = qos ?? 0;
  if (value !== 0 && value !== 1 && value !== 2) throw invalid("qos", "must be one of 0, 1, 2");
  return value;
}

function oneOf<T extends string | number>(name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) throw invalid(name, `must be one of ${allowed.join(", ")}`);
  return value;
}
