/** A client on a transport in memory, its callbacks recorded in order. */
import { SealwireError } from "../../../src/errors.js";
import { toHex } from "../../../src/bytes.js";
import {
  MQTTClient,
  type ControlMessage,
  type InboundMessage,
  type MQTTClientOptions,
  type ReceivedProperties,
} from "../../../src/mqtt/index.js";
import { transportClass, Wire, type MemoryTransportOptions } from "../../support/memory-transport.js";

/** CONNACK that accepts, for 3.1.1 and 5.0. */
export const accepted = { 4: [0x20, 0x02, 0x00, 0x00], 5: [0x20, 0x03, 0x00, 0x00, 0x00] } as const;

export interface WorldOptions extends Partial<MQTTClientOptions<MQTTClient>> {
  readonly transport?: MemoryTransportOptions;
}

export class World {
  readonly wire: Wire;
  readonly client: MQTTClient;
  readonly events: string[] = [];
  readonly controls: ControlMessage[] = [];
  readonly messages: InboundMessage[] = [];
  readonly payloads: string[] = [];
  error: SealwireError | undefined;
  errorProperties: ReceivedProperties | undefined;

  constructor({ transport, ...options }: WorldOptions = {}) {
    const wire = new Wire(transport);
    this.wire = wire;
    // The recorder is shared by callbacks whose `this` is the client.
    const record = (event: string): void => void this.events.push(event);
    const { onReadable, onWritable, onControl, onClose, onError, ...rest } = options;
    const { messages, payloads, controls } = this;
    const failed = (error: SealwireError, properties: ReceivedProperties | undefined): void => {
      this.error = error;
      this.errorProperties = properties;
    };
    this.client = new MQTTClient({
      address: "192.0.2.1",
      id: "c",
      socket: { io: transportClass(wire) },
      timer: wire.timer,
      ticks: wire.ticks,
      ...rest,
      onReadable(count, message) {
        record(`readable ${count}${message.more ? " more" : ""}`);
        messages.push({ ...message });
        if (onReadable) onReadable.call(this, count, message);
        else payloads.push(toHex(new Uint8Array(this.read() ?? new ArrayBuffer(0))));
      },
      onWritable(count) {
        record(`writable ${count}`);
        onWritable?.call(this, count);
      },
      onControl(message) {
        record(`control ${message.operation}`);
        controls.push(message);
        onControl?.call(this, message);
      },
      onClose() {
        record("close");
        onClose?.call(this);
      },
      onError(error, properties) {
        record(`error ${error.code}`);
        failed(error, properties);
        onError?.call(this, error, properties);
      },
    });
  }

  /** Connects, and forgets what was written and called back on the way. */
  async connected(connack: readonly number[] = accepted[this.client.version]): Promise<this> {
    await this.wire.turn();
    await this.wire.receive(connack);
    this.wire.take();
    this.events.length = 0;
    return this;
  }

  /** What was written since the last call, as hexadecimal digits. */
  async sent(): Promise<string> {
    await this.wire.turn();
    return toHex(this.wire.take());
  }
}
