/** Begins the renewal of the device certificate in time, while there is a connection to do it over. */
import type { TimerHandle } from "../platform.js";
import type { DeviceCore } from "./device-core.js";

/** How often is looked. A wait of months is more than some timers hold. */
const INTERVAL = 3_600_000;

export class DeviceRenewal {
  readonly #core: DeviceCore;
  #timer: TimerHandle;
  /** The certificate's end that was told of. */
  #told: number | undefined;
  #busy = false;

  constructor(core: DeviceCore) {
    this.#core = core;
  }

  /** There is a connection. Looks in a turn of its own: reading certificates is deep, and so is the place that tells of a connection. */
  connected(): void {
    this.stop();
    this.#timer = this.#core.platform.timer.set(() => this.look(), 0);
  }

  /** There is none, or the device stops. */
  stop(): void {
    this.#core.platform.timer.clear(this.#timer);
    this.#timer = undefined;
  }

  private look(): void {
    const { platform, clock, options, reporter } = this.#core;
    this.#timer = platform.timer.set(() => this.look(), INTERVAL);
    const { renewAt } = options.vault!;
    // Without a wall clock the floor is what is known: late is better than never.
    if (renewAt === undefined || (clock.now() ?? clock.floor) < renewAt) return;
    const { certificate } = options.vault!.status.expires;
    if (this.#told !== certificate) {
      this.#told = certificate;
      reporter.call(() => options.onRenewalDue?.({ certificateExpires: certificate }));
    }
    // The application may have stopped the device from there.
    if (this.#timer !== undefined) void this.renew();
  }

  private async renew(): Promise<void> {
    const { options, credentials, reporter } = this.#core;
    const { issueCertificate } = options;
    // The application's affair, or under way.
    if (issueCertificate === undefined || this.#busy) return;
    this.#busy = true;
    try {
      await credentials.rotateCertificate(issueCertificate);
    } catch (error) {
      reporter.error(error, "CALLBACK_FAILED", "The device certificate was not renewed.");
    } finally {
      this.#busy = false;
    }
  }
}
