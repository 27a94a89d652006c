/** The simulator's board: a folder of the desktop stands for flash, RTC memory and fuses, with the files of the Node and XS hosts. */
import { SealwireError } from "../../src/errors.js";
import type { Crypto, ProvisioningPartition, WakeCause, WallTime } from "../../src/platform.js";
import type { Board } from "../moddable/board.js";
import { AddressedNetwork } from "../moddable/network.js";
import {
  FileProvisioning,
  FileRetainedMemory,
  notePowerDown,
  prepareRetained,
  readMAC,
  takeWakeCause,
} from "../xs/device-folder.js";
import { FileCounter, FileRootOfTrust } from "../xs/hardware.js";
import * as file from "../xs/native/file.js";
import { XSStorage } from "../xs/storage.js";
import { exit } from "./native/desktop.js";
import type { SimulatorOptions } from "./options.js";

/** How the process ends; the same as on the Node and XS hosts. */
const exitCodes = { sleep: 80, restart: 81 } as const;
const clockSurvives = { sleep: true, power: true } as const;

export class SimulatorBoard implements Board {
  readonly name = "simulator";
  readonly folder: string;
  readonly storage: XSStorage;
  readonly retainedMemory: FileRetainedMemory | undefined;
  readonly provisioning: ProvisioningPartition;
  readonly rootOfTrust: FileRootOfTrust | undefined;
  readonly counter: FileCounter | undefined;
  readonly clockSurvives = clockSurvives;
  readonly network = new AddressedNetwork();
  readonly wakeCause: WakeCause;
  readonly watchdog = undefined;
  readonly hosts: Readonly<Record<string, string>>;

  /** @throws SealwireError `STORAGE_FAILED` when the folder cannot be used */
  constructor(options: SimulatorOptions, crypto: Crypto) {
    const { folder, retainedBytes = 4096 } = options;
    try {
      file.folder(folder);
    } catch (cause) {
      throw new SealwireError("STORAGE_FAILED", `Cannot use the device folder ${folder}.`, { cause });
    }
    this.folder = folder;
    // The SDK's sockets are IPv4, and its resolver hands out the first address alone.
    this.hosts = { localhost: "127.0.0.1", ...options.hosts };
    const noted = takeWakeCause(folder);
    this.wakeCause = options.wakeCause ?? noted;
    this.storage = new XSStorage(`${folder}/storage`, options.storage);
    prepareRetained(folder, retainedBytes, this.wakeCause);
    if (retainedBytes !== 0) this.retainedMemory = new FileRetainedMemory(folder, retainedBytes);
    this.rootOfTrust = options.rootOfTrust === false ? undefined : new FileRootOfTrust(folder, crypto);
    this.counter = options.counter === true ? new FileCounter(folder) : undefined;
    this.provisioning = new FileProvisioning(folder);
  }

  mac(): Uint8Array {
    return readMAC(this.folder);
  }

  time(): WallTime {
    return { now: Date.now(), source: "host", uncertainty: 1000 };
  }

  sleep(milliseconds: number): void {
    notePowerDown(this.folder, "sleep", milliseconds);
    exit(exitCodes.sleep);
  }

  restart(): void {
    notePowerDown(this.folder, "restart", 0);
    exit(exitCodes.restart);
  }
}
