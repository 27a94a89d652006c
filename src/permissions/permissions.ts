/** What a device may publish and subscribe to. */
import { toUTF8 } from "../bytes.js";
import { SealwireError } from "../errors.js";
import {
  checkEntry,
  checkVersion,
  invalid,
  parseEntries,
  type PermissionEntry,
  permissionLimits,
  type PermissionQoS,
  publishBits,
  quote,
  subscribeBits,
} from "./entry.js";
import { covers, faultOfFilter } from "./topic-filter.js";

/** What `%c` and `%u` stand for. An entry with one that has no value allows nothing. */
export interface PermissionValues {
  readonly clientIdentifier?: string | undefined;
  readonly userName?: string | undefined;
}

export type PermissionRequest = "publish" | "subscribe";

/** Why something is allowed or refused. */
export interface PermissionExplanation {
  readonly allowed: boolean;
  /** The number, from 1, of the entry that allows it, or that would but for its operation or QoS. */
  readonly entry: number | undefined;
  /** The least entry that would allow it; `undefined` when it is allowed, or when no entry can. */
  readonly needed: PermissionEntry | undefined;
  /** For people. */
  readonly sentence: string;
}

const levels: readonly PermissionQoS[] = [0, 1, 2];

/**
 * The permissions of one device, compiled from the entries of a permissions file. What no entry allows is refused.
 *
 * Memory: two or three strings and a byte per entry; checks allocate nothing. At most 128 entries of 512 bytes.
 */
export class Permissions {
  /** As they were written, with `%c` and `%u`. */
  readonly #topics: readonly string[];
  /** Operations and QoS levels of each. */
  readonly #bits: Uint8Array;
  /** The topics with values in place of `%c` and `%u`; empty where a value is missing. */
  readonly #filters: readonly string[];
  /** How many units of each filter are whole levels without wildcards, so that most of what does not match is ruled out natively. */
  readonly #literals: readonly string[];
  readonly #values: PermissionValues;
  /** Of two permissions of one device the higher is newer; `undefined` when it has none. */
  readonly version: number | undefined;

  /**
   * @param entries an array of {@link PermissionEntry}, which is checked here, so that it may come from anywhere
   * @param values what `%c` and `%u` stand for; {@link bind} can tell them later
   * @param version from 1; that of `entries`, when left out
   * @throws SealwireError `PERMISSIONS_INVALID` that names the entry; `INVALID_ARGUMENT` for a value that cannot stand in a topic
   */
  constructor(
    entries: readonly PermissionEntry[] | Permissions,
    values: PermissionValues = {},
    version: number | undefined = entries instanceof Permissions ? entries.version : undefined,
  ) {
    checkValue(values.clientIdentifier, "client identifier", "%c");
    checkValue(values.userName, "user name", "%u");
    if (entries instanceof Permissions) {
      this.#topics = entries.#topics;
      this.#bits = entries.#bits;
    } else {
      if (!Array.isArray(entries)) throw invalid("The permissions must be an array of entries.");
      if (entries.length > permissionLimits.entries)
        throw invalid(`There are ${entries.length} permissions; at most ${permissionLimits.entries} are allowed.`);
      const topics: string[] = [];
      const bits = new Uint8Array(entries.length);
      for (let i = 0; i < entries.length; i++) {
        bits[i] = checkEntry(entries[i], i + 1);
        topics.push((entries[i] as PermissionEntry).topic);
      }
      this.#topics = topics;
      this.#bits = bits;
    }
    const filters: string[] = [];
    const literals: string[] = [];
    for (const topic of this.#topics) {
      const filter = expand(topic, values);
      filters.push(filter);
      literals.push(literalOf(filter));
    }
    this.#filters = filters;
    this.#literals = literals;
    this.#values = values;
    this.version = version === undefined ? undefined : checkVersion(version);
  }

  /**
   * Reads a permissions file, or what {@link toBytes} made: an array of entries, or `{"version": 1, "permissions": [...]}`.
   * @throws SealwireError `PERMISSIONS_INVALID`
   */
  static parse(json: string | Uint8Array, values?: PermissionValues): Permissions {
    const { entries, version } = parseEntries(json);
    return new Permissions(entries as readonly PermissionEntry[], values, version);
  }

  /** The same permissions for these values. The entries are shared, not copied. */
  bind(values: PermissionValues): Permissions {
    return new Permissions(this, values);
  }

  /** The same entries with another version. @throws SealwireError `PERMISSIONS_INVALID` */
  withVersion(version: number): Permissions {
    return new Permissions(this, this.#values, version);
  }

  /** The number of entries. */
  get length(): number {
    return this.#topics.length;
  }

  /** The entries, as in the file. */
  get entries(): PermissionEntry[] {
    return this.#topics.map((topic, i) => {
      const bits = this.#bits[i]!;
      const publish = (bits & publishBits) !== 0;
      const subscribe = (bits & subscribeBits) !== 0;
      const allowed = publish ? bits : bits >> 4;
      const entry = { topic, operation: publish ? (subscribe ? "both" : "publish") : "subscribe" } as const;
      return (allowed & 7) === 7 ? entry : { ...entry, qos: levels.filter((level) => allowed & (1 << level)) };
    });
  }

  /** The topic filter of an entry with values in place of `%c` and `%u`, or `undefined` where one is missing. @param number from 1 */
  filter(number: number): string | undefined {
    return this.#filters[number - 1] || undefined;
  }

  /** JSON in UTF-8, without blanks: for a provisioning record, and for the vault. @throws SealwireError `PERMISSIONS_INVALID` when too long */
  toBytes(): Uint8Array {
    const { version, entries } = this;
    const bytes = toUTF8(JSON.stringify(version === undefined ? entries : { version, permissions: entries }));
    if (bytes.byteLength > permissionLimits.byteLength)
      throw invalid(
        `The permissions are ${bytes.byteLength} bytes long; at most ${permissionLimits.byteLength} are allowed.`,
      );
    return bytes;
  }

  /** Whether a message may be published. @param topic a topic name, with values in place of `%c` and `%u` */
  allowsPublish(topic: string, qos: PermissionQoS): boolean {
    if (topic.includes("+") || topic.includes("#")) return false;
    return this.find(1 << qos, topic, 0) >= 0;
  }

  /**
   * Whether a subscription may be asked for: one entry must cover all that the filter matches.
   * @param filter a well-formed topic filter, with values in place of `%c` and `%u`; of a shared subscription its filter counts
   * @param qos the highest QoS that is asked for
   */
  allowsSubscribe(filter: string, qos: PermissionQoS): boolean {
    const start = startOfFilter(filter);
    return start >= 0 && this.find(16 << qos, filter, start) >= 0;
  }

  /** Says what allows a request, or which entry would be needed. */
  explain(request: PermissionRequest, topic: string, qos: PermissionQoS): PermissionExplanation {
    const publish = request === "publish";
    const what = `${publish ? "Publishing" : "Subscribing"} to ${quote(topic)}`;
    const start = publish ? 0 : startOfFilter(topic);
    const bit = (publish ? 1 : 16) << qos;
    if (publish ? this.allowsPublish(topic, qos) : this.allowsSubscribe(topic, qos)) {
      const found = this.find(bit, topic, start);
      const sentence = `${what} with QoS ${qos} is allowed by permission ${found + 1}, ${quote(this.#topics[found]!)}.`;
      return { allowed: true, entry: found + 1, needed: undefined, sentence };
    }
    const fault = faultOfRequest(publish, topic);
    if (fault !== undefined)
      return { allowed: false, entry: undefined, needed: undefined, sentence: `${what} is refused: ${fault}.` };
    const needed: PermissionEntry = { topic: this.generalise(topic.slice(start)), operation: request, qos: [qos] };
    const near = this.find(0xff, topic, start);
    let why = "no permission covers it";
    if (near >= 0) {
      const allowed = this.#bits[near]! & (publish ? publishBits : subscribeBits);
      why =
        allowed === 0
          ? `permission ${near + 1} covers the topic, but not the operation ${request}`
          : `permission ${near + 1} covers it, but not QoS ${qos}`;
    }
    return {
      allowed: false,
      entry: near >= 0 ? near + 1 : undefined,
      needed,
      sentence: `${what} with QoS ${qos} is refused: ${why}. It would need ${JSON.stringify(needed)}.`,
    };
  }

  /** @returns the error of a refused request, or `undefined` when it is allowed */
  refusal(request: PermissionRequest, topic: string, qos: PermissionQoS): SealwireError | undefined {
    if (request === "publish" ? this.allowsPublish(topic, qos) : this.allowsSubscribe(topic, qos)) return undefined;
    return new SealwireError("PERMISSION_DENIED", this.explain(request, topic, qos).sentence);
  }

  /** @returns the index of the first entry that covers the filter and has one of the bits, or -1 */
  private find(bits: number, filter: string, start: number): number {
    for (let i = 0; i < this.#filters.length; i++) {
      if ((this.#bits[i]! & bits) === 0) continue;
      const rule = this.#filters[i]!;
      const literal = this.#literals[i]!;
      if (rule.length === 0 || !filter.startsWith(literal, start)) continue;
      const at = literal.length;
      if (at === rule.length ? start + at === filter.length : covers(rule, filter, at, start + at)) return i;
    }
    return -1;
  }

  /** A topic with `%c` or `%u` where it names this device: one entry then serves the fleet. */
  private generalise(topic: string): string {
    const { clientIdentifier, userName } = this.#values;
    return topic
      .split("/")
      .map((level) => (level === "" ? level : level === clientIdentifier ? "%c" : level === userName ? "%u" : level))
      .join("/");
  }
}

/** Values come from a certificate, a MAC address or a person: none may widen a rule. */
function checkValue(value: string | undefined, what: string, placeholder: string): void {
  if (value === undefined) return;
  if (
    typeof value !== "string" ||
    value.length === 0 ||
    /[+#/\u0000]/.test(value) ||
    faultOfFilter(value) !== undefined
  )
    throw new SealwireError(
      "INVALID_ARGUMENT",
      `The ${what} cannot stand for ${placeholder} in a topic: it must not be empty, nor hold + # / or control characters.`,
    );
}

/** @returns the filter, or nothing when a value is missing or would make it a filter of another kind */
function expand(topic: string, { clientIdentifier, userName }: PermissionValues): string {
  if (!topic.includes("%")) return topic;
  let filter = "";
  for (const level of topic.split("/")) {
    const value = level === "%c" ? clientIdentifier : level === "%u" ? userName : level;
    // A value in front must not reach the server's own topics, nor make a shared subscription.
    if (value === undefined || (filter === "" && value !== level && value.startsWith("$"))) return "";
    filter += `${value}/`;
  }
  return filter.slice(0, -1);
}

/** The part of a filter that topics must begin with: whole levels, so that what follows starts with one. All of it without wildcards. */
function literalOf(filter: string): string {
  const plus = filter.indexOf("+");
  const hash = filter.indexOf("#");
  if (plus < 0 && hash < 0) return filter;
  // "a/b/#" also matches "a/b": the level before # is not part of it.
  const end = plus >= 0 ? plus : filter.lastIndexOf("/", hash - 2) + 1;
  return hash === 0 ? "" : filter.slice(0, end);
}

/** @returns where the filter starts that the permissions are about, or -1 when a shared subscription is malformed */
function startOfFilter(filter: string): number {
  if (!filter.startsWith("$share/")) return 0;
  const slash = filter.indexOf("/", 7);
  if (slash <= 7 || slash + 1 === filter.length) return -1;
  // [MQTT-4.8.2-2]: no wildcards in the share name.
  for (const wildcard of ["+", "#"]) {
    const at = filter.indexOf(wildcard);
    if (at >= 0 && at < slash) return -1;
  }
  return slash + 1;
}

function faultOfRequest(publish: boolean, topic: string): string | undefined {
  const start = publish ? 0 : startOfFilter(topic);
  if (start < 0) return "a shared subscription is $share/, a name without wildcards, a slash and a filter";
  const fault = faultOfFilter(topic.slice(start));
  if (fault !== undefined) return `it ${fault}`;
  if (publish && (topic.includes("+") || topic.includes("#"))) return "a topic must not hold the wildcards + and #";
  return undefined;
}
