/** The life of a session: its connection of the moment, what arrives on it and what leaves, and what the parts of the session share. */
import { SealwireError } from "../errors.js";
import { DISCONNECT } from "./codec/constants.js";
import { writeAcknowledgement, writeControl } from "./control-writer.js";
import { PacketIdentifiers } from "./packet-identifiers.js";
import type { SessionConnection } from "./session-connection.js";
import type { Inbound } from "./session-inbound.js";
import type { SessionSettings } from "./session-options.js";
import type { Outbound } from "./session-outbound.js";
import type { StoredSession } from "./session-records.js";
import type { SessionStore } from "./session-store.js";
import type { Subscriptions } from "./session-subscriptions.js";
import type { ConnackMessage, ProtocolVersion, ReceivedProperties } from "./types.js";

/** Acknowledgements that wait because the connection takes nothing; a server that provokes more does not read. */
const MAXIMUM_BACKLOG = 256;
/** So many are sent at once, even while more packets are there to be read. */
const RELIEVED_BACKLOG = 16;
/** Milliseconds that the server is given to close after DISCONNECT. */
const GOODBYE = 5000;
/** Failures before CONNECT can have left: the server knows nothing of them. */
const BEFORE_CONNECT = " NAME_NOT_RESOLVED CONNECTION_REFUSED NETWORK_DOWN ";

const NOTHING_LOST = Object.freeze({ damaged: 0, surplus: 0 });

export class SessionCore {
  readonly settings: SessionSettings;
  readonly store: SessionStore;
  readonly state: StoredSession;
  readonly identifiers = new PacketIdentifiers();
  /** The parts. Set by the session. */
  outbound!: Outbound;
  /** Made when the first message arrives, unless an earlier life left something. */
  declare inbound?: Inbound;
  subscriptions!: Subscriptions;
  /** The state comes from an earlier life: what was being handled when that ended is not known. */
  declare restored?: true;
  /** Whether the mark of an earlier life was damaged. */
  declare markLost?: true;
  /** How many records of an earlier life were dropped. */
  lost: { readonly damaged: number; readonly surplus: number } = NOTHING_LOST;
  /** The connection, from `connect()` to its end. */
  connection: SessionConnection | undefined;
  /** Whether the server accepted the connection. */
  connected = false;
  /** Whether publications may leave: connected, or pipelining. */
  ready = false;
  closed = false;
  /** Whether the state was uncertain before this attempt to connect. */
  wasUncertain = false;
  /** The server did not say that it refuses the version, but something was wrong with the answer: the other one is tried next. */
  private tryOther = false;
  /** Acknowledgements that wait, each as one number: packet type, reason code, packet identifier. */
  declare private backlog?: number[];
  declare private goodbye?: { promise: Promise<void>; resolve: () => void; timer: unknown } | undefined;

  constructor(settings: SessionSettings, store: SessionStore, state: StoredSession) {
    this.settings = settings;
    this.store = store;
    this.state = state;
  }

  get version(): ProtocolVersion {
    return this.connection?.version ?? this.nextVersion;
  }

  get nextVersion(): ProtocolVersion {
    const { version = "auto" } = this.settings;
    if (version !== "auto") return version;
    const known = this.state.version || 5;
    return this.tryOther ? otherThan(known) : known;
  }

  /** Tells of a failure that no promise tells of. */
  report(error: SealwireError): void {
    if (this.closed) return;
    try {
      this.settings.onError?.(error);
    } catch (failure) {
      this.failed(failure);
    }
  }

  /** Tells that a callback of the application threw, once. */
  failed(error: unknown): void {
    if (this.closed) return;
    try {
      this.settings.onError?.(callbackFailed(error));
    } catch {
      // The application's error handler failed: there is nobody left to tell.
    }
  }

  /** The server accepted the connection. */
  established(message: ConnackMessage): void {
    const { connection, settings, state } = this;
    if (!connection) return;
    const { sessionPresent, properties } = message;
    const changed = (settings.version ?? "auto") === "auto" && state.version !== connection.version;
    state.version = connection.version;
    state.limits = connection.limits;
    if (properties?.assignedClientIdentifier) state.assignedIdentifier = properties.assignedClientIdentifier;
    this.tryOther = false;
    const uncertain = sessionPresent && this.wasUncertain;
    this.connected = this.ready = true;
    try {
      this.inbound?.established(sessionPresent, uncertain);
      this.store.writeSession(state);
    } catch (error) {
      this.fail(error as SealwireError);
      return;
    }
    // From here on what was granted is known one by one.
    state.uncertain = false;
    this.subscriptions.established(sessionPresent, uncertain);
    this.outbound.established(sessionPresent);
    if (changed) this.tellVersion(connection.version);
    if (this.connection !== connection || this.closed) return;
    const { version } = connection;
    const clientIdentifier = state.assignedIdentifier || state.clientIdentifier;
    try {
      settings.onConnected?.({ version, sessionPresent, clientIdentifier, properties });
    } catch (error) {
      this.failed(error);
    }
  }

  private tellVersion(version: ProtocolVersion): void {
    if (this.closed) return;
    try {
      this.settings.onVersion?.(version);
    } catch (error) {
      this.failed(error);
    }
  }

  /** Has what waits sent, when the present job is over. Nothing is sent from here: who calls this may stand deep in the stack. */
  flush(): void {
    this.connection?.schedule();
  }

  /** Has PUBACK, PUBREC, PUBREL or PUBCOMP sent. */
  acknowledge(operation: number, id: number, reasonCode = 0): void {
    const { connection } = this;
    if (!connection) return;
    const backlog = (this.backlog ??= []);
    if (backlog.length >= MAXIMUM_BACKLOG) {
      this.fail(new SealwireError("MQTT_QUOTA_EXCEEDED", "The server sends packets, but takes no acknowledgements."));
      return;
    }
    backlog.push((operation << 24) | (reasonCode << 16) | id);
    connection.request();
  }

  /** Whether no acknowledgement waits. */
  get sated(): boolean {
    return !this.backlog || this.backlog.length === 0;
  }

  /** Between two packets: sends acknowledgements when there are many. */
  relieve(connection: SessionConnection): void {
    if (this.backlog && this.backlog.length >= RELIEVED_BACKLOG) this.flushAcknowledgements(connection);
  }

  /** Sends acknowledgements that wait. @returns whether none is left */
  flushAcknowledgements(connection: SessionConnection): boolean {
    const { backlog } = this;
    if (!backlog || backlog.length === 0 || this.connection !== connection) return true;
    let sent = 0;
    for (; sent < backlog.length; sent++) {
      const each = backlog[sent]!;
      if (!this.send(connection, each >> 24, each & 0xffff, (each >> 16) & 0xff)) break;
    }
    if (sent === backlog.length) backlog.length = 0;
    else backlog.splice(0, sent);
    return backlog.length === 0;
  }

  /** Writes PUBACK, PUBREC, PUBREL or PUBCOMP. @returns false when there is no room */
  send({ output, version, limits, isOpen }: SessionConnection, operation: number, id: number, reasonCode = 0): boolean {
    // Only a reason other than success takes room, and only version 5 has it.
    return isOpen && writeAcknowledgement(output, operation, id, version === 4 ? 0 : reasonCode, undefined, limits);
  }

  /** Ends the connection because of an error of either side. */
  fail(error: SealwireError): void {
    const { connection } = this;
    if (!connection) return;
    if (this.connected && connection.version === 5 && error.reasonCode !== undefined)
      this.writeDisconnect(connection, error.reasonCode);
    this.ended(error);
  }

  /** @returns whether DISCONNECT is on its way: not in the middle of another packet, nor before CONNACK */
  private writeDisconnect(connection: SessionConnection, reasonCode?: number): boolean {
    if (!connection.isOpen) return false;
    const { output, version, limits } = connection;
    try {
      writeControl(output, version, limits, DISCONNECT, undefined, reasonCode === undefined ? {} : { reasonCode });
      return true;
    } catch {
      // There is no room for it, or the transport failed.
      return false;
    }
  }

  /** The connection has ended, or is to end now. */
  ended(error: SealwireError | undefined, properties?: ReceivedProperties): void {
    const { connection, connected, goodbye, settings } = this;
    if (!connection) return;
    this.reset();
    connection.close();
    const reason = error ?? (goodbye ? undefined : serverClosed());
    if (!connected) this.attemptFailed(reason, connection.version);
    this.outbound.end(reason);
    this.inbound?.end();
    this.subscriptions.end();
    this.tellDisconnected(settings, goodbye ? undefined : reason, properties);
  }

  /** The application wants the connection to end. */
  leave(): void {
    const { connection, connected } = this;
    if (!connection) return;
    this.reset();
    connection.close();
    if (!connected) this.attemptFailed(undefined, connection.version);
    this.outbound.end(undefined);
    this.inbound?.end();
    this.subscriptions.end();
    this.tellDisconnected(this.settings, undefined, undefined);
  }

  private tellDisconnected(
    settings: SessionSettings,
    error: SealwireError | undefined,
    properties: ReceivedProperties | undefined,
  ): void {
    try {
      if (!this.closed) settings.onDisconnected?.(error, properties);
    } catch (failure) {
      this.failed(failure);
    }
    this.sayGoodbye();
  }

  /** Sends DISCONNECT. @returns fulfilled when the connection has ended */
  disconnect(): Promise<void> {
    const { connection, settings } = this;
    if (!connection) return Promise.resolve();
    if (this.goodbye) return this.goodbye.promise;
    let resolve = (): void => undefined;
    const promise = new Promise<void>((fulfilled) => (resolve = fulfilled));
    this.goodbye = { promise, resolve, timer: settings.timer.set(() => this.leave(), GOODBYE) };
    connection.flush();
    if (this.connected && this.writeDisconnect(connection)) {
      this.ready = false;
      connection.end();
      connection.request();
    } else this.leave();
    return promise;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    const { connection } = this;
    this.reset();
    connection?.close();
    this.outbound.close();
    this.inbound?.close();
    this.subscriptions.close();
    this.sayGoodbye();
  }

  /** The connection ended: what it should have acknowledged will come again. */
  private reset(): void {
    if (this.backlog) this.backlog.length = 0;
    this.connection = undefined;
    this.connected = this.ready = false;
  }

  /** Draws the conclusions from an attempt that did not lead to a connection. */
  private attemptFailed(error: SealwireError | undefined, version: ProtocolVersion): void {
    const { settings, state } = this;
    // A refusal, or no CONNECT at all, leaves the server's session as it was.
    if (error && (error.reasonCode !== undefined || BEFORE_CONNECT.includes(` ${error.code} `)))
      state.uncertain = this.wasUncertain;
    if ((settings.version ?? "auto") !== "auto" || settings.authentication) return;
    if (error?.code === "MQTT_VERSION_REFUSED") {
      state.version = otherThan(version);
      this.tryOther = false;
      this.tellVersion(this.nextVersion);
    } else if (error && this.isMisunderstood(error)) this.tryOther = !this.tryOther;
  }

  /** Whether the server answered CONNECT as one that does not know the version may: in another format, or by hanging up. */
  private isMisunderstood({ code }: SealwireError): boolean {
    if (code === "MQTT_MALFORMED_PACKET" || code === "MQTT_PROTOCOL_ERROR") return true;
    return code === "CONNECTION_LOST" && this.state.version === 0;
  }

  private sayGoodbye(): void {
    const { goodbye } = this;
    if (!goodbye) return;
    this.goodbye = undefined;
    this.settings.timer.clear(goodbye.timer);
    goodbye.resolve();
  }
}

function otherThan(version: ProtocolVersion): ProtocolVersion {
  return version === 5 ? 4 : 5;
}

function serverClosed(): SealwireError {
  return new SealwireError("CONNECTION_LOST", "The server closed the connection.");
}

/** Whether a packet was refused only for lack of room. */
export function isOverflow(error: unknown): boolean {
  return error instanceof SealwireError && error.code === "INVALID_STATE";
}

export function callbackFailed(error: unknown): SealwireError {
  return new SealwireError("CALLBACK_FAILED", "A callback of the application failed; its error is the cause.", {
    cause: error,
  });
}
