/** Writes PUBLISH packets of one connection: flags, expiry, topic aliases. */
import type { MQTTClient } from "./client.js";

import type { OutgoingMessage } from "./outgoing-message.js";
import { isOverflow } from "./session-core.js";
import type { Properties, WriteOptions } from "./types.js";

/** Bytes of a PUBLISH beside topic, properties and payload, at most: fixed header, two lengths, packet identifier, expiry, alias. */
export const HEAD = 24;
/** A topic that is hardly longer than its alias needs none. */
const SHORTEST_ALIASED = 6;

export class PublishWriter {
  readonly #ticks: () => number;
  /** Topics that have an alias; the first one has alias 1. They keep it while the connection lasts. */
  readonly #aliases: string[] = [];
  #maximumAliases = 0;

  constructor(ticks: () => number) {
    this.#ticks = ticks;
  }

  /** A connection begins, or the server has accepted it. @param maximumAliases topic aliases that may be used (MQTT 5.0 section 3.3.2.3.4) */
  open(maximumAliases: number): void {
    this.#aliases.length = 0;
    this.#maximumAliases = maximumAliases;
  }

  /**
   * Writes PUBLISH, or its beginning.
   * @param part the payload, or its first part
   * @returns false when there is no room
   */
  write(client: MQTTClient, message: OutgoingMessage, part: Uint8Array): boolean {
    const { topic, qos, byteLength } = message;
    const options: { -readonly [Name in keyof WriteOptions]: WriteOptions[Name] } = { topic, QoS: qos };
    if (qos > 0) {
      options.id = message.id;
      if (message.sent) options.duplicate = true;
    }
    if (message.retain) options.retain = true;
    if (byteLength !== part.byteLength) options.byteLength = byteLength;
    let alias = 0;
    if (client.version === 5) {
      const properties = this.#propertiesOf(message);
      alias = this.#aliasOf(topic);
      if (alias > 0) {
        // Known to the server already: the alias stands for the topic.
        if (alias <= this.#aliases.length) options.topic = "";
        options.properties = { ...properties, topicAlias: alias };
      } else if (properties) options.properties = properties;
    }
    try {
      client.write(part, options);
    } catch (error) {
      if (isOverflow(error)) return false;
      throw error;
    }
    if (alias > this.#aliases.length) this.#aliases.push(topic);
    return true;
  }

  /** @returns 0 when the topic has no alias and gets none */
  #aliasOf(topic: string): number {
    if (this.#maximumAliases === 0 || topic.length < SHORTEST_ALIASED) return 0;
    const index = this.#aliases.indexOf(topic);
    if (index >= 0) return index + 1;
    return this.#aliases.length < this.#maximumAliases ? this.#aliases.length + 1 : 0;
  }

  #propertiesOf(message: OutgoingMessage): Properties | undefined {
    if (message.expiresAt === undefined) return message.properties;
    const left = Math.max(1, Math.ceil((message.expiresAt - this.#ticks()) / 1000));
    return { ...message.properties, messageExpiryInterval: left };
  }
}
