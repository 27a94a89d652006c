/** Where a device's credentials come from, and how they are replaced while it runs. */
import { equal } from "../bytes.js";
import type { Clock } from "../clock.js";
import type { DeviceOptions, DeviceRotationLimits } from "./device-options.js";
import { DeviceRenewal } from "./device-renewal.js";
import type { DeviceReporter } from "./device-reporter.js";
import { DeviceRotation } from "./device-rotation.js";
import { SealwireError } from "../errors.js";
import { requireCertificateIdentity } from "../identity/index.js";
import type { Key } from "../platform.js";
import { readCredentials, type Credentials, type RecordChange, type Vault } from "../vault/index.js";

/** What a rotation does with the link. */
export interface CredentialsLink {
  readonly clientIdentifier: string;
  readonly clock: Clock;
  /** Ends the present connection properly, and connects no more until {@link connect}. */
  readonly leave: () => Promise<void>;
  readonly use: (credentials: Credentials) => void;
  /** The same credentials, in other handles. */
  readonly keep: (credentials: Credentials) => void;
  readonly connect: () => void;
}

export class DeviceCredentials {
  /** Those of the start. */
  readonly initial: Credentials;
  readonly #options: DeviceOptions;
  readonly #reporter: DeviceReporter;
  /** Of the credentials that this device read itself, and therefore closes. */
  readonly #ownKey: Key | undefined;
  #link: CredentialsLink | undefined;
  #rotation: DeviceRotation | undefined;
  #renewal: DeviceRenewal | undefined;

  /** @throws SealwireError `PROVISIONING_MISSING`, `PROVISIONING_INVALID`, those of the vault */
  constructor(options: DeviceOptions, reporter: DeviceReporter) {
    this.#options = options;
    this.#reporter = reporter;
    this.initial = options.credentials ?? this.#openVault() ?? readCredentials(options.platform);
    this.#ownKey = (options.credentials ?? options.vault) ? undefined : this.initial.privateKey;
  }

  /** Must be called once, before anything is replaced. */
  bind(link: CredentialsLink): void {
    const { vault, platform, credentials, issueCertificate, onRenewalDue } = this.#options;
    this.#link = link;
    if (vault === undefined || credentials !== undefined) return;
    this.#rotation = new DeviceRotation({
      vault,
      timer: platform.timer,
      leave: link.leave,
      use: link.use,
      connect: link.connect,
      onError: (error, code, message) => this.#reporter.error(error, code, message),
    });
    this.#renewal = new DeviceRenewal({
      platform,
      clock: link.clock,
      vault,
      onDue: (due) => this.#reporter.call(() => onRenewalDue?.(due)),
      renew: issueCertificate && (() => this.rotateCertificate(issueCertificate)),
      onError: (error) => this.#reporter.error(error, "CALLBACK_FAILED", "The device certificate was not renewed."),
    });
  }

  async rotate(change: RecordChange, { timeout }: DeviceRotationLimits = {}): Promise<void> {
    if (change.clientIdentifier !== undefined && change.clientIdentifier !== this.#link?.clientIdentifier)
      throw new SealwireError("INVALID_ARGUMENT", "The client identifier cannot be replaced while the device runs.");
    await this.#rotating().run((vault) => vault.stage(change), timeout);
  }

  async rotateCertificate(
    issue: (request: Uint8Array) => Promise<readonly Uint8Array[]>,
    { timeout }: DeviceRotationLimits = {},
  ): Promise<void> {
    const rotation = this.#rotating();
    const { clientIdentifier } = this.#link!;
    const chain = await issue(await this.#options.vault!.certificateRequest(clientIdentifier));
    if (chain[0] === undefined) throw new SealwireError("INVALID_ARGUMENT", "The certificate chain is empty.");
    requireCertificateIdentity(this.#options.platform.crypto, chain[0], clientIdentifier);
    await rotation.run((vault) => vault.stageCertificate(chain), timeout);
  }

  async rotateTrustAnchors(
    present: readonly Uint8Array[],
    trustAnchors: readonly Uint8Array[],
    limits: DeviceRotationLimits = {},
  ): Promise<void> {
    const old = present.filter((anchor) => !trustAnchors.some((other) => equal(anchor, other)));
    await this.rotate({ trustAnchors: [...old, ...trustAnchors] }, limits);
    if (old.length > 0) await this.rotate({ trustAnchors }, limits);
  }

  /**
   * Keeps permissions in the vault. They are the device's own affair: no broker has to prove them, and the connection stays.
   * @returns `undefined` where there is no vault to keep them in
   */
  get storePermissions(): ((permissions: Uint8Array) => void) | undefined {
    const { vault, credentials } = this.#options;
    if (vault === undefined || credentials !== undefined) return undefined;
    return (permissions) => {
      if (this.#rotation?.busy)
        throw new SealwireError("INVALID_STATE", "Credentials are being replaced: try again later.");
      vault.stage({ permissions });
      const changed = vault.prove();
      this.#link?.keep(changed);
      vault.commit();
    };
  }

  /** The broker accepted a connection: what was tried is proved. */
  proved(): void {
    this.#rotation?.connected();
  }

  /** There is a connection, and the application was told. */
  connected(): void {
    this.#renewal?.connected();
  }

  /** @returns whether that ended a rotation, so that the device connects again at once */
  lost(cause: SealwireError | undefined): boolean {
    this.#renewal?.stop();
    return this.#rotation?.failed(cause) ?? false;
  }

  /** The device stops. */
  stop(error: SealwireError): void {
    this.#renewal?.stop();
    this.#rotation?.stop(error);
  }

  close(): void {
    this.#ownKey?.close();
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
      this.#reporter.error(error, "PROVISIONING_INVALID", "The provisioning record could not be imported.");
    }
    return this.#credentialsOf(vault);
  }

  #credentialsOf(vault: Vault): Credentials {
    try {
      return vault.credentials;
    } catch (error) {
      if (error instanceof SealwireError) this.#reporter.vault(error);
      throw error;
    }
  }

  #rotating(): DeviceRotation {
    if (this.#rotation === undefined)
      throw new SealwireError("UNSUPPORTED", "Credentials can only be replaced on a device with a vault.");
    return this.#rotation;
  }
}
