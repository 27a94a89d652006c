/** What topic names and topic filters may look like (MQTT 5.0 section 4.7; the same in 3.1.1, but for shared subscriptions). */
import { invalidArgument } from "./errors.js";

const HASH = 0x23;
const PLUS = 0x2b;

/**
 * Checks text that is to be sent as an MQTT string.
 * @param what how error messages call it
 * @returns its length in UTF-8
 * @throws SealwireError `INVALID_ARGUMENT`
 */
export function checkString(text: unknown, what: string): number {
  if (typeof text !== "string") throw invalidArgument(`${what} must be a string.`);
  let byteLength = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      // [MQTT-1.5.3-2], [MQTT-1.5.4-2]
      if (unit === 0) throw invalidArgument(`${what} must not hold U+0000.`);
      continue;
    }
    // On the engine of the Moddable SDK a unit is a whole character.
    byteLength += unit < 0x800 ? 1 : unit > 0xffff ? 3 : 2;
    // [MQTT-1.5.3-1], [MQTT-1.5.4-1]: no surrogate without its partner
    if (unit >= 0xd800 && unit < 0xe000) {
      const next = text.charCodeAt(i + 1);
      if (unit >= 0xdc00 || !(next >= 0xdc00 && next < 0xe000))
        throw invalidArgument(`${what} is not well-formed Unicode.`);
      // Two units, but four bytes.
      i++;
    }
  }
  if (byteLength > 0xffff) throw invalidArgument(`${what} is longer than 65,535 bytes.`);
  return byteLength;
}

/**
 * Checks a topic name, as in PUBLISH, a will, or a response topic.
 * @returns its length in UTF-8
 * @throws SealwireError `INVALID_ARGUMENT`
 */
export function checkTopicName(topic: unknown, what = "The topic"): number {
  const byteLength = checkString(topic, what);
  // [MQTT-4.7.3-1]
  if (byteLength === 0) throw invalidArgument(`${what} must not be empty.`);
  // [MQTT-3.3.2-2], [MQTT-4.7.1-1]
  if (hasWildcard(topic as string)) throw invalidArgument(`${what} must not hold the wildcards + and #.`);
  return byteLength;
}

/** Whether there is a wildcard character. */
export function hasWildcard(topic: string): boolean {
  return topic.includes("#") || topic.includes("+");
}

/** Whether a topic filter asks for a shared subscription (MQTT 5.0 section 4.8.2). */
export function isShared(filter: string): boolean {
  return filter.startsWith("$share/");
}

/**
 * What is wrong with a topic filter.
 * @param shared whether `$share/` is special, as in MQTT 5.0
 * @returns the fault as the end of a sentence, or `undefined` when it is well-formed
 */
export function faultOfTopicFilter(filter: string, shared = false): string | undefined {
  // [MQTT-4.7.3-1]
  if (filter.length === 0) return "must not be empty";
  let start = 0;
  if (shared && filter.startsWith("$share/")) {
    const slash = filter.indexOf("/", 7);
    const name = slash < 0 ? filter.slice(7) : filter.slice(7, slash);
    // [MQTT-4.8.2-1], [MQTT-4.8.2-2]
    if (name.length === 0 || hasWildcard(name)) return "must have a share name without wildcards after $share/";
    start = slash + 1;
    if (slash < 0 || start === filter.length) return "must have a topic filter after the share name";
  }
  for (let i = start; i < filter.length; i++) {
    const unit = filter.charCodeAt(i);
    if (unit !== PLUS && unit !== HASH) continue;
    const alone = i === start || filter.charCodeAt(i - 1) === 0x2f;
    // [MQTT-4.7.1-1] (5.0), [MQTT-4.7.1-2] (3.1.1)
    if (unit === HASH && (!alone || i !== filter.length - 1)) return "must have # only as its last level";
    // [MQTT-4.7.1-2] (5.0), [MQTT-4.7.1-3] (3.1.1)
    if (unit === PLUS && (!alone || (i !== filter.length - 1 && filter.charCodeAt(i + 1) !== 0x2f)))
      return "must have + only as a whole level";
  }
  return undefined;
}

/**
 * Checks a topic filter, as in SUBSCRIBE and UNSUBSCRIBE.
 * @returns its length in UTF-8
 * @throws SealwireError `INVALID_ARGUMENT`
 */
export function checkTopicFilter(filter: unknown, shared: boolean, what = "The topic filter"): number {
  const byteLength = checkString(filter, what);
  const fault = faultOfTopicFilter(filter as string, shared);
  if (fault !== undefined) throw invalidArgument(`${what} ${fault}.`);
  return byteLength;
}

/**
 * Whether a topic name matches a topic filter (MQTT 5.0 section 4.7); both well-formed. Of a shared subscription the part after the share
 * name is the filter.
 */
export function matchesTopic(filter: string, topic: string): boolean {
  // [MQTT-4.7.2-1]: a leading wildcard does not match topics that begin with $
  if (topic.startsWith("$") && !filter.startsWith("$")) {
    if (filter.startsWith("+") || filter.startsWith("#")) return false;
  }
  let f = 0;
  let t = 0;
  for (;;) {
    const filterEnd = endOfLevel(filter, f);
    if (filter.charCodeAt(f) === HASH && filterEnd === f + 1) return true;
    const topicEnd = endOfLevel(topic, t);
    const any = filter.charCodeAt(f) === PLUS && filterEnd === f + 1;
    if (!any && filter.slice(f, filterEnd) !== topic.slice(t, topicEnd)) return false;
    const filterDone = filterEnd === filter.length;
    const topicDone = topicEnd === topic.length;
    // "sport/#" also matches "sport" (section 4.7.1.2)
    if (topicDone) return filterDone || filter.slice(filterEnd) === "/#";
    if (filterDone) return false;
    f = filterEnd + 1;
    t = topicEnd + 1;
  }
}

function endOfLevel(text: string, start: number): number {
  const slash = text.indexOf("/", start);
  return slash < 0 ? text.length : slash;
}
