/** One publication under way: a link of the outbox. Fields that few messages need are not there until they are set. */
import type { SealwireError } from "../errors.js";
import type { PayloadSource } from "./session-types.js";
import type { Properties, QoS } from "./types.js";

/** Where a publication stands: `publish` until PUBACK or PUBREC, `release` between PUBREC and PUBCOMP (MQTT 5.0 section 4.3). */
export type OutgoingState = "publish" | "release";

export class OutgoingMessage {
  /** Packet identifier; 0 for QoS 0. */
  id = 0;
  /** Grows with every publication, and again when it is released: the order after a restart. */
  sequence = 0;
  state: OutgoingState = "publish";
  topic: string;
  qos: QoS;
  retain: boolean;
  /** `undefined` when it is in storage, comes from a source, or is no longer needed. */
  payload: Uint8Array | undefined;
  declare source?: PayloadSource | undefined;
  /** Names a source that must be opened again. */
  declare reference?: string | undefined;
  /** Bytes of the payload. */
  byteLength: number;
  /** Bytes counted against the queue: topic, properties, and what of the payload is in memory. */
  cost = 0;
  declare properties?: Properties | undefined;
  /** In ticks, or `undefined`. */
  declare expiresAt?: number;
  /** The server may have seen it: a further PUBLISH carries DUP [MQTT-3.3.1-1]. */
  sent = false;
  /** It left on the present connection and counts against the window. */
  inFlight = false;
  /** Whether a record of it is in storage. */
  stored = false;
  /** `undefined` after a restart: nobody waits. */
  declare resolve?: (() => void) | undefined;
  declare reject?: ((error: SealwireError) => void) | undefined;
  previous: OutgoingMessage | undefined;
  next: OutgoingMessage | undefined;

  constructor(topic: string, qos: QoS, retain: boolean, payload: Uint8Array | undefined, byteLength: number) {
    this.topic = topic;
    this.qos = qos;
    this.retain = retain;
    this.payload = payload;
    this.byteLength = byteLength;
  }

  /** Whether it may leave the queue without harm to the protocol: it never left the device, or may be sent twice and lost once. */
  get waiting(): boolean {
    return this.state === "publish" && !this.inFlight && !this.sent;
  }
}
