/** What is compared: libraries, and a plain socket as the ceiling. */

/** Settings of one sender. */
export interface SenderSettings {
  readonly port: number;
  readonly qos: 0 | 1 | 2;
  /** Messages that may be unacknowledged at a time; for QoS 0 those that were not handed to the socket yet. */
  readonly window: number;
  /** Of ours: what survives a restart. */
  readonly durability?: Durability | undefined;
}

/** `power-memory`: as `power`, but its storage is in memory, to tell the cost of the engine from that of the disk. */
export type Durability = "none" | "sleep" | "power" | "power-memory";

export interface Sender {
  /** What a ceiling may do before the clock runs, and a library cannot. */
  prepare?(first: number, payloads: readonly Buffer[]): void;
  /**
   * Sends messages from number `first` on. Resolves once each is done as its QoS promises: acknowledged, or for QoS 0 handed over to the
   * socket.
   * @param payloads made before the clock runs
   */
  send(first: number, payloads: readonly Buffer[]): Promise<void>;
  /** Resolves once the broker has answered a request that was sent after the messages: it took them all. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

/** Settings of one receiver. */
export interface ReceiverSettings {
  readonly port: number;
  /** The QoS of the subscription. */
  readonly qos: 0 | 1;
  readonly onMessage: (payload: Uint8Array) => void;
}

/** A client whose session the broker keeps while it is away (clean session 0), subscribed to the topic. */
export interface Receiver {
  /** Comes back; what was published meanwhile arrives. */
  connect(): Promise<void>;
  /** Leaves. */
  disconnect(): Promise<void>;
}

/** An open connection that does nothing. */
export interface Idle {
  close(): void;
}

export interface Contestant {
  /** Connects. */
  sender(settings: SenderSettings): Promise<Sender>;
  /** Connects, subscribes, and leaves. */
  receiver(settings: ReceiverSettings): Promise<Receiver>;
  idle(port: number, clientIdentifier: string): Promise<Idle>;
}
