/** What the parts of a session share: its settings, its store, and the connection of the moment. */
import { SealwireError, toSealwireError } from "../errors.js";
import type { MQTTClient } from "./client.js";
import { PacketIdentifiers } from "./packet-identifiers.js";
import type { SessionSettings } from "./session-options.js";
import type { SessionStore } from "./session-store.js";

/** Acknowledgements that wait because the connection takes nothing; a server that provokes more does not read. */
const MAXIMUM_BACKLOG = 256;

interface Acknowledgement {
  readonly operation: number;
  readonly id: number;
  readonly reasonCode: number;
}

export class SessionCore {
  readonly settings: SessionSettings;
  readonly store: SessionStore;
  readonly identifiers = new PacketIdentifiers();
  /** The connection, from `connect()` to its end. */
  client: MQTTClient | undefined;
  /** Whether the server accepted the connection. */
  connected = false;
  /** Whether publications may leave: connected, or pipelining. */
  ready = false;
  closed = false;
  /** Ends the connection. Set by the session. */
  fail: (error: SealwireError) => void = () => undefined;
  readonly #backlog: Acknowledgement[] = [];

  constructor(settings: SessionSettings, store: SessionStore) {
    this.settings = settings;
    this.store = store;
  }

  /** Tells of a failure that no promise tells of. */
  report(error: SealwireError): void {
    this.call(() => this.settings.onError?.(error));
  }

  /** Runs a callback of the application. What it throws is reported, once. */
  call(callback: () => void): void {
    if (this.closed) return;
    try {
      callback();
    } catch (error) {
      this.#reportFailure(error);
    }
  }

  /** Sends PUBACK, PUBREC, PUBREL or PUBCOMP, now or as soon as there is room. */
  acknowledge(operation: number, id: number, reasonCode = 0): void {
    if (!this.client) return;
    if (this.#backlog.length === 0 && this.#write(operation, id, reasonCode)) return;
    if (this.#backlog.length >= MAXIMUM_BACKLOG) {
      this.fail(new SealwireError("MQTT_QUOTA_EXCEEDED", "The server sends packets, but takes no acknowledgements."));
      return;
    }
    this.#backlog.push({ operation, id, reasonCode });
  }

  /** Sends acknowledgements that wait. @returns whether none is left */
  flushAcknowledgements(): boolean {
    const backlog = this.#backlog;
    if (backlog.length === 0) return true;
    let sent = 0;
    for (const { operation, id, reasonCode } of backlog) {
      if (!this.#write(operation, id, reasonCode)) break;
      sent++;
    }
    backlog.splice(0, sent);
    return backlog.length === 0;
  }

  /** The connection ended: what it should have acknowledged will come again. */
  reset(): void {
    this.#backlog.length = 0;
    this.client = undefined;
    this.connected = this.ready = false;
  }

  #reportFailure(error: unknown): void {
    if (this.closed) return;
    try {
      this.settings.onError?.(callbackFailed(error));
    } catch {
      // The application's error handler failed: there is nobody left to tell.
    }
  }

  #write(operation: number, id: number, reasonCode: number): boolean {
    const client = this.client;
    if (!client) return true;
    try {
      // Only a reason other than success takes room, and only version 5 has it.
      client.write(null, reasonCode === 0 || client.version === 4 ? { operation, id } : { operation, id, reasonCode });
      return true;
    } catch (error) {
      if (isOverflow(error)) return false;
      this.fail(toSealwireError(error, "CONNECTION_LOST", "The connection took no more packets."));
      return true;
    }
  }
}

/** Whether `MQTTClient.write` refused a packet only for lack of room. */
export function isOverflow(error: unknown): boolean {
  return error instanceof SealwireError && error.code === "INVALID_STATE";
}

export function callbackFailed(error: unknown): SealwireError {
  return new SealwireError("CALLBACK_FAILED", "A callback of the application failed; its error is the cause.", {
    cause: error,
  });
}
