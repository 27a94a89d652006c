/** What a device may publish and subscribe to: where it comes from, how it is changed, and the check before anything is sent. */
import { SealwireError } from "../errors.js";
import type { QoS } from "../mqtt/index.js";
import type { Permissions } from "../permissions/index.js";
import type { Credentials } from "../vault/index.js";
import type { DeviceCore } from "./device-core.js";

export class DevicePermissions {
  readonly #core: DeviceCore;
  readonly #userName: string | undefined;
  /** With the values of `%c` and `%u`. */
  #bound: Permissions | undefined;
  /** The highest that was ever in force, as far as is known. */
  #version = 0;

  /** @throws SealwireError `PERMISSIONS_INVALID`, `INVALID_ARGUMENT`; `UNSUPPORTED` for provisioned ones that nobody can read */
  constructor(core: DeviceCore, { permissions: stored, username }: Credentials) {
    const { permissions } = core.options;
    this.#core = core;
    this.#userName = username;
    if (typeof permissions !== "function") {
      // To ignore them would allow everything.
      if (stored && permissions === undefined)
        throw new SealwireError(
          "UNSUPPORTED",
          "Permissions were provisioned: the device needs the option permissions, Permissions.parse for example.",
        );
      this.bind(permissions);
    } else if (stored) this.bind(permissions(stored));
  }

  get current(): Permissions | undefined {
    return this.#bound;
  }

  /** @throws SealwireError `STORAGE_FAILED`, `INVALID_STATE`: the old ones are in force then */
  change(permissions: Permissions | undefined): void {
    const before = this.#bound;
    const version = this.#version;
    // What the program sets itself must not let an old message in again.
    const kept = permissions && version > (permissions.version ?? 0) ? permissions.withVersion(version) : permissions;
    this.bind(kept);
    const { credentials } = this.#core;
    if (kept === undefined || !credentials.replaceable) return;
    try {
      credentials.storePermissions(kept.toBytes());
    } catch (error) {
      this.#bound = before;
      this.#version = version;
      throw error;
    }
  }

  /**
   * Takes over those of a message that was sealed. Sealing keeps messages from coming twice; that an old one does not come back where that was forgotten, the
   * version sees to.
   */
  private async receive(bytes: Uint8Array): Promise<void> {
    const { options, credentials, reporter } = this.#core;
    const next = (options.permissions as (json: Uint8Array) => Permissions)(bytes);
    const { version } = next;
    if (version === undefined)
      throw new SealwireError("PERMISSIONS_INVALID", 'Permissions that come by a message must have a "version".');
    // Until it is acknowledged the broker keeps the message.
    await credentials.idle();
    this.#core.mustBeOpen();
    if (version > this.#version) this.change(next);
    else if (version < this.#version)
      reporter.security(
        "payload-rejected",
        new SealwireError(
          "PERMISSIONS_ROLLED_BACK",
          `Permissions of version ${version} came, and version ${this.#version} is in force.`,
        ),
      );
  }

  /** @throws SealwireError `PERMISSION_DENIED`, whose message names the entry that would be needed: nothing is sent */
  require(request: "publish" | "subscribe", topic: string, qos: QoS): void {
    const error = this.#bound?.refusal(request, topic, qos);
    if (error === undefined) return;
    this.#core.reporter.security("permission-refused", error);
    throw error;
  }

  /** New permissions come by a topic, if the program wants that. */
  listen(): void {
    const { topics, session, reporter, options } = this.#core;
    const { permissionsTopic: topic } = options;
    if (topic === undefined) return;
    const failed = (error: unknown): void =>
      reporter.error(error, "PERMISSIONS_INVALID", "New permissions were not taken over.");
    const expanded = topics.expand(topic);
    // Sealed: a broker can send what it likes, and only who has the device's secret may change what it is allowed. Asked for whatever the permissions say, so that
    // no permissions can keep the next ones out.
    topics.reserve(expanded, ({ payload }) => this.receive(payload).catch(failed));
    session.subscribe(expanded, { qos: 1 }).catch((error: unknown) => {
      if (this.#core.state !== "stopped") failed(error);
    });
  }

  private bind(permissions: Permissions | undefined): void {
    const { clientIdentifier } = this.#core;
    this.#bound = permissions?.bind({ clientIdentifier, userName: this.#userName });
    this.#version = Math.max(this.#version, permissions?.version ?? 0);
  }
}
