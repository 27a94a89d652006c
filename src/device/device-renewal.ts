/** Begins the renewal of the device certificate in time, while there is a connection to do it over. */
import type { Clock } from "../clock.js";
import type { RenewalDue } from "./device-options.js";
import type { Platform, TimerHandle } from "../platform.js";
import type { Vault } from "../vault/index.js";

export interface DeviceRenewalOptions {
  readonly platform: Pick<Platform, "timer">;
  readonly clock: Pick<Clock, "now" | "floor">;
  readonly vault: Pick<Vault, "status">;
  readonly onDue: (due: RenewalDue) => void;
  /** Replaces the certificate; `undefined` when that is the application's affair. */
  readonly renew: (() => Promise<void>) | undefined;
  readonly onError: (error: unknown) => void;
}

/** How often is looked. A wait of months is more than some timers hold. */
const INTERVAL = 3_600_000;

export class DeviceRenewal {
  readonly #options: DeviceRenewalOptions;
  #timer: TimerHandle;
  /** The certificate's end that was told of. */
  #told: number | undefined;
  #busy = false;

  constructor(options: DeviceRenewalOptions) {
    this.#options = options;
  }

  /** There is a connection. */
  connected(): void {
    this.stop();
    this.#look();
  }

  /** There is none, or the device stops. */
  stop(): void {
    this.#options.platform.timer.clear(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const { platform, clock, vault, onDue } = this.#options;
    this.#timer = platform.timer.set(() => this.#look(), INTERVAL);
    const { renewAt, expires } = vault.status;
    // Without a wall clock the floor is what is known: late is better than never.
    if (renewAt === undefined || (clock.now() ?? clock.floor) < renewAt) return;
    if (this.#told !== expires.certificate) {
      this.#told = expires.certificate;
      onDue({ certificateExpires: expires.certificate });
    }
    void this.#renew();
  }

  async #renew(): Promise<void> {
    const { renew, onError } = this.#options;
    if (renew === undefined || this.#busy) return;
    this.#busy = true;
    try {
      await renew();
    } catch (error) {
      onError(error);
    } finally {
      this.#busy = false;
    }
  }
}
