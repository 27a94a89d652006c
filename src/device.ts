/** The object a device team holds: one secure MQTT link that resumes, and survives what devices live through. */
import { closed, DeviceCore } from "./device/device-core.js";
import type {
  DeviceOptions,
  DevicePublishOptions,
  DeviceRotationLimits,
  DeviceStatus,
  DeviceSubscribeOptions,
} from "./device/device-options.js";
import type { MessageHandler } from "./device/device-topics.js";
import { SealwireError } from "./errors.js";
import type { QoS } from "./mqtt/index.js";
import type { Permissions } from "./permissions/index.js";
import type { RecordChange } from "./vault/index.js";

export class Device {
  readonly #core: DeviceCore;

  /** @throws SealwireError `PROVISIONING_MISSING`, `PROVISIONING_INVALID`, `IDENTITY_MAC_INVALID`, `INVALID_ARGUMENT`, `UNSUPPORTED` */
  constructor(options: DeviceOptions) {
    this.#core = new DeviceCore(options, this);
  }

  /** The client identifier, which is also what `%c` stands for in topics. */
  get clientIdentifier(): string {
    return this.#core.clientIdentifier;
  }

  get connected(): boolean {
    return this.#core.connected;
  }

  get status(): DeviceStatus {
    const { messages, bytes } = this.#core.session.pending;
    const { state } = this.#core.link;
    return {
      state:
        this.#core.state === "started" && state !== "stopped" ? state : this.#core.state === "new" ? "new" : "stopped",
      clientIdentifier: this.#core.clientIdentifier,
      broker: this.#core.connector.broker,
      pending: { messages, bytes },
      lastError: this.connected ? undefined : this.#core.lastError,
    };
  }

  /** What this device may publish and subscribe to; everything while `undefined`. What was sent before a change is not taken back. */
  get permissions(): Permissions | undefined {
    return this.#core.permissions.current;
  }

  /** Kept in the vault, where there is one. @throws SealwireError `STORAGE_FAILED`, `INVALID_STATE`: the old ones are in force then */
  set permissions(permissions: Permissions | undefined) {
    this.#core.permissions.change(permissions);
  }

  /**
   * Connects, and keeps the link up from then on. Fulfilled when the broker accepted the device for the first time.
   *
   * Failures do not reject it: they are told to `onDisconnected`, and the device tries again. With `timeout` (milliseconds) it is rejected with
   * `TIMEOUT`, whose cause is the last failure, so that a device on a battery can go back to sleep; the link goes on trying.
   */
  start({ timeout }: { readonly timeout?: number } = {}): Promise<void> {
    if (this.#core.state === "stopped") return Promise.reject(closed());
    const connected = this.connected ? Promise.resolve() : this.#core.waiters.add(timeout, () => this.#core.lastError);
    if (this.#core.state === "new") this.#core.start();
    return connected;
  }

  /**
   * Publishes. `%c` in the topic is the client identifier. QoS 0 when left out. While the link is down the message waits in a bounded queue.
   * Published before {@link start}, it leaves together with CONNECT where the broker allows it, and saves a round trip. Fulfilled when it was sent
   * (QoS 0) or acknowledged. Rejected with `PERMISSION_DENIED` before anything is sent, else as `MQTTSession.publish`.
   */
  publish(topic: string, payload: Uint8Array | string, options: DevicePublishOptions = {}): Promise<void> {
    // Not `async`, and neither is `subscribe`: the frame of a function that waits takes some 700 bytes of a chip's heap meanwhile.
    try {
      this.#core.mustBeOpen();
      const { seal, ...rest } = options;
      const { qos = 0 } = options;
      const expanded = this.#core.topics.expand(topic);
      this.#core.permissions.require("publish", expanded, qos);
      const bytes = this.#core.sealing.seal(expanded, payload, rest.retain, seal);
      const published = this.#core.session.publish(expanded, bytes, rest);
      const { platform } = this.#core;
      // Nobody is to be told: then nothing waits for it here.
      if (!platform.observe && !this.#core.options.monitor) return published;
      return published.then(
        () => platform.observe?.({ event: "published", topic: expanded, qos }),
        (error: unknown) => this.#core.dropped(error),
      );
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Subscribes, now or once connected, and again whenever the broker forgot. `%c` in the filter is the client identifier.
   *
   * Call it before {@link start} without waiting for the promise: messages that the broker kept during a sleep come with the
   * connection, and find their handler only if it is there.
   * @returns a promise of the QoS that the broker granted; pending as long as there is no connection
   */
  subscribe(filter: string, handler: MessageHandler, options: DeviceSubscribeOptions = {}): Promise<QoS> {
    let remove: (() => void) | undefined;
    try {
      this.#core.mustBeOpen();
      const expanded = this.#core.topics.expand(filter);
      const { qos = 0, sealed } = options;
      this.#core.permissions.require("subscribe", expanded, qos);
      // Before the request is sent: retained messages may come with the answer.
      remove = this.#core.topics.add(expanded, handler, sealed);
      return this.#core.session.subscribe(expanded, { qos }).then(
        ([granted]) => granted as QoS,
        (error: unknown) => {
          remove!();
          throw error;
        },
      );
    } catch (error) {
      remove?.();
      return rejected(error);
    }
  }

  /** Ends a subscription, and all handlers of this filter. */
  async unsubscribe(filter: string): Promise<void> {
    this.#core.mustBeOpen();
    const expanded = this.#core.topics.expand(filter);
    this.#core.topics.remove(expanded);
    await this.#core.session.unsubscribe(expanded);
  }

  /**
   * Replaces credentials: connects with the changed ones, and commits them once the broker accepted. Messages are neither lost nor sent twice by it;
   * they wait meanwhile. Fulfilled when the new credentials are in force.
   *
   * Rejected with what the broker or the vault said: then the old credentials are in force, and the device connects with them again.
   * After a power cut in between it starts with the old ones, and `vault.status.lastRotation` says so.
   */
  rotate(change: RecordChange, limits?: DeviceRotationLimits): Promise<void> {
    return this.#core.credentials.rotate(change, limits);
  }

  /**
   * Replaces the device certificate. The key is born here and never leaves.
   * @param issue has the request (PKCS#10, DER) signed; gives the chain (DER), the device's own certificate first
   */
  rotateCertificate(
    issue: (request: Uint8Array) => Promise<readonly Uint8Array[]>,
    limits?: DeviceRotationLimits,
  ): Promise<void> {
    return this.#core.credentials.rotateCertificate(issue, limits);
  }

  /**
   * Replaces the authorities that the broker is verified against, in two steps: first the old and the new ones are trusted, then the new ones alone.
   * While the broker still shows a certificate of an old authority the second step is refused, and both stay trusted: call it again later.
   */
  rotateTrustAnchors(trustAnchors: readonly Uint8Array[], limits?: DeviceRotationLimits): Promise<void> {
    return this.#core.credentials.rotateTrustAnchors(trustAnchors, limits);
  }

  /**
   * Says goodbye to the broker, keeps what the next start needs, and sleeps. On a chip the program then starts again from the top, and so
   * it does in the simulators. Where it returns all the same, the device is stopped.
   */
  sleep(milliseconds: number): Promise<void> {
    try {
      if (!(milliseconds >= 0 && Number.isFinite(milliseconds)))
        throw new SealwireError("INVALID_ARGUMENT", "A device sleeps for a number of milliseconds, 0 or more.");
      this.#core.mustBeOpen();
      return this.#core.sleep(milliseconds);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Says goodbye to the broker and ends. Promises that are pending are rejected with `CLOSED`. Safe at any time; while the device is
   * about to sleep it changes nothing, and is fulfilled when the goodbye is said.
   */
  stop(): Promise<void> {
    return this.#core.stop();
  }

  /**
   * Stops, and destroys credentials, sessions, tickets, logs and everything else that Sealwire keeps on this device; it must be provisioned again. The vault is
   * closed. Where the wipe of a part fails the others are wiped all the same.
   * @throws SealwireError `STORAGE_FAILED`: call it again with a new device
   */
  async wipe(): Promise<void> {
    await this.stop();
    try {
      this.#core.platform.provisioning?.erase();
      this.#core.options.vault?.wipe();
    } finally {
      this.#core.memory.wipe();
    }
  }
}

function rejected(error: unknown): Promise<never> {
  return new Promise(() => {
    throw error;
  });
}
