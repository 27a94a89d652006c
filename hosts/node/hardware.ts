/** What is burnt into a chip: a secret that software cannot read, and a counter that never goes back. Simulated with files. */
import { createHmac, randomBytes } from "node:crypto";
import type { MonotonicCounter, ProvisioningPartition, RootOfTrust } from "../../src/platform.js";
import { SealwireError } from "../../src/errors.js";
import type { DeviceFolder } from "./device-folder.js";

const secretLength = 32;

/** A file stands for the eFuse: it simulates the hardware, it does not protect anything on the desktop. */
export function createRootOfTrust(folder: DeviceFolder): RootOfTrust {
  const secret = folder.readOrCreate("efuse", secretLength, () => new Uint8Array(randomBytes(secretLength)));
  return { hmac: (data) => new Uint8Array(createHmac("sha256", secret).update(data).digest()) };
}

export function createCounter(folder: DeviceFolder): MonotonicCounter {
  const read = (): number => {
    const text = folder.read("counter");
    const value = text === undefined ? 0 : Number(Buffer.from(text).toString());
    if (!Number.isSafeInteger(value) || value < 0)
      throw new SealwireError("STORAGE_CORRUPT", "The file of the simulated hardware counter is damaged.");
    return value;
  };
  return {
    read,
    increment() {
      const next = read() + 1;
      folder.write("counter", Buffer.from(String(next)));
      return next;
    },
  };
}

/**
 * The provisioning partition. Erasing overwrites the file before it is removed: on a flash chip that is the end of the record;
 * on a desktop's SSD or copying file system old blocks may live on, which a simulator has to accept.
 */
export function createProvisioning(folder: DeviceFolder): ProvisioningPartition {
  const name = "provisioning.bin";
  return {
    read: () => folder.read(name),
    erase() {
      folder.overwrite(name);
      folder.remove(name);
    },
  };
}
