/**
 * Replaces credentials over the live link: they are staged, the device connects with them, and the broker's answer decides. Accepted, they are
 * committed; refused, or not answered in time, the device returns to the old ones and connects again.
 */
import { SealwireError, toSealwireError } from "../errors.js";
import type { TimerHandle } from "../platform.js";
import type { Vault } from "../vault/index.js";
import type { DeviceCore } from "./device-core.js";

interface Trial {
  readonly timeout: TimerHandle;
  readonly resolve: () => void;
  readonly reject: (error: SealwireError) => void;
}

/** Milliseconds that a broker has to accept new credentials. */
const DEFAULT_TIMEOUT = 60_000;

export class DeviceRotation {
  readonly #core: DeviceCore;
  readonly #vault: Vault;
  #trial: Trial | undefined;
  /** Settles when the rotation that is under way is over. */
  #underWay: Promise<void> | undefined;

  constructor(core: DeviceCore) {
    this.#core = core;
    this.#vault = core.options.vault!;
  }

  get busy(): boolean {
    return this.#underWay !== undefined;
  }

  /** Fulfilled when no rotation is under way, or the one that was is over, whatever became of it. */
  async idle(): Promise<void> {
    try {
      await this.#underWay;
    } catch {
      // Whoever asked for it was told.
    }
  }

  /**
   * Fulfilled when the staged credentials are in force.
   * @param stage puts them into the vault
   * @throws SealwireError what the broker said; the old credentials are in force then
   */
  async run(stage: (vault: Vault) => void, timeout = DEFAULT_TIMEOUT): Promise<void> {
    if (this.busy) throw new SealwireError("INVALID_STATE", "Another rotation is under way.");
    const run = (this.#underWay = this.try(stage, timeout));
    try {
      await run;
    } finally {
      this.#underWay = undefined;
    }
  }

  private async try(stage: (vault: Vault) => void, timeout: number): Promise<void> {
    const vault = this.#vault;
    const core = this.#core;
    stage(vault);
    const credentials = vault.prove();
    try {
      await core.leave();
    } catch (error) {
      this.rollback(toSealwireError(error, "INVALID_STATE", "The present connection could not be ended."));
      throw error;
    }
    await new Promise<void>((resolve, reject) => {
      const message = `The broker did not accept the new credentials within ${timeout} ms.`;
      const expired = (): unknown => this.failed(new SealwireError("TIMEOUT", message));
      this.#trial = { timeout: core.platform.timer.set(expired, timeout), resolve, reject };
      core.use(credentials);
      core.link.resume();
    });
  }

  /** The broker accepted a connection. */
  connected(): void {
    const trial = this.#trial;
    if (trial === undefined) return;
    try {
      this.#vault.commit();
    } catch (error) {
      this.failed(toSealwireError(error, "STORAGE_FAILED", "The new credentials could not be committed."));
      return;
    }
    this.end(trial);
    trial.resolve();
  }

  /**
   * A connection failed or ended. `NETWORK_DOWN` says nothing of the credentials: they are tried again once it is up.
   * @returns whether that ended a rotation, so that the device connects again at once
   */
  failed(error: SealwireError | undefined): boolean {
    const trial = this.#trial;
    if (trial === undefined || error?.code === "NETWORK_DOWN") return false;
    const cause =
      error ?? new SealwireError("CONNECTION_LOST", "The connection ended while new credentials were tried.");
    this.end(trial);
    this.rollback(cause);
    void this.return();
    trial.reject(cause);
    return true;
  }

  /** The device stops: what is being tried is given up. */
  stop(error: SealwireError): void {
    const trial = this.#trial;
    if (trial === undefined) return;
    this.end(trial);
    this.rollback(error);
    trial.reject(error);
  }

  private rollback(cause: SealwireError): void {
    try {
      this.#vault.rollback(cause.code);
    } catch (error) {
      // The vault takes them back at its next start.
      this.#core.reporter.error(error, "STORAGE_FAILED", "The staged credentials could not be given up.");
    }
  }

  private async return(): Promise<void> {
    const core = this.#core;
    try {
      await core.leave();
      core.use(this.#vault.credentials);
      core.link.resume();
    } catch (error) {
      // A device that was stopped meanwhile starts with them the next time.
      if (core.state === "stopped") return;
      core.reporter.error(error, "INVALID_STATE", "The device could not return to its old credentials.");
    }
  }

  private end(trial: Trial): void {
    this.#trial = undefined;
    this.#core.platform.timer.clear(trial.timeout);
  }
}
