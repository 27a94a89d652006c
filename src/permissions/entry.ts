/** The entries of a permissions file: their shape, their limits, and errors that point at the entry. */
import { fromUTF8, lengthOfUTF8 } from "../bytes.js";
import { SealwireError } from "../errors.js";
import { faultOfFilter } from "./topic-filter.js";

export type PermissionQoS = 0 | 1 | 2;
export type PermissionOperation = "publish" | "subscribe" | "both";

/** One entry: what is not allowed by any is refused. */
export interface PermissionEntry {
  /**
   * A topic, or a topic filter with the wildcards + and #. A level `%c` stands for the client identifier, a level `%u` for the user
   * name. Shared subscriptions are covered by the filter alone: `$share/...` does not belong here.
   */
  readonly topic: string;
  readonly operation: PermissionOperation;
  /** The QoS levels that may be used; for a subscription those that may be asked for. All three when left out. */
  readonly qos?: readonly PermissionQoS[] | undefined;
}

/** What bounds the memory of permissions. */
export const permissionLimits = {
  /** Entries of one file. */
  entries: 128,
  /** Bytes of one topic filter. */
  topicLength: 512,
  /** Bytes of one file, or of what the vault stores. */
  byteLength: 16_384,
} as const;

/** QoS levels as bits: 1, 2, 4 for publishing; 16, 32, 64 for subscribing. */
export const publishBits = 0x07;
export const subscribeBits = 0x70;

const keys = ["topic", "operation", "qos"];

/** Objects in an array, and an array in each; all of it in an object that has a version. */
const deepest = 4;

/** What a permissions file holds, not checked any further. */
export interface PermissionsContent {
  readonly entries: unknown;
  readonly version: number | undefined;
}

/**
 * Reads the JSON of a permissions file: an array of entries, or `{"version": 1, "permissions": [...]}`.
 * @param json its text, or its bytes
 * @throws SealwireError `PERMISSIONS_INVALID`
 */
export function parseEntries(json: string | Uint8Array): PermissionsContent {
  const content = parseJSON(json);
  if (typeof content !== "object" || content === null || Array.isArray(content))
    return { entries: content, version: undefined };
  const { version, permissions, ...unknown } = content as Record<string, unknown>;
  const [key] = Object.keys(unknown);
  if (key !== undefined) throw invalid(`The permissions have the unknown key ${quote(key)}.`);
  return { entries: permissions, version: checkVersion(version) };
}

/** @throws SealwireError `PERMISSIONS_INVALID` */
export function checkVersion(version: unknown): number {
  if (Number.isSafeInteger(version) && (version as number) >= 1) return version as number;
  throw invalid("The version of permissions must be a whole number from 1 to 9007199254740991.");
}

function parseJSON(json: string | Uint8Array): unknown {
  const byteLength = typeof json === "string" ? lengthOfUTF8(json) : json.byteLength;
  if (byteLength > permissionLimits.byteLength)
    throw invalid(`The permissions are ${byteLength} bytes long; at most ${permissionLimits.byteLength} are allowed.`);
  const text = typeof json === "string" ? json : fromUTF8(json);
  if (text === undefined) throw invalid("The permissions are not well-formed UTF-8.");
  if (depthOf(text) > deepest)
    throw invalid("The permissions are nested too deeply: they must be an array of entries.");
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new SealwireError("PERMISSIONS_INVALID", "The permissions are not JSON.", { cause: error });
  }
}

/** JSON is parsed recursively: nobody shall choose how deep. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (quoted) {
      if (character === "\\") i++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === "[" || character === "{") {
      depth++;
      if (depth > deepest) deepest = depth;
    } else if (character === "]" || character === "}") depth--;
  }
  return deepest;
}

/**
 * Checks one entry.
 * @param number counts from 1
 * @returns its operations and QoS levels as bits
 * @throws SealwireError `PERMISSIONS_INVALID`
 */
export function checkEntry(entry: unknown, number: number): number {
  const fail = (what: string): never => {
    throw invalid(`Permission ${number} ${what}.`);
  };
  if (typeof entry !== "object" || entry === null || Array.isArray(entry))
    return fail("must be an object with topic, operation and, if need be, qos");
  const { topic, operation, qos } = entry as Record<string, unknown>;
  for (const key of Object.keys(entry)) if (!keys.includes(key)) fail(`has the unknown key ${quote(key)}`);
  if (typeof topic !== "string") return fail("must have a topic, a string");
  checkTopic(topic, fail);
  if (operation !== "publish" && operation !== "subscribe" && operation !== "both")
    return fail('must have the operation "publish", "subscribe" or "both"');
  return bitsOf(qos, operation, fail);
}

function checkTopic(topic: string, fail: (what: string) => never): void {
  const shown = `topic ${quote(topic)}`;
  const fault = faultOfFilter(topic);
  if (fault !== undefined) fail(`has the ${shown}, which ${fault}`);
  if (lengthOfUTF8(topic) > permissionLimits.topicLength)
    fail(`has a topic of more than ${permissionLimits.topicLength} bytes`);
  if (topic.startsWith("$share/")) fail(`has the ${shown}: write the filter alone, without $share/ and the share name`);
  for (let at = topic.indexOf("%"); at >= 0; at = topic.indexOf("%", at + 1)) {
    if (topic[at + 1] !== "c" && topic[at + 1] !== "u") continue;
    const whole = (at === 0 || topic[at - 1] === "/") && (at + 2 === topic.length || topic[at + 2] === "/");
    // As for the patterns of brokers (mosquitto.conf(5), acl_file).
    if (!whole) fail(`has the ${shown}: ${topic.slice(at, at + 2)} must be a whole level`);
  }
}

function bitsOf(qos: unknown, operation: PermissionOperation, fail: (what: string) => never): number {
  let levels = qos === undefined ? 7 : 0;
  if (qos !== undefined) {
    if (!Array.isArray(qos) || qos.length === 0) return fail("must have as qos an array with some of 0, 1 and 2");
    for (const level of qos as unknown[]) {
      if (level !== 0 && level !== 1 && level !== 2) return fail("must have as qos an array with some of 0, 1 and 2");
      if (levels & (1 << level)) return fail(`names qos ${level} twice`);
      levels |= 1 << level;
    }
  }
  return (operation === "subscribe" ? 0 : levels) | (operation === "publish" ? 0 : levels << 4);
}

/** For a sentence; a hostile file shall not fill the log. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}

export function invalid(sentence: string): SealwireError {
  return new SealwireError("PERMISSIONS_INVALID", sentence);
}
