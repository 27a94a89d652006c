/** The object a device team holds: one secure MQTT link that resumes, and survives what devices live through. */
import { Clock } from "./clock.js";
import { SealwireError, toSealwireError } from "./errors.js";
import { clientIdentifier } from "./identity/index.js";
import { Link } from "./link/index.js";
import { matchesTopic, MQTTSession, type QoS, type SessionMessage, type Will } from "./mqtt/index.js";
import type { Platform, TLSNegotiated } from "./platform.js";
import {
  EncryptedStore,
  openRootKey,
  RETAINED_SECTION,
  RetainedStore,
  SealedBox,
  STORAGE_KEY,
  type RootKey,
} from "./storage/index.js";
import { policyDigest, TLSSessionStore } from "./tls/index.js";
import { TLSSocket, type SecureOptions, type TLSSocketOptions, type TransportOptions } from "./transport/index.js";
import { readCredentials, type Credentials } from "./vault/index.js";

export interface DeviceOptions {
  readonly platform: Platform;
  /** The broker's name or address and its TLS port (8883 when left out). What was provisioned, when left out. */
  readonly broker?: { readonly host: string; readonly port?: number } | undefined;
  /** What was provisioned, when left out. */
  readonly credentials?: Credentials | undefined;
  /** What was provisioned, else derived from the MAC address, when left out. */
  readonly clientIdentifier?: string | undefined;
  /** Milliseconds without traffic after which the broker is asked for a sign of life. 60,000 when left out. */
  readonly keepAlive?: number | undefined;
  /** Protocol level: 4 is MQTT 3.1.1, 5 is MQTT 5.0, `"auto"` tries 5 first. 4 when left out. */
  readonly mqttVersion?: 4 | 5 | "auto" | undefined;
  /** What the broker publishes when this device vanishes. `%c` in its topic is the client identifier. */
  readonly will?: Will | undefined;
  /** Names offered by ALPN, for brokers that need one: `mqtt` on port 443, say. */
  readonly applicationProtocols?: readonly string[] | undefined;
  /** See `ReconnectSchedule`. Milliseconds. */
  readonly reconnectSpread?: readonly number[] | undefined;
  /** Milliseconds after which the broker's certificate must be checked anew, instead of resuming. 7 days when left out. */
  readonly maximumAuthenticationAge?: number | undefined;
  /** Whether a TLS 1.3 ticket may be used again when the broker accepted it and gave no new one. True when left out. */
  readonly reuseTickets?: boolean | undefined;
  readonly onConnected?: ((info: DeviceConnected) => void) | undefined;
  readonly onDisconnected?: ((info: DeviceDisconnected) => void) | undefined;
  /** A failure that no promise tells of, such as an error thrown by a subscription's handler. */
  readonly onError?: ((error: SealwireError) => void) | undefined;
}

export interface DeviceConnected {
  readonly protocol: TLSNegotiated["protocol"];
  readonly cipherSuite: string;
  /** Whether a TLS session was resumed. */
  readonly resumed: boolean;
  /** Whether the broker still had the MQTT session. */
  readonly sessionPresent: boolean;
  /** Why no TLS session could be offered; `undefined` when one was. */
  readonly noSessionReason: string | undefined;
  /** From the start of the connection to the CONNACK. */
  readonly milliseconds: number;
}

export interface DeviceDisconnected {
  readonly cause: SealwireError | undefined;
  /** Milliseconds; `undefined` when the network is down: as soon as it is up. */
  readonly willRetryIn: number | undefined;
}

/** A message as it is handed to the handler of a subscription. */
export type DeviceMessage = Pick<SessionMessage, "topic" | "payload" | "qos" | "retain" | "redelivered">;

export interface DevicePublishOptions {
  readonly qos?: QoS | undefined;
  readonly retain?: boolean | undefined;
}

interface Waiter {
  resolve: () => void;
  reject: (error: SealwireError) => void;
}

export class Device {
  readonly #options: DeviceOptions;
  readonly #platform: Platform;
  readonly #credentials: Credentials;
  readonly #broker: { readonly host: string; readonly port: number };
  readonly #clientIdentifier: string;
  readonly #clock: Clock;
  readonly #root: RootKey | undefined;
  readonly #retained: RetainedStore | undefined;
  readonly #storage: EncryptedStore | undefined;
  readonly #tlsSessions: TLSSessionStore;
  readonly #session: MQTTSession;
  readonly #link: Link;
  readonly #subscriptions: {
    readonly filter: string;
    readonly handler: (message: DeviceMessage) => void | Promise<void>;
  }[] = [];
  #state: "new" | "started" | "stopped" = "new";
  #waiters: Waiter[] = [];
  #lastError: SealwireError | undefined;
  #negotiated: TLSNegotiated | undefined;
  #noSessionReason: string | undefined;
  #connectStarted = 0;
  /** The connection is gone, its goodbye sent. */
  #released: Promise<void> = Promise.resolve();

  /** @throws SealwireError `PROVISIONING_MISSING`, `PROVISIONING_INVALID`, `IDENTITY_MAC_INVALID`, `INVALID_ARGUMENT` */
  constructor(options: DeviceOptions) {
    const { platform } = options;
    this.#options = options;
    this.#platform = platform;
    this.#credentials = options.credentials ?? readCredentials(platform);
    this.#broker = { port: 8883, ...(options.broker ?? this.#credentials.broker) };
    this.#clientIdentifier =
      options.clientIdentifier ?? this.#credentials.clientIdentifier ?? clientIdentifier(platform.mac());
    this.#clock = new Clock(platform);
    this.#root = openRootKey(platform.crypto, platform.rootOfTrust, platform.storage);
    const box = this.#root && new SealedBox(platform.crypto, this.#root.key);
    this.#retained = box && platform.retainedMemory && new RetainedStore(platform.retainedMemory, box);
    this.#storage = box && platform.storage && new EncryptedStore(platform.storage, box);
    this.#tlsSessions = new TLSSessionStore({
      clock: this.#clock,
      platform,
      retained: this.#retained,
      storage: this.#storage,
      maximumAuthenticationAge: options.maximumAuthenticationAge,
      reuseTickets: options.reuseTickets,
    });
    this.#session = this.#createSession();
    this.#link = new Link({
      platform,
      connect: () => this.#connect(),
      abort: () => this.#session.abort(),
      onLost: (cause, willRetryIn) => this.#lost(cause, willRetryIn),
      reconnectSpread: options.reconnectSpread,
      saved: this.#retained?.get(RETAINED_SECTION.link),
    });
  }

  /** The client identifier, which is also what `%c` stands for in topics. */
  get clientIdentifier(): string {
    return this.#clientIdentifier;
  }

  get connected(): boolean {
    return this.#link.state === "connected";
  }

  /**
   * Connects, and keeps the link up from then on. Fulfilled when the broker accepted the device for the first time.
   *
   * Failures do not reject it: they are told to `onDisconnected`, and the device tries again. With `timeout` (milliseconds) it is rejected with
   * `TIMEOUT`, whose cause is the last failure, so that a device on a battery can go back to sleep; the link goes on trying.
   */
  start({ timeout }: { readonly timeout?: number } = {}): Promise<void> {
    if (this.#state === "stopped") return Promise.reject(closed());
    const connected = this.connected ? Promise.resolve() : this.#untilConnected(timeout);
    if (this.#state === "new") {
      this.#state = "started";
      this.#link.start();
    }
    return connected;
  }

  /**
   * Publishes. `%c` in the topic is the client identifier. QoS 0 when left out. While the link is down the message waits in a bounded
   * queue. Fulfilled when it was sent (QoS 0) or acknowledged.
   */
  async publish(topic: string, payload: Uint8Array | string, options: DevicePublishOptions = {}): Promise<void> {
    this.#mustBeOpen();
    await this.#session.publish(this.#expand(topic), payload, options);
    this.#platform.observe?.({ event: "published", topic: this.#expand(topic), qos: options.qos ?? 0 });
  }

  /**
   * Subscribes, now or once connected, and again whenever the broker forgot. `%c` in the filter is the client identifier.
   * @returns a promise of the QoS that the broker granted
   */
  async subscribe(
    filter: string,
    handler: (message: DeviceMessage) => void | Promise<void>,
    { qos = 0 }: { readonly qos?: QoS } = {},
  ): Promise<QoS> {
    this.#mustBeOpen();
    const expanded = this.#expand(filter);
    const subscription = { filter: expanded, handler };
    // Before the request is sent: retained messages may come with the answer.
    this.#subscriptions.push(subscription);
    try {
      const [granted] = await this.#session.subscribe(expanded, { qos });
      return granted as QoS;
    } catch (error) {
      this.#subscriptions.splice(this.#subscriptions.indexOf(subscription), 1);
      throw error;
    }
  }

  /**
   * Says goodbye to the broker, keeps what the next start needs, and sleeps. On a chip the program then starts again from the top, and so
   * it does in the simulators.
   */
  async sleep(milliseconds: number): Promise<void> {
    this.#mustBeOpen();
    const resting = this.connected && this.#session.pending.messages === 0;
    await this.#end();
    if (resting) this.#link.restful();
    this.#keepForWake();
    this.#platform.sleep(milliseconds);
  }

  /** Says goodbye to the broker and ends. Promises that are pending are rejected with `CLOSED`. Safe at any time. */
  async stop(): Promise<void> {
    if (this.#state === "stopped") return;
    await this.#end();
    this.#session.close();
    this.#root?.key.close();
    this.#credentials.privateKey?.close();
  }

  async #end(): Promise<void> {
    const wasConnected = this.connected;
    this.#state = "stopped";
    this.#link.stop();
    this.#settle((waiter) => waiter.reject(closed()));
    if (wasConnected) await this.#session.disconnect();
    else this.#session.abort();
    // A chip that sleeps at once would never send the goodbye, and the broker would take the device for dead.
    await this.#released;
  }

  #createSession(): MQTTSession {
    const { platform, keepAlive = 60_000, mqttVersion = 4, will } = this.#options;
    const { username, password } = this.#credentials;
    return new MQTTSession({
      clientIdentifier: this.#clientIdentifier,
      timer: platform.timer,
      ticks: () => platform.ticks(),
      time: () => this.#clock.now(),
      version: mqttVersion,
      keepAlive,
      user: username,
      password,
      will: will && { ...will, topic: this.#expand(will.topic) },
      durability: "sleep",
      savedState: this.#savedSession(),
      onMessage: (message) => this.#dispatch(message),
      onConnected: ({ sessionPresent }) => this.#connected(sessionPresent),
      onDisconnected: (error) => this.#link.lost(error),
      onError: (error) => this.#call(() => this.#options.onError?.(error)),
    });
  }

  #connect(): void {
    const { platform } = this.#options;
    this.#connectStarted = platform.ticks();
    this.#negotiated = undefined;
    let released: (() => void) | undefined;
    const socket: Omit<TLSSocketOptions, keyof TransportOptions> = {
      socket: { io: platform.tcp },
      timer: platform.timer,
      secure: () => {
        this.#released = new Promise((resolve) => (released = resolve));
        return this.#secure();
      },
      onReleased: () => released?.(),
    };
    this.#session.connect({ ...this.#broker, dns: { io: platform.resolver }, socket: { io: TLSSocket, ...socket } });
  }

  #secure(): SecureOptions {
    const { platform, applicationProtocols = [] } = this.#options;
    const {
      trustAnchors,
      revocationLists = [],
      revocation = "off",
      certificateChain = [],
      privateKey,
    } = this.#credentials;
    const { minimumVersion = "TLSv1.2", maximumVersion } = this.#credentials;
    const serverName = this.#broker.host;
    const checks = {
      trustAnchors,
      revocationLists,
      revocation,
      certificateChain,
      serverName,
      minimumVersion,
      maximumVersion,
    };
    const digest = policyDigest(platform.crypto, {
      ...checks,
      applicationProtocols,
      engineBuild: platform.tlsEngineBuild,
    });
    const session = this.#tlsSessions.take(digest);
    this.#noSessionReason = session === undefined ? this.#tlsSessions.reason : undefined;
    return {
      ...checks,
      applicationProtocols,
      privateKey,
      session,
      time: this.#clock.interval(),
      createTLSEngine: (options) => platform.createTLSEngine(options),
      onOpen: (negotiated) => {
        this.#tlsSessions.opened(digest, negotiated);
        this.#negotiated = negotiated;
      },
      onSession: (data) => this.#tlsSessions.put(data),
    };
  }

  #connected(sessionPresent: boolean): void {
    const negotiated = this.#negotiated;
    if (negotiated === undefined) return;
    this.#link.connected();
    this.#lastError = undefined;
    const { protocol, cipherSuite, resumed } = negotiated;
    const milliseconds = this.#platform.ticks() - this.#connectStarted;
    const noSessionReason = this.#noSessionReason;
    const info = { protocol, cipherSuite, resumed, sessionPresent, noSessionReason, milliseconds };
    this.#platform.observe?.({ event: "connected", ...info });
    this.#settle((waiter) => waiter.resolve());
    this.#call(() => this.#options.onConnected?.(info));
  }

  #lost(cause: SealwireError | undefined, willRetryIn: number | undefined): void {
    this.#lastError = cause;
    this.#platform.observe?.({ event: "disconnected", code: cause?.code, message: cause?.message, willRetryIn });
    this.#call(() => this.#options.onDisconnected?.({ cause, willRetryIn }));
  }

  async #dispatch(message: SessionMessage): Promise<void> {
    // All of them at once, and one that fails must not keep the message from the others.
    const handlers = this.#subscriptions.filter(({ filter }) => matchesTopic(filter, message.topic));
    const results = await Promise.allSettled(handlers.map(async ({ handler }) => handler(message)));
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  #expand(topic: string): string {
    return topic.replaceAll("%c", this.#clientIdentifier);
  }

  /** The MQTT session as it was before the sleep. */
  #savedSession(): Uint8Array | undefined {
    const retained = this.#retained?.get(RETAINED_SECTION.mqttSession);
    if (retained) return retained;
    try {
      const stored = this.#storage?.read(STORAGE_KEY.mqttSession);
      // It is used once: after a later power cut it would be the past, and messages would be sent again.
      if (stored) this.#storage?.delete(STORAGE_KEY.mqttSession);
      return stored && new Uint8Array(stored);
    } catch (error) {
      this.#report(error, "The MQTT session of before the sleep could not be read.");
      return undefined;
    }
  }

  #keepForWake(): void {
    const session = this.#session.save();
    try {
      this.#retained?.set(RETAINED_SECTION.mqttSession, session);
      this.#retained?.set(RETAINED_SECTION.link, this.#link.save());
      const dropped = this.#retained?.commit() ?? [RETAINED_SECTION.mqttSession];
      // Too much for retained memory: one write to flash is better than losing messages.
      if (dropped.includes(RETAINED_SECTION.mqttSession)) this.#storage?.write(STORAGE_KEY.mqttSession, session);
    } catch (error) {
      // A device that cannot keep its session must sleep all the same, or its battery is gone as well.
      this.#report(error, "The MQTT session could not be kept for after the sleep.");
    }
  }

  #untilConnected(timeout: number | undefined): Promise<void> {
    const { timer } = this.#platform;
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject };
      this.#waiters.push(waiter);
      if (timeout === undefined) return;
      const handle = timer.set(() => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        const message = `The device was not connected within ${timeout} ms.`;
        reject(new SealwireError("TIMEOUT", message, { cause: this.#lastError }));
      }, timeout);
      waiter.resolve = () => {
        timer.clear(handle);
        resolve();
      };
      waiter.reject = (error) => {
        timer.clear(handle);
        reject(error);
      };
    });
  }

  #settle(how: (waiter: Waiter) => void): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) how(waiter);
  }

  /** What the application's callbacks throw is theirs: it is reported, and the link goes on. */
  #call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#report(error, "A callback of the application failed.");
    }
  }

  #report(error: unknown, message: string): void {
    this.#options.onError?.(toSealwireError(error, "INVALID_STATE", message));
  }

  #mustBeOpen(): void {
    if (this.#state === "stopped") throw closed();
  }
}

function closed(): SealwireError {
  return new SealwireError("CLOSED", "The device was stopped.");
}
