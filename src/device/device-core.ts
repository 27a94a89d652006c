/**
 * What holds the parts of a device together: made once, at its start, and known to each of them. Parts call it, and each other through it: on XS an object
 * with options, and each closure in it, would cost as much as a part itself.
 */
import { Clock } from "../clock.js";
import { SealwireError } from "../errors.js";
import { clientIdentifier } from "../identity/index.js";
import { Link, Waiters, type LinkLoss, type LinkOptions } from "../link/index.js";
import { MQTTSession } from "../mqtt/index.js";
import type { Platform } from "../platform.js";
import { RETAINED_SECTION } from "../storage/index.js";
import type { Credentials } from "../vault/index.js";
import { checkDeviceOptions } from "./device-checks.js";
import { DeviceClockWatch } from "./device-clock-watch.js";
import { DeviceConnector } from "./device-connector.js";
import { DeviceCredentials } from "./device-credentials.js";
import { DeviceLogin } from "./device-login.js";
import { DeviceMemory } from "./device-memory.js";
import type { DeviceOptions, DevicePublishOptions } from "./device-options.js";
import { DevicePermissions } from "./device-permissions.js";
import { DeviceReporter } from "./device-reporter.js";
import { DeviceSealing } from "./device-sealing.js";
import { DeviceTopics } from "./device-topics.js";
import { DeviceWatchdog } from "./device-watchdog.js";

export class DeviceCore implements LinkOptions {
  readonly options: DeviceOptions;
  readonly clientIdentifier: string;
  readonly clock: Clock;
  readonly clockWatch: DeviceClockWatch;
  readonly reporter: DeviceReporter;
  readonly memory: DeviceMemory;
  readonly connector: DeviceConnector;
  readonly permissions: DevicePermissions;
  readonly sealing: DeviceSealing;
  readonly topics: DeviceTopics;
  readonly session: MQTTSession;
  readonly link: Link;
  readonly credentials: DeviceCredentials;
  readonly waiters: Waiters;
  /** Only where there is a watchdog. */
  declare private watchdog?: DeviceWatchdog;
  /** Only where the password is proved instead of sent. */
  declare login?: DeviceLogin;
  state: "new" | "started" | "stopped" = "new";
  /** The sleep or stop that is under way, or done. */
  ending: Promise<void> | undefined;
  lastError: SealwireError | undefined;

  /** @throws SealwireError as the constructor of `Device` */
  constructor(options: DeviceOptions, device: DevicePublisher) {
    const { platform } = options;
    checkDeviceOptions(options);
    this.options = options;
    this.reporter = new DeviceReporter(options);
    this.credentials = new DeviceCredentials(this);
    const { initial: credentials } = this.credentials;
    this.clientIdentifier =
      options.clientIdentifier ?? credentials.clientIdentifier ?? clientIdentifier(platform.mac());
    this.clock = new Clock(platform);
    this.clockWatch = new DeviceClockWatch(platform, this.clock, this.reporter);
    this.waiters = new Waiters(platform.timer);
    this.permissions = new DevicePermissions(this, credentials);
    this.memory = new DeviceMemory(options, this.reporter);
    this.memory.restoreTime(this.clock);
    // Before anything else is written to retained memory: whatever is written next then no longer holds what must be used once only.
    this.sealing = new DeviceSealing(this, credentials);
    this.topics = new DeviceTopics(this);
    const savedSession = this.memory.takeSession();
    this.reporter.attach(platform, this.memory, device);
    if (options.login) this.login = new DeviceLogin(this);
    this.connector = new DeviceConnector(this, credentials, savedSession !== undefined);
    this.session = this.createSession(savedSession);
    this.sealing.loadMark(this.session);
    this.link = new Link(this);
  }

  get platform(): Platform {
    return this.options.platform;
  }

  get connected(): boolean {
    return this.link.state === "connected";
  }

  // What the link asks.

  get reconnectSpread(): readonly number[] | undefined {
    return this.options.reconnectSpread;
  }

  get stablePeriod(): number | undefined {
    return this.options.stablePeriod;
  }

  get startSpread(): number | undefined {
    return this.platform.wakeCause === "power" ? this.options.startSpread : 0;
  }

  get saved(): Uint8Array | undefined {
    return this.memory.get(RETAINED_SECTION.link);
  }

  connect(): void {
    this.clockWatch.look();
    this.connector.connect(this.session);
  }

  abort(): void {
    this.session.abort();
  }

  onLost({ cause, willRetryIn, suspected }: LinkLoss): void {
    this.lastError = cause;
    const retry = this.credentials.lost(cause) ? 0 : willRetryIn;
    this.platform.observe?.({ event: "disconnected", code: cause?.code, message: cause?.message, willRetryIn: retry });
    const info = { cause, willRetryIn: retry, suspected };
    this.options.monitor?.disconnected(info);
    this.reporter.lost(cause, suspected);
    this.reporter.call(() => this.options.onDisconnected?.(info));
  }

  start(): void {
    const { platform } = this;
    this.state = "started";
    if (platform.watchdog) (this.watchdog = new DeviceWatchdog(platform)).start();
    this.permissions.listen();
    this.link.start();
  }

  /** Ends the present connection properly; no other is begun before the link is told to. */
  async leave(): Promise<void> {
    this.link.hold();
    await this.session.disconnect();
    await this.connector.released();
    this.mustBeOpen();
  }

  /** Other credentials, for connections from now on. */
  use(credentials: Credentials): void {
    this.connector.use(credentials);
    this.sealing.use(credentials);
  }

  /** Sleeps, once everything that the next start needs is kept. */
  async sleep(milliseconds: number): Promise<void> {
    const resting = this.connected && this.session.pending.messages === 0;
    await (this.ending = this.end(resting));
    this.platform.sleep(milliseconds);
  }

  stop(): Promise<void> {
    return (this.ending ??= this.end(undefined));
  }

  /** A message that was not published. */
  dropped(error: unknown): never {
    this.options.monitor?.dropped(error);
    throw error;
  }

  mustBeOpen(): void {
    if (this.state === "stopped") throw closed();
  }

  /** @param resting before a sleep: whether nothing was left to do. `undefined`: the device stops for good */
  private async end(resting: boolean | undefined): Promise<void> {
    const { connected, link, session, memory } = this;
    this.state = "stopped";
    this.watchdog?.stop();
    link.stop();
    this.waiters.settle(closed());
    this.credentials.stop(closed());
    if (connected) await session.disconnect();
    else session.abort();
    // A chip that sleeps at once would never send the goodbye, and the broker would take the device for dead.
    await this.connector.released();
    if (resting !== undefined) {
      if (resting) link.restful();
      this.sealing.save();
      memory.keepForWake({ session: session.save(), link: link.save(), wake: this.connector.save() });
    }
    this.options.monitor?.stop();
    session.close();
    this.sealing.close();
    memory.close();
    this.login?.close();
    this.credentials.close();
  }

  private createSession(savedState: Uint8Array | undefined): MQTTSession {
    const { platform, keepAlive = 60_000, mqttVersion = 4, will, queue } = this.options;
    return new MQTTSession({
      clientIdentifier: this.clientIdentifier,
      timer: platform.timer,
      ticks: () => platform.ticks(),
      time: () => this.clock.now(),
      version: mqttVersion,
      keepAlive,
      ...(queue && { queue }),
      ...(will && { will: { ...will, topic: this.topics.expand(will.topic) } }),
      ...(this.options.login === "SCRAM-SHA-256" && { authentication: this.login! }),
      durability: "sleep",
      // A mark must outlast the power, or what was acknowledged could be replayed after it.
      ...(this.sealing.isThere && this.memory.storage && { storage: this.memory.storage }),
      ...(savedState && { savedState }),
      onMessage: (message) => this.topics.dispatch(message),
      onConnected: ({ sessionPresent }) => this.onConnected(sessionPresent),
      onDisconnected: (error, properties) =>
        this.link.lost(error, this.connector.ended(error, properties?.serverReference)),
      onError: (error) => this.reporter.error(error, "INVALID_STATE", ""),
    });
  }

  private onConnected(sessionPresent: boolean): void {
    const connection = this.connector.connected();
    if (connection === undefined) return;
    const info = { ...connection, sessionPresent };
    this.link.connected();
    this.lastError = undefined;
    this.platform.observe?.({ event: "connected", ...info });
    this.credentials.proved();
    this.waiters.settle();
    this.options.monitor?.connected(info);
    this.reporter.call(() => this.options.onConnected?.(info));
    // The application may have stopped the device from there.
    if (this.state !== "stopped") this.credentials.connected();
  }
}

/** What a monitor publishes by. */
export interface DevicePublisher {
  readonly connected: boolean;
  publish(topic: string, payload: Uint8Array | string, options?: DevicePublishOptions): Promise<void>;
}

export function closed(): SealwireError {
  return new SealwireError("CLOSED", "The device was stopped.");
}
