/** Topic filters (MQTT 5.0 section 4.7): whether one is well-formed, and whether one covers another. */

const HASH = 0x23;
const DOLLAR = 0x24;
const PLUS = 0x2b;
const SLASH = 0x2f;

/**
 * What is wrong with a topic filter, `$share/` having no special meaning.
 * @returns the fault as the end of a sentence, or `undefined` when it is well-formed
 */
export function faultOfFilter(filter: string): string | undefined {
  // [MQTT-4.7.3-1]
  if (filter.length === 0) return "must not be empty";
  for (let i = 0; i < filter.length; i++) {
    const unit = filter.charCodeAt(i);
    // [MQTT-1.5.4-2]; the other control characters are discouraged there, and are line ends in the files of brokers.
    if (unit < 0x20 || unit === 0x7f) return "must not hold control characters";
    if (unit >= 0xd800 && unit < 0xe000) {
      // [MQTT-1.5.4-1]
      const next = filter.charCodeAt(i + 1);
      if (unit >= 0xdc00 || !(next >= 0xdc00 && next < 0xe000)) return "must be well-formed Unicode";
      i++;
    }
    if (unit !== PLUS && unit !== HASH) continue;
    const alone = i === 0 || filter.charCodeAt(i - 1) === SLASH;
    const last = i === filter.length - 1;
    // [MQTT-4.7.1-1]
    if (unit === HASH && (!alone || !last)) return "must have # only as its last level";
    // [MQTT-4.7.1-2]
    if (unit === PLUS && (!alone || (!last && filter.charCodeAt(i + 1) !== SLASH)))
      return "must have + only as a whole level";
  }
  return undefined;
}

/**
 * Whether every topic that matches `filter` also matches `rule`; both well-formed. A topic name is a filter that matches itself. A leading
 * wildcard of the rule covers nothing that begins with `$` [MQTT-4.7.2-1]. Allocates nothing.
 * @param r where to begin in `rule`, at the start of a level
 * @param f where to begin in `filter`, at the start of a level that corresponds to the one in `rule`
 */
export function covers(rule: string, filter: string, r = 0, f = 0): boolean {
  if (r === 0) {
    const first = rule.charCodeAt(0);
    if ((first === HASH || first === PLUS) && filter.charCodeAt(f) === DOLLAR) return false;
    // Every topic has a first level: these two match the same topics.
    if (rule === "+/#") return true;
  }
  const ruleLength = rule.length;
  const filterLength = filter.length;
  for (;;) {
    let unit = r < ruleLength ? rule.charCodeAt(r) : SLASH;
    if (unit === HASH) return true;
    if (unit === PLUS) {
      // Any one level, a + too, but not all that may follow.
      if (filter.charCodeAt(f) === HASH) return false;
      r++;
      f = filter.indexOf("/", f);
      if (f < 0) f = filterLength;
    } else {
      while (unit !== SLASH) {
        if (filter.charCodeAt(f) !== unit) return false;
        f++;
        r++;
        unit = r < ruleLength ? rule.charCodeAt(r) : SLASH;
      }
      if (f < filterLength && filter.charCodeAt(f) !== SLASH) return false;
    }
    // Both are at the end of a level.
    if (f === filterLength)
      // "sport/#" also matches "sport" (section 4.7.1.2)
      return r === ruleLength || (r + 2 === ruleLength && rule.charCodeAt(r + 1) === HASH);
    if (r === ruleLength) return false;
    r++;
    f++;
  }
}
