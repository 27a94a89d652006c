/** What the boards with an Espressif chip have in common. */
import { SealwireError } from "../../../src/errors.js";
import type {
  KeyValueStorage,
  MonotonicCounter,
  ProvisioningPartition,
  RetainedMemory,
  RootOfTrust,
  WakeCause,
  WallTime,
} from "../../../src/platform.js";
import type { Board } from "../board.js";
import { buildTime } from "../native/machine.js";
import { AddressedNetwork } from "../network.js";
import { Time } from "../sdk.js";
import { timer } from "../timer.js";
import * as chip from "./chip.js";
import { timeServer } from "./time-server.js";
import { WallClock } from "./wall-clock.js";

const causes: readonly WakeCause[] = ["power", "sleep", "restart", "watchdog"];

class ChipMemory implements RetainedMemory {
  readonly byteLength = chip.retainedLength();

  read(offset: number, buffer: Uint8Array): void {
    if (!chip.retainedRead(offset, buffer)) this.#refuse();
  }

  write(offset: number, bytes: Uint8Array): void {
    if (!chip.retainedWrite(offset, bytes)) this.#refuse();
  }

  #refuse(): never {
    throw new SealwireError("INVALID_ARGUMENT", `Retained memory has ${this.byteLength} bytes.`);
  }
}

class ChipSecret implements RootOfTrust {
  hmac(data: Uint8Array): Uint8Array {
    const result = new Uint8Array(32);
    if (!chip.hmac(data, result)) throw new SealwireError("CRYPTO_FAILED", "The chip refused to use its HMAC key.");
    return result;
  }
}

export class ChipBoard implements Board {
  readonly name: string;
  readonly storage: KeyValueStorage;
  readonly retainedMemory = new ChipMemory();
  readonly provisioning: ProvisioningPartition | undefined;
  readonly rootOfTrust: RootOfTrust | undefined = chip.hasSecret() ? new ChipSecret() : undefined;
  readonly counter: MonotonicCounter | undefined = undefined;
  readonly clockSurvives: { readonly sleep: boolean; readonly power: boolean };
  readonly network = new AddressedNetwork();
  readonly clock: WallClock;
  readonly wakeCause: WakeCause = causes[chip.wakeCause()] ?? "power";
  readonly watchdog = { feed: chip.feedWatchdog };

  /** @param clockRunsAsleep whether the wall clock keeps running through deep sleep */
  constructor(
    name: string,
    storage: KeyValueStorage,
    provisioning: ProvisioningPartition | undefined,
    clockRunsAsleep: boolean,
  ) {
    this.name = name;
    this.storage = storage;
    this.provisioning = provisioning;
    this.clockSurvives = { sleep: clockRunsAsleep, power: false };
    this.clock = new WallClock({
      timer,
      network: this.network,
      now: () => Date.now(),
      set: (seconds) => Time.set(seconds),
      ask: timeServer(),
      buildTime: buildTime() * 1000,
      storage: clockRunsAsleep ? storage : undefined,
    });
  }

  mac(): Uint8Array {
    const address = new Uint8Array(6);
    chip.mac(address);
    return address;
  }

  time(): WallTime | undefined {
    return this.clock.now();
  }

  sleep(milliseconds: number): void {
    chip.sleep(milliseconds);
  }

  restart(): void {
    chip.restart();
  }
}
