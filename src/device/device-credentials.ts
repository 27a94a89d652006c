/** Where a device's credentials come from, and how they are replaced while it runs. */
import { equal } from "../bytes.js";
import type { DeviceCore } from "./device-core.js";
import type { DeviceRotationLimits } from "./device-options.js";
import { DeviceRenewal } from "./device-renewal.js";
import { DeviceRotation } from "./device-rotation.js";
import { SealwireError } from "../errors.js";
import { requireCertificateIdentity } from "../identity/index.js";
import type { Key } from "../platform.js";
import { readCredentials, type Credentials, type RecordChange, type Vault } from "../vault/index.js";

export class DeviceCredentials {
  /** Those of the start. */
  readonly initial: Credentials;
  readonly #core: DeviceCore;
  /** Of the credentials that this device read itself, and therefore closes. */
  readonly #ownKey: Key | undefined;
  /** Made when they are needed. */
  declare private rotation?: DeviceRotation;
  declare private renewal?: DeviceRenewal;

  /** @throws SealwireError `PROVISIONING_MISSING`, `PROVISIONING_INVALID`, those of the vault */
  constructor(core: DeviceCore) {
    const { options } = core;
    this.#core = core;
    this.initial = options.credentials ?? this.openVault() ?? readCredentials(options.platform);
    this.#ownKey = (options.credentials ?? options.vault) ? undefined : this.initial.privateKey;
  }

  async rotate(change: RecordChange, { timeout }: DeviceRotationLimits = {}): Promise<void> {
    if (change.clientIdentifier !== undefined && change.clientIdentifier !== this.#core.clientIdentifier)
      throw new SealwireError("INVALID_ARGUMENT", "The client identifier cannot be replaced while the device runs.");
    await this.rotating().run((vault) => vault.stage(change), timeout);
  }

  async rotateCertificate(
    issue: (request: Uint8Array) => Promise<readonly Uint8Array[]>,
    { timeout }: DeviceRotationLimits = {},
  ): Promise<void> {
    const rotation = this.rotating();
    const { clientIdentifier } = this.#core;
    const chain = await issue(await this.#core.options.vault!.certificateRequest(clientIdentifier));
    if (chain[0] === undefined) throw new SealwireError("INVALID_ARGUMENT", "The certificate chain is empty.");
    requireCertificateIdentity(this.#core.platform.crypto, chain[0], clientIdentifier);
    await rotation.run((vault) => vault.stageCertificate(chain), timeout);
  }

  async rotateTrustAnchors(trustAnchors: readonly Uint8Array[], limits: DeviceRotationLimits = {}): Promise<void> {
    const { trustAnchors: present } = this.#core.connector.credentials;
    const old = present.filter((anchor) => !trustAnchors.some((other) => equal(anchor, other)));
    await this.rotate({ trustAnchors: [...old, ...trustAnchors] }, limits);
    if (old.length > 0) await this.rotate({ trustAnchors }, limits);
  }

  /** Whether there is a vault to keep changes in. */
  get replaceable(): boolean {
    const { vault, credentials } = this.#core.options;
    return vault !== undefined && credentials === undefined;
  }

  /** Whether credentials are being replaced. */
  get busy(): boolean {
    return this.rotation?.busy === true;
  }

  /** Fulfilled when they are not, or no longer. */
  async idle(): Promise<void> {
    while (this.busy) await this.rotation!.idle();
  }

  /** Keeps permissions in the vault. They are the device's own affair: no broker has to prove them, and the connection stays. */
  storePermissions(permissions: Uint8Array): void {
    if (this.busy) throw new SealwireError("INVALID_STATE", "Credentials are being replaced: try again later.");
    const vault = this.#core.options.vault!;
    vault.stage({ permissions });
    let credentials: Credentials;
    try {
      credentials = vault.prove();
      vault.commit();
    } catch (error) {
      try {
        vault.rollback();
      } catch {
        // The first failure says it. What is staged is given up when the next is staged, or at the next start.
      }
      throw error;
    }
    // The same, but the vault has closed the handles of before.
    this.#core.connector.keep(credentials);
    this.#core.sealing.use(credentials);
  }

  /** The broker accepted a connection: what was tried is proved. */
  proved(): void {
    this.rotation?.connected();
  }

  /** There is a connection, and the application was told. */
  connected(): void {
    if (this.replaceable) (this.renewal ??= new DeviceRenewal(this.#core)).connected();
  }

  /** @returns whether that ended a rotation, so that the device connects again at once */
  lost(cause: SealwireError | undefined): boolean {
    this.renewal?.stop();
    return this.rotation?.failed(cause) ?? false;
  }

  /** The device stops. */
  stop(error: SealwireError): void {
    this.renewal?.stop();
    this.rotation?.stop(error);
  }

  close(): void {
    this.#ownKey?.close();
  }

  /** What the vault holds, once what was provisioned is in it. */
  private openVault(): Credentials | undefined {
    const { vault, platform } = this.#core.options;
    if (vault === undefined) return undefined;
    try {
      if (platform.provisioning) vault.import(platform.provisioning);
    } catch (error) {
      // A record that is refused must not stop a device that has credentials. Without any, that is what is wrong.
      if (vault.status.integrity === "empty") throw error;
      this.#core.reporter.error(error, "PROVISIONING_INVALID", "The provisioning record could not be imported.");
    }
    return this.credentialsOf(vault);
  }

  private credentialsOf(vault: Vault): Credentials {
    try {
      return vault.credentials;
    } catch (error) {
      if (error instanceof SealwireError) this.#core.reporter.vault(error);
      throw error;
    }
  }

  private rotating(): DeviceRotation {
    if (!this.replaceable)
      throw new SealwireError("UNSUPPORTED", "Credentials can only be replaced on a device with a vault.");
    this.#core.mustBeOpen();
    if (this.#core.state === "new") throw new SealwireError("INVALID_STATE", "The device must be started first.");
    this.rotation ??= new DeviceRotation(this.#core);
    return this.rotation;
  }
}
