/**
 * The ECMA-419 MQTT client in the place of the SDK's own, `embedded:network/mqtt/client`: for code that was written for that one.
 *
 * What the SDK's takes and the engine refuses is translated here: options of other names, packet identifiers where MQTT has none. What the
 * SDK's tells is told in its way: the options of `onReadable` name the topic with the first part of a message
 * alone. A message without a payload is delivered, with a count of 0; `read(0)` gives an empty buffer.
 */
import { MQTTClient as Engine } from "../../../src/mqtt/index.js";
import type { BufferLike } from "../../../src/platform.js";
import type {
  ClientCallbacks,
  InboundMessage,
  MQTTClientOptions,
  SubscriptionItem,
  WriteOptions,
} from "../../../src/mqtt/index.js";
import { platform } from "./host.js";

/** What `onReadable` is told: all of it with the first part of a message, `more` with the others. */
export type ReadableOptions = Partial<InboundMessage> & Pick<InboundMessage, "more">;

export interface DropInOptions
  extends
    Omit<MQTTClientOptions<MQTTClient>, "timer" | "ticks" | "onReadable">,
    Omit<ClientCallbacks<MQTTClient>, "onReadable"> {
  readonly onReadable?: ((this: MQTTClient, count: number, options: ReadableOptions) => void) | undefined;
}

const passedOn = [
  "host",
  "address",
  "port",
  "dns",
  "socket",
  "version",
  "id",
  "clean",
  "user",
  "password",
  "will",
  "properties",
  "keepAlive",
  "keepalive",
  "pingTimeout",
  "connectTimeout",
  "acknowledge",
  "pipeline",
  "limits",
  "inputBuffer",
  "outputBuffer",
  "onWritable",
  "onControl",
  "onClose",
  "onError",
  "onAuth",
  "format",
  "target",
] as const;

/** Other options than the engine's are ignored, as the SDK's client does. */
function engineOptions(options: DropInOptions): MQTTClientOptions<MQTTClient> {
  const chosen: Record<string, unknown> = { timer: platform.timer, ticks: () => platform.ticks() };
  for (const name of passedOn) if (options[name] != null) chosen[name] = options[name];
  const { onReadable } = options;
  let continued = false;
  if (onReadable)
    chosen["onReadable"] = function (this: MQTTClient, count: number, message: InboundMessage): void {
      const told = continued ? { more: message.more } : message;
      continued = message.more;
      onReadable.call(this, count, told);
    };
  return chosen as unknown as MQTTClientOptions<MQTTClient>;
}

export class MQTTClient extends Engine {
  /** @throws SealwireError `INVALID_ARGUMENT` naming the option */
  constructor(options: DropInOptions) {
    super(engineOptions(options));
  }

  override write(data?: BufferLike | null, options?: WriteOptions): number {
    if (options == null) return super.write(data);
    const { operation = MQTTClient.PUBLISH, id, items, ...rest } = options;
    const { QoS, topic, retain, duplicate, byteLength, properties, reasonCode } = rest;
    switch (operation) {
      case MQTTClient.PUBLISH:
        return super.write(data, {
          topic,
          QoS,
          retain: !!retain,
          // DUP and an identifier are for messages that are acknowledged [MQTT-2.3.1-5], [MQTT-3.3.1-2].
          ...(QoS && { id, duplicate: !!duplicate }),
          byteLength,
          properties,
        });
      case MQTTClient.SUBSCRIBE:
        return super.write(data, { operation, id, items, properties });
      case MQTTClient.UNSUBSCRIBE:
        return super.write(data, { operation, id, items: items?.map(({ topic }): SubscriptionItem => ({ topic })) });
      case MQTTClient.PINGREQ:
        return super.write(data, { operation });
      case MQTTClient.DISCONNECT:
        return super.write(data, { operation, reasonCode, properties });
      default:
        return super.write(data, { operation, id, reasonCode, properties });
    }
  }

  override read(count?: number): ArrayBuffer | undefined;
  override read(buffer: BufferLike): number | undefined;
  override read(target?: number | BufferLike): ArrayBuffer | number | undefined {
    if (typeof target === "object") return super.read(target);
    return super.read(target) ?? (target === 0 ? new ArrayBuffer(0) : undefined);
  }
}
