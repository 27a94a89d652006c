/** The object a device team holds: one secure MQTT link that resumes, and survives what devices live through. */
import { Clock } from "./clock.js";
import { DeviceClockWatch } from "./device/device-clock-watch.js";
import { checkDeviceOptions } from "./device/device-checks.js";
import { DeviceConnector } from "./device/device-connector.js";
import { DeviceCredentials } from "./device/device-credentials.js";
import { DeviceMemory } from "./device/device-memory.js";
import type {
  DeviceOptions,
  DevicePublishOptions,
  DeviceRotationLimits,
  DeviceStatus,
  DeviceSubscribeOptions,
} from "./device/device-options.js";
import { DevicePermissions } from "./device/device-permissions.js";
import { DeviceReporter } from "./device/device-reporter.js";
import { DeviceSealing } from "./device/device-sealing.js";
import { DeviceTopics, type MessageHandler } from "./device/device-topics.js";
import { DeviceWatchdog } from "./device/device-watchdog.js";
import { SealwireError } from "./errors.js";
import { clientIdentifier } from "./identity/index.js";
import { Link, Waiters, type LinkLoss } from "./link/index.js";
import { MQTTSession, type QoS } from "./mqtt/index.js";
import type { Permissions } from "./permissions/index.js";
import type { Platform } from "./platform.js";
import { RETAINED_SECTION } from "./storage/index.js";
import type { RecordChange } from "./vault/index.js";

export class Device {
  readonly #options: DeviceOptions;
  readonly #platform: Platform;
  readonly #clientIdentifier: string;
  readonly #clock: Clock;
  readonly #clockWatch: DeviceClockWatch;
  readonly #reporter: DeviceReporter;
  readonly #memory: DeviceMemory;
  readonly #connector: DeviceConnector;
  readonly #permissions: DevicePermissions;
  readonly #sealing: DeviceSealing;
  readonly #topics: DeviceTopics;
  readonly #session: MQTTSession;
  readonly #link: Link;
  readonly #credentials: DeviceCredentials;
  readonly #waiters: Waiters;
  readonly #watchdog: DeviceWatchdog;
  #state: "new" | "started" | "stopped" = "new";
  /** The sleep or stop that is under way, or done. */
  #ending: Promise<void> | undefined;
  #lastError: SealwireError | undefined;

  /** @throws SealwireError `PROVISIONING_MISSING`, `PROVISIONING_INVALID`, `IDENTITY_MAC_INVALID`, `INVALID_ARGUMENT`, `UNSUPPORTED` */
  constructor(options: DeviceOptions) {
    const { platform, monitor } = options;
    checkDeviceOptions(options);
    this.#options = options;
    this.#platform = platform;
    this.#reporter = new DeviceReporter(options);
    this.#credentials = new DeviceCredentials(options, this.#reporter);
    const { initial: credentials } = this.#credentials;
    this.#clientIdentifier =
      options.clientIdentifier ?? credentials.clientIdentifier ?? clientIdentifier(platform.mac());
    this.#clock = new Clock(platform);
    this.#clockWatch = new DeviceClockWatch(platform, this.#clock, this.#reporter);
    this.#waiters = new Waiters(platform.timer);
    this.#watchdog = new DeviceWatchdog(platform);
    this.#permissions = new DevicePermissions({
      permissions: options.permissions,
      topic: options.permissionsTopic,
      stored: credentials.permissions,
      clientIdentifier: this.#clientIdentifier,
      userName: credentials.username,
      store: this.#credentials.storePermissions,
      reporter: this.#reporter,
    });
    this.#memory = new DeviceMemory({
      platform,
      onError: (error, code, message) => this.#reporter.error(error, code, message),
      onWrite: monitor && (() => monitor.storageWritten()),
    });
    this.#memory.restoreTime(this.#clock);
    // Before anything else is written to retained memory: whatever is written next then no longer holds what must be used once only.
    this.#sealing = new DeviceSealing({
      sealing: options.sealing,
      always: options.unencrypted === true,
      crypto: platform.crypto,
      memory: this.#memory,
      clientIdentifier: this.#clientIdentifier,
      credentials,
      reporter: this.#reporter,
    });
    this.#topics = new DeviceTopics({
      clientIdentifier: this.#clientIdentifier,
      timer: platform.timer,
      sealing: this.#sealing,
      onMessage: options.onMessage,
    });
    const savedSession = this.#memory.takeSession();
    this.#reporter.attach(platform, this.#memory, this);
    this.#connector = new DeviceConnector({
      device: options,
      reporter: this.#reporter,
      credentials,
      clock: this.#clock,
      memory: this.#memory,
      isWake: savedSession !== undefined,
      onHandshake: monitor && ((milliseconds) => monitor.handshake(milliseconds)),
    });
    this.#session = this.#createSession(savedSession);
    this.#sealing.loadMark(this.#session.mark);
    this.#link = new Link({
      platform,
      connect: () => {
        this.#clockWatch.look();
        this.#connector.connect(this.#session);
      },
      abort: () => this.#session.abort(),
      onLost: (loss) => this.#lost(loss),
      reconnectSpread: options.reconnectSpread,
      stablePeriod: options.stablePeriod,
      startSpread: platform.wakeCause === "power" ? options.startSpread : 0,
      saved: this.#memory.get(RETAINED_SECTION.link),
    });
    this.#credentials.bind({
      clientIdentifier: this.#clientIdentifier,
      clock: this.#clock,
      leave: () => this.#leave(),
      use: (replaced) => {
        this.#connector.use(replaced);
        this.#sealing.use(replaced);
      },
      keep: (same) => this.#connector.keep(same),
      connect: () => this.#link.resume(),
    });
  }

  /** The client identifier, which is also what `%c` stands for in topics. */
  get clientIdentifier(): string {
    return this.#clientIdentifier;
  }

  get connected(): boolean {
    return this.#link.state === "connected";
  }

  get status(): DeviceStatus {
    const { messages, bytes } = this.#session.pending;
    const { state } = this.#link;
    return {
      state: this.#state === "started" && state !== "stopped" ? state : this.#state === "new" ? "new" : "stopped",
      clientIdentifier: this.#clientIdentifier,
      broker: this.#connector.broker,
      pending: { messages, bytes },
      lastError: this.connected ? undefined : this.#lastError,
    };
  }

  /** What this device may publish and subscribe to; everything while `undefined`. What was sent before a change is not taken back. */
  get permissions(): Permissions | undefined {
    return this.#permissions.current;
  }

  /** Kept in the vault, where there is one. @throws SealwireError `STORAGE_FAILED`, `INVALID_STATE`: the old ones are in force then */
  set permissions(permissions: Permissions | undefined) {
    this.#permissions.change(permissions);
  }

  /**
   * Connects, and keeps the link up from then on. Fulfilled when the broker accepted the device for the first time.
   *
   * Failures do not reject it: they are told to `onDisconnected`, and the device tries again. With `timeout` (milliseconds) it is rejected with
   * `TIMEOUT`, whose cause is the last failure, so that a device on a battery can go back to sleep; the link goes on trying.
   */
  start({ timeout }: { readonly timeout?: number } = {}): Promise<void> {
    if (this.#state === "stopped") return Promise.reject(closed());
    const connected = this.connected ? Promise.resolve() : this.#waiters.add(timeout, () => this.#lastError);
    if (this.#state === "new") {
      this.#state = "started";
      this.#watchdog.start();
      this.#permissions.listen(this.#topics, this.#session);
      this.#link.start();
    }
    return connected;
  }

  /**
   * Publishes. `%c` in the topic is the client identifier. QoS 0 when left out. While the link is down the message waits in a bounded queue.
   * Published before {@link start}, it leaves together with CONNECT where the broker allows it, and saves a round trip. Fulfilled when it was sent
   * (QoS 0) or acknowledged. Rejected with `PERMISSION_DENIED` before anything is sent, else as `MQTTSession.publish`.
   */
  async publish(topic: string, payload: Uint8Array | string, options: DevicePublishOptions = {}): Promise<void> {
    this.#mustBeOpen();
    const { seal, ...rest } = options;
    const { qos = 0 } = options;
    const expanded = this.#topics.expand(topic);
    this.#permissions.require("publish", expanded, qos);
    const bytes = this.#sealing.seal(expanded, payload, seal);
    try {
      await this.#session.publish(expanded, bytes, rest);
    } catch (error) {
      this.#options.monitor?.dropped(error);
      throw error;
    }
    this.#platform.observe?.({ event: "published", topic: expanded, qos });
  }

  /**
   * Subscribes, now or once connected, and again whenever the broker forgot. `%c` in the filter is the client identifier.
   *
   * Call it before {@link start} without waiting for the promise: messages that the broker kept during a sleep come with the
   * connection, and find their handler only if it is there.
   * @returns a promise of the QoS that the broker granted; pending as long as there is no connection
   */
  async subscribe(filter: string, handler: MessageHandler, options: DeviceSubscribeOptions = {}): Promise<QoS> {
    this.#mustBeOpen();
    const expanded = this.#topics.expand(filter);
    const { qos = 0, sealed } = options;
    this.#permissions.require("subscribe", expanded, qos);
    // Before the request is sent: retained messages may come with the answer.
    const remove = this.#topics.add(expanded, handler, sealed);
    try {
      const [granted] = await this.#session.subscribe(expanded, { qos });
      return granted as QoS;
    } catch (error) {
      remove();
      throw error;
    }
  }

  /** Ends a subscription, and all handlers of this filter. */
  async unsubscribe(filter: string): Promise<void> {
    this.#mustBeOpen();
    const expanded = this.#topics.expand(filter);
    this.#topics.remove(expanded);
    await this.#session.unsubscribe(expanded);
  }

  /**
   * Replaces credentials: connects with the changed ones, and commits them once the broker accepted. Messages are neither lost nor sent twice by it;
   * they wait meanwhile. Fulfilled when the new credentials are in force.
   *
   * Rejected with what the broker or the vault said: then the old credentials are in force, and the device connects with them again.
   * After a power cut in between it starts with the old ones, and `vault.status.lastRotation` says so.
   */
  rotate(change: RecordChange, limits?: DeviceRotationLimits): Promise<void> {
    return this.#rotate(() => this.#credentials.rotate(change, limits));
  }

  /**
   * Replaces the device certificate. The key is born here and never leaves.
   * @param issue has the request (PKCS#10, DER) signed; gives the chain (DER), the device's own certificate first
   */
  rotateCertificate(
    issue: (request: Uint8Array) => Promise<readonly Uint8Array[]>,
    limits?: DeviceRotationLimits,
  ): Promise<void> {
    return this.#rotate(() => this.#credentials.rotateCertificate(issue, limits));
  }

  /**
   * Replaces the authorities that the broker is verified against, in two steps: first the old and the new ones are trusted, then the new ones alone.
   * While the broker still shows a certificate of an old authority the second step is refused, and both stay trusted: call it again later.
   */
  rotateTrustAnchors(trustAnchors: readonly Uint8Array[], limits?: DeviceRotationLimits): Promise<void> {
    const { trustAnchors: present } = this.#connector.credentials;
    return this.#rotate(() => this.#credentials.rotateTrustAnchors(present, trustAnchors, limits));
  }

  /**
   * Says goodbye to the broker, keeps what the next start needs, and sleeps. On a chip the program then starts again from the top, and so
   * it does in the simulators. Where it returns all the same, the device is stopped.
   */
  async sleep(milliseconds: number): Promise<void> {
    if (!(milliseconds >= 0 && Number.isFinite(milliseconds)))
      throw new SealwireError("INVALID_ARGUMENT", "A device sleeps for a number of milliseconds, 0 or more.");
    this.#mustBeOpen();
    const resting = this.connected && this.#session.pending.messages === 0;
    await (this.#ending = this.#end(() => {
      if (resting) this.#link.restful();
      this.#sealing.save();
      this.#memory.keepForWake({
        session: this.#session.save(),
        link: this.#link.save(),
        wake: this.#connector.save(),
      });
    }));
    this.#platform.sleep(milliseconds);
  }

  /**
   * Says goodbye to the broker and ends. Promises that are pending are rejected with `CLOSED`. Safe at any time; while the device is
   * about to sleep it changes nothing, and is fulfilled when the goodbye is said.
   */
  stop(): Promise<void> {
    return (this.#ending ??= this.#end());
  }

  /**
   * Stops, and destroys credentials, sessions, tickets, logs and everything else that Sealwire keeps on this device; it must be provisioned again. The vault is
   * closed. Where the wipe of a part fails the others are wiped all the same.
   * @throws SealwireError `STORAGE_FAILED`: call it again with a new device
   */
  async wipe(): Promise<void> {
    await this.stop();
    try {
      this.#platform.provisioning?.erase();
      this.#options.vault?.wipe();
    } finally {
      this.#memory.wipe();
    }
  }

  /** @param keep is called once the connection is gone, and before the keys are */
  async #end(keep?: () => void): Promise<void> {
    const { monitor } = this.#options;
    const wasConnected = this.connected;
    this.#state = "stopped";
    this.#watchdog.stop();
    this.#link.stop();
    this.#waiters.settle(closed());
    this.#credentials.stop(closed());
    if (wasConnected) await this.#session.disconnect();
    else this.#session.abort();
    // A chip that sleeps at once would never send the goodbye, and the broker would take the device for dead.
    await this.#connector.released;
    keep?.();
    monitor?.stop();
    this.#session.close();
    this.#sealing.close();
    this.#memory.close();
    this.#credentials.close();
  }

  #createSession(savedState: Uint8Array | undefined): MQTTSession {
    const { platform, keepAlive = 60_000, mqttVersion = 4, will, queue } = this.#options;
    return new MQTTSession({
      clientIdentifier: this.#clientIdentifier,
      timer: platform.timer,
      ticks: () => platform.ticks(),
      time: () => this.#clock.now(),
      version: mqttVersion,
      keepAlive,
      queue,
      will: will && { ...will, topic: this.#topics.expand(will.topic) },
      durability: "sleep",
      savedState,
      onMessage: (message) => this.#topics.dispatch(message),
      onConnected: ({ sessionPresent }) => this.#connected(sessionPresent),
      onDisconnected: (error, properties) =>
        this.#link.lost(error, this.#connector.ended(error, properties?.serverReference)),
      onError: (error) => this.#reporter.error(error, "INVALID_STATE", ""),
    });
  }

  #connected(sessionPresent: boolean): void {
    const connection = this.#connector.connected();
    if (connection === undefined) return;
    const info = { ...connection, sessionPresent };
    this.#link.connected();
    this.#lastError = undefined;
    this.#platform.observe?.({ event: "connected", ...info });
    this.#credentials.proved();
    this.#waiters.settle();
    this.#options.monitor?.connected(info);
    this.#reporter.call(() => this.#options.onConnected?.(info));
    this.#credentials.connected();
  }

  #lost({ cause, willRetryIn, suspected }: LinkLoss): void {
    this.#lastError = cause;
    const retry = this.#credentials.lost(cause) ? 0 : willRetryIn;
    this.#platform.observe?.({ event: "disconnected", code: cause?.code, message: cause?.message, willRetryIn: retry });
    const info = { cause, willRetryIn: retry, suspected };
    this.#options.monitor?.disconnected(info);
    this.#reporter.lost(cause, suspected);
    this.#reporter.call(() => this.#options.onDisconnected?.(info));
  }

  async #rotate(action: () => Promise<void>): Promise<void> {
    this.#mustBeOpen();
    if (this.#state === "new") throw new SealwireError("INVALID_STATE", "The device must be started first.");
    await action();
  }

  async #leave(): Promise<void> {
    this.#link.hold();
    await this.#session.disconnect();
    await this.#connector.released;
    this.#mustBeOpen();
  }

  #mustBeOpen(): void {
    if (this.#state === "stopped") throw closed();
  }
}

function closed(): SealwireError {
  return new SealwireError("CLOSED", "The device was stopped.");
}
