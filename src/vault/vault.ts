/**
 * The vault: credentials at rest, sealed under the root of trust, replaced only by ones that proved themselves.
 *
 * ```
 *            provision, import            stage            prove             commit
 *   empty ----------------------> ok ---------------> staged -----> proving ---------> ok (new)
 *     ^                            ^                    |              |
 *     +--- wipe (from anywhere)    +---- rollback ------+--------------+   also after a power cut
 * ```
 *
 * Power may fail at any write. Opened again, the vault holds the old or the new record; what was begun is finished or taken back.
 */
import { wipe } from "../bytes.js";
import { SealwireError, type ErrorCode } from "../errors.js";
import type { Crypto, KeyValueStorage, MonotonicCounter, ProvisioningPartition, RootOfTrust } from "../platform.js";
import { openRootKey, STORAGE_KEY, TwoSlotRecord, VersionedBox, type RootKey } from "../storage/index.js";
import { closeCredentials, toCredentials, wipeRecord, type Credentials } from "./credentials.js";
import { PendingKey } from "./pending-key.js";
import { unlockProvisioningRecord } from "./provisioning-envelope.js";
import { decodeProvisioningRecord, type ProvisioningRecord } from "./provisioning-record.js";
import { awaitsOwnKey, isForOwnKey, isSameRecord } from "./record-comparison.js";
import { encodeValid, requireValid } from "./record-validation.js";
import { checkRenewal, renewalTime, type RenewalOptions } from "./renewal.js";
import { decodeRotationNote, encodeRotationNote, type RotationNote, type RotationOutcome } from "./rotation-note.js";
import { expiriesOf, faultOf, type RollbackProtection, type VaultIntegrity, type VaultStatus } from "./vault-status.js";
import { VersionFloor } from "./version-floor.js";

export interface VaultOptions {
  readonly storage: KeyValueStorage | undefined;
  readonly crypto: Crypto;
  /** The hardware secret; where there is none, a secret in storage takes its place. */
  readonly rootOfTrust: RootOfTrust | undefined;
  /** Where the chip has one. It goes up by one with each commit, provisioning and wipe. */
  readonly counter?: MonotonicCounter | undefined;
  readonly clock: { now(): number | undefined };
  /** When certificates are renewed. */
  readonly renewal?: RenewalOptions | undefined;
}

/** The members that change; the others stay as they are. */
export type RecordChange = Partial<ProvisioningRecord>;

export class Vault {
  readonly #options: VaultOptions;
  readonly #storage: KeyValueStorage;
  readonly #root: RootKey;
  readonly #record: TwoSlotRecord;
  readonly #floor: VersionFloor;
  readonly #pendingKey: PendingKey;
  #integrity: VaultIntegrity = "empty";
  #fault: SealwireError | undefined;
  #note: RotationNote = { proving: false, last: undefined };
  #credentials: Credentials | undefined;
  #proving: Credentials | undefined;
  #closed = false;

  /**
   * Opens the vault, and finishes what a power cut interrupted. What cannot be opened is told by `status.integrity` and by the error that
   * `credentials` throws, so that the device can still wipe it.
   * @throws SealwireError `UNSUPPORTED` without storage; `STORAGE_FAILED`
   */
  static open(options: VaultOptions): Vault {
    return new Vault(options);
  }

  private constructor(options: VaultOptions) {
    const { storage, crypto, rootOfTrust, counter } = options;
    const root = storage && openRootKey(crypto, rootOfTrust, storage);
    if (!storage || !root)
      throw new SealwireError("UNSUPPORTED", "The vault needs a storage that survives power loss.");
    checkRenewal(options.renewal ?? {});
    this.#options = options;
    this.#storage = storage;
    this.#root = root;
    const box = new VersionedBox(crypto, root.key);
    this.#floor = new VersionFloor(storage, box, counter);
    this.#record = new TwoSlotRecord(storage, box, {
      slots: [STORAGE_KEY.vaultSlotA, STORAGE_KEY.vaultSlotB],
      pointer: STORAGE_KEY.vaultPointer,
    });
    this.#pendingKey = new PendingKey(storage, crypto, box);
    this.load();
  }

  /**
   * The credentials in force. The handles are the vault's: they are closed by {@link commit}, {@link wipe} and {@link close}.
   * @throws SealwireError `VAULT_EMPTY`, `VAULT_CORRUPT`, `VAULT_WRONG_ROOT`, `VAULT_ROLLED_BACK`, `CLOSED`
   */
  get credentials(): Credentials {
    return this.requireCredentials();
  }

  get status(): VaultStatus {
    const { hardwareBacked } = this.#root;
    const { state } = this.#record;
    const ok = this.#integrity === "ok";
    const protection: RollbackProtection = this.#options.counter ? "hardware" : "record";
    return {
      integrity: this.#integrity,
      version: ok ? state?.version : undefined,
      staged: ok ? state?.staged : undefined,
      hardwareBacked,
      rollbackProtection: hardwareBacked ? protection : "none",
      expires: expiriesOf(this.#options.crypto, this.#credentials),
      renewAt: this.renewAt,
      lastRotation: this.#note.last,
    };
  }

  /** `status.renewAt` by itself: for a chip all of the status, which reads every certificate, is a lot to ask each hour. */
  get renewAt(): number | undefined {
    const certificate = this.#credentials?.certificateChain?.[0];
    try {
      return certificate && renewalTime(this.#options.crypto, certificate, this.#options.renewal);
    } catch {
      return undefined; // As in the status.
    }
  }

  /**
   * Takes over the record in the provisioning partition, reads it back, and erases the partition. Safe to interrupt: call it at every start.
   *
   * A record may hold a certificate without its key: then it is for the key of {@link certificateRequest}.
   * @param code opens a record that is encrypted to a one-time code. Each wrong one costs as much as the right one, some seconds on a slow chip,
   *   and changes nothing
   * @returns whether a record was taken over
   * @throws SealwireError `PROVISIONING_LOCKED` when the code is missing or wrong, `PROVISIONING_INVALID`, `CREDENTIALS_WEAK`, `STORAGE_FAILED`, the vault's own faults; `INVALID_STATE` when the vault
   *   holds other credentials: it must be wiped first
   */
  import(partition: ProvisioningPartition, code?: string): boolean {
    this.mustBeOpen();
    const stored = partition.read();
    if (stored === undefined) return false;
    const bytes = unlockProvisioningRecord(this.#options.crypto, stored, code);
    try {
      const isEmpty = this.#integrity !== "ok";
      if (isEmpty) this.takeOver(bytes);
      this.endImport(partition, bytes);
      return isEmpty;
    } finally {
      wipe(bytes);
    }
  }

  /**
   * Puts the first credentials into an empty vault.
   * @throws SealwireError `INVALID_STATE` when it is not empty; its own fault; `PROVISIONING_INVALID`, `CREDENTIALS_WEAK`, `STORAGE_FAILED`,
   *   `STORAGE_VALUE_TOO_LARGE`
   */
  provision(record: ProvisioningRecord): void {
    this.requireEmpty();
    const content = this.encode(record);
    try {
      this.create(content);
    } finally {
      wipe(content);
    }
  }

  /**
   * Puts a successor of the credentials in force beside them; one that was staged before is given up.
   * @throws SealwireError as {@link credentials} and {@link provision}
   */
  stage(change: RecordChange): void {
    this.requireCredentials();
    const { crypto } = this.#options;
    const bytes = this.#record.read();
    const record = decodeProvisioningRecord(bytes);
    wipe(bytes);
    try {
      const content = encodeValid(crypto, { ...record, ...change });
      try {
        if (this.#record.state!.staged !== undefined) this.rollback();
        // Also above one that was given up: a version is one record for ever.
        const version = Math.max(this.#record.state!.version, this.#note.last?.version ?? 0) + 1;
        const { last } = this.#note;
        this.step({ proving: false, last }, (note) => this.#record.stage(version, content, note));
      } finally {
        wipe(content);
      }
    } finally {
      wipeRecord(record);
    }
  }

  /**
   * The staged credentials, to be tried. From now on a start without {@link commit} means that they failed. The handles are the vault's: closed
   * by {@link rollback}.
   * @throws SealwireError as {@link credentials}; `INVALID_STATE` when none are staged
   */
  prove(): Credentials {
    this.requireCredentials();
    const bytes = this.guarded(() => this.#record.readStaged());
    const credentials = this.handles(bytes);
    try {
      const { last } = this.#note;
      this.step({ proving: true, last }, (note) => this.#record.annotate(note));
    } catch (error) {
      closeCredentials(credentials);
      throw error;
    }
    if (this.#proving) closeCredentials(this.#proving);
    this.#proving = credentials;
    return credentials;
  }

  /**
   * Puts the proved credentials in force. The old ones are gone.
   * @throws SealwireError `INVALID_STATE` when none were proved; `STORAGE_FAILED`: the old ones are still in force
   */
  commit(): void {
    this.requireCredentials();
    const staged = this.#record.state?.staged;
    if (this.#proving === undefined || staged === undefined)
      throw new SealwireError("INVALID_STATE", "There are no credentials that were proved.");
    const last = this.outcome("committed", staged);
    this.step({ proving: false, last }, (note) => this.#record.commit(note));
    const old = this.#credentials!;
    this.#credentials = this.#proving;
    this.#proving = undefined;
    closeCredentials(old);
    this.finish();
  }

  /**
   * Gives the staged credentials up; without staged ones it does nothing.
   * @param code why
   * @throws SealwireError `STORAGE_FAILED`
   */
  rollback(code?: ErrorCode): void {
    this.mustBeOpen();
    if (this.#proving) closeCredentials(this.#proving);
    this.#proving = undefined;
    const staged = this.#record.state?.staged;
    if (staged === undefined) return;
    const last = this.outcome("rolled back", staged, code);
    this.step({ proving: false, last }, (note) => this.#record.rollback(note));
    this.finish();
  }

  /**
   * Destroys the credentials and everything else that Sealwire stored, and closes the vault; open it again to provision anew. Works whatever
   * state the vault is in. With a hardware root the version floor stays, raised, so that nothing of before is accepted again.
   * @throws SealwireError `STORAGE_FAILED`: call it again
   */
  wipe(): void {
    this.mustBeOpen();
    this.closeCredentials();
    const version = Math.max(this.#floor.version ?? 0, this.#record.state?.version ?? 0, this.#note.last?.version ?? 0);
    this.#record.erase();
    const kept: readonly string[] = [STORAGE_KEY.vaultFloor, STORAGE_KEY.root];
    // Sessions and tickets authenticate as this device, too.
    for (const key of [...this.#storage].filter((key) => key.startsWith(STORAGE_KEY.prefix) && !kept.includes(key)))
      this.#storage.delete(key);
    // Where the floor cannot be read, nobody knows how high it was: the new one is out of reach of what a device rotates in its life.
    const isLost = this.#fault !== undefined && this.#floor.version === undefined;
    if (this.#root.hardwareBacked) this.#floor.raise(Math.max(version + 1, isLost ? this.#floor.fresh(true) : 0));
    else {
      this.#floor.erase();
      // Without its root, whatever the flash still holds of the past is noise.
      this.#storage.delete(STORAGE_KEY.root);
    }
    this.close();
  }

  /** Closes all handles. Safe more than once. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.closeCredentials();
    this.#root.key.close();
  }

  /**
   * A certificate signing request for a key that is born here and never leaves: the same key until a certificate for it is in force. In an empty vault
   * it is the request for the first one, which comes with the provisioning record.
   * @returns PKCS#10, DER
   */
  async certificateRequest(clientIdentifier: string): Promise<Uint8Array> {
    this.mustBeOpen();
    this.requireNoFault();
    const key = this.#pendingKey.open();
    try {
      const dnsNames = [clientIdentifier];
      return await this.#options.crypto.certificateRequest({ key, commonName: clientIdentifier, dnsNames });
    } finally {
      key.close();
    }
  }

  /**
   * Stages a certificate for the key of {@link certificateRequest}.
   * @param certificateChain DER, the device's own certificate first
   * @throws SealwireError as {@link stage}; `INVALID_STATE` without a request; `PROVISIONING_INVALID` when it is for another key
   */
  stageCertificate(certificateChain: readonly Uint8Array[]): void {
    this.requireCredentials();
    const privateKey = this.#pendingKey.export();
    try {
      this.stage({ certificateChain, privateKey });
    } finally {
      wipe(privateKey);
    }
  }

  private load(): void {
    this.closeCredentials();
    this.#fault = undefined;
    try {
      this.#floor.load();
      const state = this.#record.load();
      if (state === undefined) {
        this.#integrity = "empty";
        this.#record.tidy();
        return;
      }
      this.#note = decodeRotationNote(state.note);
      const floor = this.#floor.version;
      if (floor === undefined) throw new SealwireError("STORAGE_CORRUPT", "The version floor of the vault is missing.");
      if (state.version < floor)
        throw new SealwireError(
          "STORAGE_ROLLED_BACK",
          `The vault is at version ${state.version}, its floor at ${floor}.`,
        );
      this.#credentials = this.handles(this.#record.read());
      this.#integrity = "ok";
    } catch (error) {
      const fault = faultOf(error);
      if (fault === undefined) throw error;
      this.#integrity = fault.integrity;
      this.#fault = fault.error;
      return;
    }
    if (this.#note.proving || !this.isStagedWhole()) this.rollback("ROTATION_INTERRUPTED");
    else this.finish();
  }

  /** Whether what is staged, if anything is, can still be proved. */
  private isStagedWhole(): boolean {
    if (this.#record.state?.staged === undefined) return true;
    try {
      wipe(this.#record.readStaged());
      return true;
    } catch (error) {
      if (faultOf(error) === undefined) throw error;
      return false;
    }
  }

  /** What follows a commit or rollback: it can fail, since the next start does it again. */
  private finish(): void {
    try {
      const { version } = this.#record.state!;
      if (version > this.#floor.version!) this.#floor.raise(version);
      this.#record.tidy();
      this.#pendingKey.forget(this.#credentials?.privateKey);
    } catch (error) {
      if (!(error instanceof SealwireError)) throw error;
    }
  }

  /** What was encoded for a device is kept as it is: a second encoding would need a chip's memory at its very first start, and never again. */
  private takeOver(bytes: Uint8Array): void {
    this.requireEmpty();
    if (isForOwnKey(bytes)) {
      const record = decodeProvisioningRecord(bytes);
      try {
        this.provision(record);
      } finally {
        wipeRecord(record);
      }
      return;
    }
    requireValid(this.#options.crypto, bytes);
    this.create(bytes);
  }

  private create(content: Uint8Array): void {
    // A record without a floor would be one whose floor was taken away.
    if (this.#floor.version === undefined) this.#floor.raise(this.#floor.fresh(false));
    const version = this.#floor.version! + 1;
    const last = this.outcome("committed", version);
    this.step({ proving: false, last }, (note) => this.#record.create(version, content, note));
    // Read back from what is stored, the floor is raised by the way.
    this.load();
    this.requireNoFault();
  }

  private endImport(partition: ProvisioningPartition, bytes: Uint8Array): void {
    const content = this.#record.read();
    const same = isSameRecord(content, bytes);
    wipe(content);
    if (same === false)
      throw new SealwireError(
        "INVALID_STATE",
        "The vault holds other credentials than the provisioning record: wipe it first.",
      );
    partition.erase();
  }

  /** Checks a record and encodes it, with the key that was born here where it holds none. */
  private encode(record: ProvisioningRecord): Uint8Array {
    const { crypto } = this.#options;
    if (!awaitsOwnKey(record)) return encodeValid(crypto, record);
    const privateKey = this.#pendingKey.export();
    try {
      return encodeValid(crypto, { ...record, privateKey });
    } finally {
      wipe(privateKey);
    }
  }

  /** Wipes the bytes. */
  private handles(bytes: Uint8Array): Credentials {
    try {
      return toCredentials(this.#options.crypto, decodeProvisioningRecord(bytes));
    } finally {
      wipe(bytes);
    }
  }

  private guarded<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw faultOf(error)?.error ?? error;
    }
  }

  /** One write of the pointer, with what it says of rotations. */
  private step(note: RotationNote, write: (note: Uint8Array) => void): void {
    write(encodeRotationNote(note));
    this.#note = note;
  }

  private outcome(outcome: RotationOutcome["outcome"], version: number, code?: ErrorCode): RotationOutcome {
    return { outcome, version, code, at: this.#options.clock.now() };
  }

  private closeCredentials(): void {
    if (this.#credentials) closeCredentials(this.#credentials);
    if (this.#proving) closeCredentials(this.#proving);
    this.#credentials = this.#proving = undefined;
  }

  private requireCredentials(): Credentials {
    this.mustBeOpen();
    this.requireNoFault();
    if (this.#credentials === undefined)
      throw new SealwireError("VAULT_EMPTY", "The vault holds no credentials: provision this device.");
    return this.#credentials;
  }

  private requireEmpty(): void {
    this.mustBeOpen();
    this.requireNoFault();
    if (this.#integrity !== "empty") throw new SealwireError("INVALID_STATE", "The vault is not empty: wipe it first.");
  }

  private requireNoFault(): void {
    if (this.#fault) throw this.#fault;
  }

  private mustBeOpen(): void {
    if (this.#closed) throw new SealwireError("CLOSED", "The vault was closed.");
  }
}
