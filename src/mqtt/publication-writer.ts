/** Writes the PUBLISH packets of a session: flags, expiry, topic aliases. */
import { PUBLISH } from "./codec/constants.js";
import { NO_PROPERTIES } from "./codec/encode.js";
import { encodeProperties } from "./codec/properties.js";
import type { Connection } from "./connection.js";
import type { OutgoingMessage } from "./outgoing-message.js";
import { propertiesToSend } from "./publication.js";
import { checkOffered, writePublish } from "./publish-writer.js";

/** A topic that is hardly longer than its alias needs none. */
const SHORTEST_ALIASED = 6;

/** The topics that have an alias on one connection (MQTT 5.0 section 3.3.2.3.4). They keep it while the connection lasts. */
export class TopicAliases {
  private readonly maximum: number;
  /** The first one has alias 1. */
  private readonly topics: string[] = [];

  constructor(maximum: number) {
    this.maximum = maximum;
  }

  /** @returns the alias of a topic, or that which it would get; 0 for none */
  of(topic: string): number {
    if (topic.length < SHORTEST_ALIASED) return 0;
    const { topics, maximum } = this;
    const index = topics.indexOf(topic);
    if (index >= 0) return index + 1;
    return topics.length < maximum ? topics.length + 1 : 0;
  }

  /** Whether the server knows an alias already: it then stands for the topic. */
  knows(alias: number): boolean {
    return alias <= this.topics.length;
  }

  /** The server was told of the next alias. */
  add(topic: string): void {
    this.topics.push(topic);
  }
}

/**
 * Writes PUBLISH, or its beginning.
 * @param part the payload, or its first part
 * @returns false when there is no room
 */
export function writePublication(
  connection: Connection,
  message: OutgoingMessage,
  part: Uint8Array,
  aliases: TopicAliases | undefined,
): boolean {
  // Few variables: the stack is deepest from here on.
  const { output } = connection;
  const first =
    (PUBLISH << 4) | (message.qos << 1) | (message.sent && message.qos > 0 ? 0x08 : 0) | (message.retain ? 0x01 : 0);
  checkOffered(first, connection.limits);
  const alias = aliases?.of(message.topic) ?? 0;
  const isNew = alias > 0 && !aliases!.knows(alias);
  const properties = connection.version === 5 ? encodedProperties(message, alias, output.ticks) : undefined;
  if (alias > 0 && !isNew) output.topic.clear();
  else output.topic.set(message.topic);
  try {
    if (writePublish(output, first, message.id, properties, part, message.byteLength, connection.limits) > 0)
      return false;
  } catch (error) {
    if (!output.broken) throw error;
    connection.transportFailed(error);
  }
  if (isNew) aliases!.add(message.topic);
  return true;
}

function encodedProperties(message: OutgoingMessage, alias: number, ticks: () => number): Uint8Array {
  const properties = propertiesToSend(message, alias, ticks);
  return properties ? encodeProperties(properties, PUBLISH) : NO_PROPERTIES;
}
