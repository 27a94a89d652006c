/** The object a device team holds: one secure MQTT link that resumes, and survives what devices live through. */
import { Clock } from "./clock.js";
import type { DeviceMessage, DeviceOptions, DevicePublishOptions, DeviceRotationLimits } from "./device-options.js";
import { DeviceRotation } from "./device-rotation.js";
import { equal } from "./bytes.js";
import { SealwireError, toSealwireError, type ErrorCode } from "./errors.js";
import { clientIdentifier, requireCertificateIdentity } from "./identity/index.js";
import { Link, Waiters } from "./link/index.js";
import { matchesTopic, MQTTSession, type QoS, type SessionMessage } from "./mqtt/index.js";
import type { Key, Platform, TLSNegotiated } from "./platform.js";
import {
  EncryptedStore,
  keepProvenTime,
  openRootKey,
  readProvenTime,
  RETAINED_SECTION,
  RetainedStore,
  SealedBox,
  STORAGE_KEY,
  type RootKey,
} from "./storage/index.js";
import { policyDigest, TLSSessionStore } from "./tls/index.js";
import { TLSSocket, type SecureOptions, type TLSSocketOptions, type TransportOptions } from "./transport/index.js";
import { readCredentials, type Credentials, type RecordChange, type Vault } from "./vault/index.js";

export class Device {
  readonly #options: DeviceOptions;
  readonly #platform: Platform;
  /** In force, or being proved. */
  #credentials: Credentials;
  readonly #rotation: DeviceRotation | undefined;
  readonly #clientIdentifier: string;
  readonly #clock: Clock;
  readonly #root: RootKey | undefined;
  /** Of the credentials that this device read itself, and therefore closes. */
  readonly #ownKey: Key | undefined;
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
  /** The sleep or stop that is under way, or done. */
  #ending: Promise<void> | undefined;
  readonly #waiters: Waiters;
  #lastError: SealwireError | undefined;
  #negotiated: TLSNegotiated | undefined;
  #noSessionReason: string | undefined;
  #bootstrap = false;
  #connectStarted = 0;
  /** The connection is gone, its goodbye sent. */
  #released: Promise<void> = Promise.resolve();

  /** @throws SealwireError `PROVISIONING_MISSING`, `PROVISIONING_INVALID`, `IDENTITY_MAC_INVALID`, `INVALID_ARGUMENT` */
  constructor(options: DeviceOptions) {
    const { platform } = options;
    this.#options = options;
    this.#platform = platform;
    this.#credentials = options.credentials ?? this.#openVault() ?? readCredentials(platform);
    this.#ownKey = (options.credentials ?? options.vault) ? undefined : this.#credentials.privateKey;
    this.#clientIdentifier =
      options.clientIdentifier ?? this.#credentials.clientIdentifier ?? clientIdentifier(platform.mac());
    this.#clock = new Clock(platform);
    this.#waiters = new Waiters(platform.timer);
    this.#root = this.#openRootKey();
    const box = this.#root && new SealedBox(platform.crypto, this.#root.key);
    this.#retained = box && platform.retainedMemory && new RetainedStore(platform.retainedMemory, box);
    this.#storage = box && platform.storage && new EncryptedStore(platform.storage, box);
    this.#clock.prove(readProvenTime(this.#storage));
    // Before anything else is written to retained memory: whatever is written next then no longer holds it.
    const savedSession = this.#takeSavedSession();
    this.#tlsSessions = new TLSSessionStore({
      clock: this.#clock,
      platform,
      retained: this.#retained,
      storage: this.#storage,
      maximumAuthenticationAge: options.maximumAuthenticationAge,
      reuseTickets: options.reuseTickets,
    });
    this.#session = this.#createSession(savedSession);
    this.#rotation = options.credentials ? undefined : this.#createRotation(options.vault);
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
    const connected = this.connected ? Promise.resolve() : this.#waiters.add(timeout, () => this.#lastError);
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
   *
   * Call it before {@link start} without waiting for the promise: messages that the broker kept during a sleep come with the
   * connection, and find their handler only if it is there.
   * @returns a promise of the QoS that the broker granted; pending as long as there is no connection
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
   * Replaces credentials: connects with the changed ones, and commits them once the broker accepted. Messages are neither lost nor sent twice by it;
   * they wait meanwhile. Fulfilled when the new credentials are in force.
   *
   * Rejected with what the broker or the vault said: then the old credentials are in force, and the device connects with them again.
   * After a power cut in between it starts with the old ones, and `vault.status.lastRotation` says so.
   */
  async rotate(change: RecordChange, { timeout }: DeviceRotationLimits = {}): Promise<void> {
    if (change.clientIdentifier !== undefined && change.clientIdentifier !== this.#clientIdentifier)
      throw new SealwireError("INVALID_ARGUMENT", "The client identifier cannot be replaced while the device runs.");
    await this.#rotating().run((vault) => vault.stage(change), timeout);
  }

  /**
   * Replaces the device certificate. The key is born here and never leaves.
   * @param issue has the request (PKCS#10, DER) signed; gives the chain (DER), the device's own certificate first
   */
  async rotateCertificate(
    issue: (request: Uint8Array) => Promise<readonly Uint8Array[]>,
    { timeout }: DeviceRotationLimits = {},
  ): Promise<void> {
    const rotation = this.#rotating();
    const { crypto } = this.#platform;
    const chain = await issue(await this.#options.vault!.certificateRequest(this.#clientIdentifier));
    if (chain[0] === undefined) throw new SealwireError("INVALID_ARGUMENT", "The certificate chain is empty.");
    requireCertificateIdentity(crypto, chain[0], this.#clientIdentifier);
    await rotation.run((vault) => vault.stageCertificate(chain), timeout);
  }

  /**
   * Replaces the authorities that the broker is verified against, in two steps: first the old and the new ones are trusted, then the new ones alone.
   * While the broker still shows a certificate of an old authority the second step is refused, and both stay trusted: call it again later.
   */
  async rotateTrustAnchors(trustAnchors: readonly Uint8Array[], limits: DeviceRotationLimits = {}): Promise<void> {
    const old = this.#credentials.trustAnchors.filter((anchor) => !trustAnchors.some((other) => equal(anchor, other)));
    await this.rotate({ trustAnchors: [...old, ...trustAnchors] }, limits);
    if (old.length > 0) await this.rotate({ trustAnchors }, limits);
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
      this.#keepForWake();
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

  /** @param keep is called once the connection is gone, and before the keys are */
  async #end(keep?: () => void): Promise<void> {
    const wasConnected = this.connected;
    this.#state = "stopped";
    this.#link.stop();
    this.#waiters.settle(closed());
    this.#rotation?.stop(closed());
    if (wasConnected) await this.#session.disconnect();
    else this.#session.abort();
    // A chip that sleeps at once would never send the goodbye, and the broker would take the device for dead.
    await this.#released;
    keep?.();
    this.#session.close();
    this.#root?.key.close();
    this.#ownKey?.close();
  }

  /** Storage that fails costs what would be kept in it, not the link: a device with worn flash can still be reached, and replaced. */
  #openRootKey(): RootKey | undefined {
    const { crypto, rootOfTrust, storage } = this.#platform;
    try {
      return openRootKey(crypto, rootOfTrust, storage);
    } catch (error) {
      this.#report(error, "STORAGE_FAILED", "The root key could not be opened: nothing will be kept.");
      return undefined;
    }
  }

  #createSession(savedState: Uint8Array | undefined): MQTTSession {
    const { platform, keepAlive = 60_000, mqttVersion = 4, will } = this.#options;
    return new MQTTSession({
      clientIdentifier: this.#clientIdentifier,
      timer: platform.timer,
      ticks: () => platform.ticks(),
      time: () => this.#clock.now(),
      version: mqttVersion,
      keepAlive,
      will: will && { ...will, topic: this.#expand(will.topic) },
      durability: "sleep",
      savedState,
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
    const { username: user, password } = this.#credentials;
    const dns = { io: platform.resolver };
    this.#session.connect({ ...this.#broker, user, password, dns, socket: { io: TLSSocket, ...socket } });
  }

  #secure(): SecureOptions {
    const { platform, applicationProtocols = [] } = this.#options;
    const { trustAnchors, revocationLists = [], revocation = "off" } = this.#credentials;
    const { certificateChain = [], privateKey } = this.#identity();
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
        this.#proveTime(negotiated.chainNotBefore);
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
    const bootstrap = this.#bootstrap;
    const info = { protocol, cipherSuite, resumed, sessionPresent, noSessionReason, milliseconds, bootstrap };
    this.#platform.observe?.({ event: "connected", ...info });
    this.#rotation?.connected();
    this.#waiters.settle();
    this.#call(() => this.#options.onConnected?.(info));
  }

  #lost(cause: SealwireError | undefined, willRetryIn: number | undefined): void {
    this.#lastError = cause;
    const retry = this.#rotation?.failed(cause) ? 0 : willRetryIn;
    this.#platform.observe?.({ event: "disconnected", code: cause?.code, message: cause?.message, willRetryIn: retry });
    this.#call(() => this.#options.onDisconnected?.({ cause, willRetryIn: retry }));
  }

  get #broker(): { readonly host: string; readonly port: number } {
    const { host, port = 8883 } = this.#options.broker ?? this.#credentials.broker;
    return { host, port };
  }

  /** What the vault holds, once what was provisioned is in it. */
  #openVault(): Credentials | undefined {
    const { vault, platform } = this.#options;
    if (vault === undefined) return undefined;
    try {
      if (platform.provisioning) vault.import(platform.provisioning);
    } catch (error) {
      // A record that is refused must not stop a device that has credentials. Without any, that is what is wrong.
      if (vault.status.integrity === "empty") throw error;
      this.#report(error, "PROVISIONING_INVALID", "The provisioning record could not be imported.");
    }
    return vault.credentials;
  }

  #createRotation(vault: Vault | undefined): DeviceRotation | undefined {
    if (vault === undefined) return undefined;
    return new DeviceRotation({
      vault,
      timer: this.#platform.timer,
      leave: async () => {
        this.#link.hold();
        await this.#session.disconnect();
        await this.#released;
        this.#mustBeOpen();
      },
      use: (credentials) => {
        this.#credentials = credentials;
        // A resumed session would be accepted on the strength of the old credentials, and prove nothing.
        this.#tlsSessions.clear();
      },
      connect: () => this.#link.resume(),
      onError: (error, code, message) => this.#report(error, code, message),
    });
  }

  #rotating(): DeviceRotation {
    this.#mustBeOpen();
    if (this.#rotation === undefined)
      throw new SealwireError("UNSUPPORTED", "Credentials can only be replaced on a device with a vault.");
    if (this.#state === "new") throw new SealwireError("INVALID_STATE", "The device must be started first.");
    return this.#rotation;
  }

  /** The device's own certificate, or while that is expired the one that is kept for its renewal. */
  #identity(): Pick<Credentials, "certificateChain" | "privateKey"> {
    const { certificateChain = [], bootstrap } = this.#credentials;
    const [own] = certificateChain;
    const { crypto } = this.#platform;
    this.#bootstrap =
      bootstrap !== undefined && (!own || crypto.certificate(own).notAfter <= this.#clock.interval().earliest);
    return this.#bootstrap && bootstrap ? bootstrap : this.#credentials;
  }

  /** A verified server shows by its certificate that this time is past. */
  #proveTime(time: number | undefined): void {
    if (!this.#clock.prove(time)) return;
    try {
      keepProvenTime(this.#storage, time!);
    } catch (error) {
      this.#report(error, "STORAGE_FAILED", "The proven time could not be stored.");
    }
  }

  async #dispatch(message: SessionMessage): Promise<void> {
    // All of them at once, and one that fails must not keep the message from the others.
    const handlers = this.#subscriptions.filter(({ filter }) => matchesTopic(filter, message.topic));
    const results = await Promise.allSettled(handlers.map(async ({ handler }) => handler(message)));
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  #expand(topic: string): string {
    if (!topic.includes("%c")) return topic;
    if (/[+#]/.test(this.#clientIdentifier))
      throw new SealwireError("INVALID_ARGUMENT", "%c in a topic needs a client identifier without + and #.");
    // A function, because `$` in a replacement text has a meaning of its own.
    return topic.replaceAll("%c", () => this.#clientIdentifier);
  }

  /** The MQTT session as it was before the sleep. It is used once: after a crash it would be the past, and messages would be sent again. */
  #takeSavedSession(): Uint8Array | undefined {
    try {
      const retained = this.#retained?.get(RETAINED_SECTION.mqttSession);
      this.#retained?.set(RETAINED_SECTION.mqttSession, undefined);
      this.#retained?.commit();
      if (retained) return retained;
      const stored = this.#storage?.read(STORAGE_KEY.mqttSession);
      if (stored) this.#storage?.delete(STORAGE_KEY.mqttSession);
      return stored && new Uint8Array(stored);
    } catch (error) {
      this.#report(error, "STORAGE_FAILED", "The MQTT session of before the sleep could not be read.");
      return undefined;
    }
  }

  #keepForWake(): void {
    try {
      const session = this.#session.save();
      this.#retained?.set(RETAINED_SECTION.mqttSession, session);
      this.#retained?.set(RETAINED_SECTION.link, this.#link.save());
      const dropped = this.#retained?.commit() ?? [RETAINED_SECTION.mqttSession];
      // Too much for retained memory: one write to flash is better than losing messages.
      if (dropped.includes(RETAINED_SECTION.mqttSession)) this.#storage?.write(STORAGE_KEY.mqttSession, session);
    } catch (error) {
      // A device that cannot keep its session must sleep all the same, or its battery is gone as well.
      this.#report(error, "STORAGE_FAILED", "The MQTT session could not be kept for after the sleep.");
    }
  }

  /** What the application's callbacks throw is theirs: it is reported, and the link goes on. */
  #call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      const message = "A callback of the application failed; its error is the cause.";
      this.#report(new SealwireError("CALLBACK_FAILED", message, { cause: error }), "CALLBACK_FAILED", message);
    }
  }

  #report(error: unknown, code: ErrorCode, message: string): void {
    try {
      this.#options.onError?.(toSealwireError(error, code, message));
    } catch {
      // The handler of errors failed itself: there is nobody left to tell, and in a timer it would restart the device.
    }
  }

  #mustBeOpen(): void {
    if (this.#state === "stopped") throw closed();
  }
}

function closed(): SealwireError {
  return new SealwireError("CLOSED", "The device was stopped.");
}
