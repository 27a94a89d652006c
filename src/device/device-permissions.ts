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
    this.bind(permissions);
    const { credentials } = this.#core;
    if (permissions === undefined || !credentials.replaceable) return;
    try {
      credentials.storePermissions(permissions.toBytes());
    } catch (error) {
      this.#bound = before;
      throw error;
    }
  }

  /** Takes over those of a message. @throws SealwireError as {@link change}, and `PERMISSIONS_INVALID` */
  receive(bytes: Uint8Array): void {
    const { permissions } = this.#core.options;
    if (typeof permissions !== "function")
      throw new SealwireError("UNSUPPORTED", "To read permissions the option permissions must be a function.");
    this.change(permissions(bytes));
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
    topics.add(expanded, ({ payload, sealed }) => {
      // A broker can send what it likes: only who has the device's secret may change what it is allowed.
      if (sealed) this.receive(payload);
      else failed(new SealwireError("PERMISSION_DENIED", "Permissions came in a message that is not sealed."));
    });
    session.subscribe(expanded, { qos: 1 }).catch(failed);
  }

  private bind(permissions: Permissions | undefined): void {
    const { clientIdentifier } = this.#core;
    this.#bound = permissions?.bind({ clientIdentifier, userName: this.#userName });
  }
}
