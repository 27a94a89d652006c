/** One message from the server, from its PUBLISH to its acknowledgement. */
import type { MessageHead, SessionMessage } from "./session-types.js";
import type { InboundMessage, QoS, ReceivedProperties } from "./types.js";

const NOTHING = new Uint8Array(0);

/** How a delivery stands with the connection. */
export type DeliveryState =
  /** Received on the present connection: it can be acknowledged. */
  | "attached"
  /** Its connection ended; the server will send it again. */
  | "detached"
  /** Acknowledged, or the server has forgotten it. */
  | "over";

interface DeliveryOwner {
  /** The application says that it has handled a message. */
  acknowledge(delivery: Delivery): void;
}

export class Delivery implements SessionMessage, MessageHead {
  readonly id: number;
  readonly topic: string;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly duplicate: boolean;
  readonly redelivered: boolean;
  readonly properties: ReceivedProperties | undefined;
  readonly byteLength: number;
  payload: Uint8Array = NOTHING;
  declare mark: SessionMessage["mark"];
  state: DeliveryState = "attached";
  /** The application has handled it. */
  done = false;
  /** The application's callback failed. */
  failed = false;
  readonly #owner: DeliveryOwner;

  constructor(head: InboundMessage, restored: boolean, owner: DeliveryOwner) {
    this.id = head.id;
    this.topic = head.topic;
    this.qos = head.QoS;
    this.retain = head.retain;
    this.duplicate = head.duplicate;
    this.redelivered = head.duplicate && (head.QoS === 1 || restored);
    this.properties = head.properties;
    this.byteLength = head.byteLength;
    this.#owner = owner;
  }

  acknowledge(): void {
    this.#owner.acknowledge(this);
  }

  /** Whether a PUBLISH repeats this one. */
  isRepeatedBy(head: InboundMessage): boolean {
    return (
      this.id === head.id && this.qos === head.QoS && this.topic === head.topic && this.byteLength === head.byteLength
    );
  }
}
