/** What the exports to brokers have in common. */
import type { PermissionEntry, Permissions } from "../../src/permissions/index.js";

/** How what a broker does differs from what an entry says. */
export interface ExportWarning {
  /** Number of the entry, from 1. */
  readonly entry: number;
  readonly topic: string;
  /** `wider`: the broker allows more; `narrower`: it allows less; `left out`: it has nothing of the entry. */
  readonly effect: "wider" | "narrower" | "left out";
  readonly message: string;
}

export interface PermissionsExport {
  /** What the broker reads. */
  readonly content: string;
  readonly warnings: readonly ExportWarning[];
  /** What must hold around it for the export to mean what it says. */
  readonly notes: readonly string[];
}

/** Collects warnings while an export is written. */
export class Warnings {
  readonly list: ExportWarning[] = [];

  add(entry: number, topic: string, effect: ExportWarning["effect"], message: string): void {
    this.list.push({ entry, topic, effect, message });
  }
}

/** An entry with what exports ask of it. */
export interface NumberedEntry {
  readonly number: number;
  readonly topic: string;
  readonly publish: boolean;
  readonly subscribe: boolean;
  /** The QoS levels that it allows. */
  readonly qos: readonly number[];
  /** Whether it allows all three. */
  readonly anyQoS: boolean;
}

export function numbered(permissions: Permissions): NumberedEntry[] {
  return permissions.entries.map(({ topic, operation, qos }: PermissionEntry, i) => ({
    number: i + 1,
    topic,
    publish: operation !== "subscribe",
    subscribe: operation !== "publish",
    qos: qos ?? [0, 1, 2],
    anyQoS: qos === undefined,
  }));
}

/** A topic with other text in place of `%c` and `%u`. */
export function substitute(topic: string, clientIdentifier: string, userName: string): string {
  return topic
    .split("/")
    .map((level) => (level === "%c" ? clientIdentifier : level === "%u" ? userName : level))
    .join("/");
}

/** Whether a topic holds `%c` or `%u`. */
export function hasPlaceholder(topic: string): boolean {
  return topic.split("/").some((level) => level === "%c" || level === "%u");
}

/** Whether its first level is a wildcard. */
export function beginsWithWildcard(topic: string): boolean {
  return topic.startsWith("+") || topic.startsWith("#");
}

/** "0", "0 and 1", "0, 1 and 2" */
export function listed(values: readonly (number | string)[]): string {
  if (values.length < 2) return values.join("");
  return `${values.slice(0, -1).join(", ")} and ${values.at(-1) ?? ""}`;
}
