/** A device with a vault, as a test sees it: its storage, its root of trust, its counter, and the record that it was given. */
import { platform } from "sealwire/host";
import { toUTF8 } from "../../src/bytes.js";
import type { KeyValueStorage, MonotonicCounter, ProvisioningPartition, RootOfTrust } from "../../src/platform.js";
import { Vault, type ProvisioningRecord } from "../../src/vault/index.js";

const { crypto } = platform;

/** A secret burnt into a chip. */
export function hardwareRoot(): RootOfTrust {
  const key = crypto.importKey("secret", crypto.random(32));
  return { hmac: (data) => crypto.hmac(key, data) };
}

export class Counter implements MonotonicCounter {
  value = 0;

  read(): number {
    return this.value;
  }

  increment(): number {
    return ++this.value;
  }
}

export class Partition implements ProvisioningPartition {
  bytes: Uint8Array | undefined;
  onErase: (() => void) | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  read(): Uint8Array | undefined {
    return this.bytes?.slice();
  }

  erase(): void {
    this.onErase?.();
    this.bytes = undefined;
  }
}

export interface Chip {
  readonly rootOfTrust: RootOfTrust | undefined;
  readonly counter: MonotonicCounter | undefined;
}

export function openVault(storage: KeyValueStorage, chip: Partial<Chip> = {}): Vault {
  const { rootOfTrust, counter } = chip;
  return Vault.open({ storage, crypto, rootOfTrust, counter, clock: { now: () => 1_800_000_000_000 } });
}

export const password1 = "correct horse battery staple";
export const password2 = "another long enough passphrase";

export function recordWith(password: string, more: Partial<ProvisioningRecord> = {}): ProvisioningRecord {
  return {
    broker: { host: "broker.example", port: 8883 },
    trustAnchors: [Uint8Array.of(1, 2, 3)],
    certificateChain: [],
    username: "device",
    password: toUTF8(password),
    ...more,
  };
}

/** The password in force, or the code of the error that there is none. */
export function passwordIn(vault: Vault): string {
  try {
    let text = "";
    for (const byte of vault.credentials.password ?? []) text += String.fromCharCode(byte);
    return text;
  } catch (error) {
    return (error as { code: string }).code;
  }
}
