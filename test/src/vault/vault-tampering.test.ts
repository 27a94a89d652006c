import { SealwireError } from "../../../src/errors.js";
import { toHex, toUTF8 } from "../../../src/bytes.js";
import { STORAGE_KEY } from "../../../src/storage/index.js";
import type { Vault } from "../../../src/vault/index.js";
import { ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { MemoryStorage } from "../../support/memory-storage.js";
import {
  Counter,
  hardwareRoot,
  openVault,
  password1,
  password2,
  passwordIn,
  recordWith,
} from "../../support/vault-world.js";

const { vaultSlotA: slotA, vaultSlotB: slotB, vaultPointer: pointer, vaultFloor: floor } = STORAGE_KEY;

function rotate(vault: Vault, password: string): void {
  vault.stage({ password: toUTF8(password) });
  vault.prove();
  vault.commit();
}

/** A device at version 2, in slot B, and a copy of its flash at version 1. */
function device(chip: Parameters<typeof openVault>[1] = { rootOfTrust: hardwareRoot() }): {
  readonly chip: NonNullable<Parameters<typeof openVault>[1]>;
  readonly storage: MemoryStorage;
  readonly copy: MemoryStorage;
} {
  const storage = new MemoryStorage();
  const vault = openVault(storage, chip);
  vault.provision(recordWith(password1));
  const copy = storage.afterReboot();
  rotate(vault, password2);
  return { chip: chip, storage, copy };
}

function changed(storage: MemoryStorage, change: (storage: MemoryStorage) => void): MemoryStorage {
  const copy = storage.afterReboot();
  change(copy);
  return copy;
}

/** Opens it, and expects no credentials but this code. */
function refused(storage: MemoryStorage, chip: Parameters<typeof openVault>[1], code: SealwireError["code"]): void {
  const vault = openVault(storage, chip);
  const error = throws(() => vault.credentials, code);
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
    for (const secret of [password1, password2, toHex(toUTF8(password1)), toHex(toUTF8(password2))])
      ok(!`${cause.message} ${cause.stack ?? ""}`.includes(secret), "a secret is in an error");
  for (const action of [
    () => vault.stage({}),
    () => vault.prove(),
    () => vault.commit(),
    () => vault.provision(recordWith(password1)),
  ])
    throws(action, code);
  // Whatever it is, the device can be wiped and provisioned again.
  vault.wipe();
  const again = openVault(storage, chip);
  strictEqual(again.status.integrity, "empty");
  again.provision(recordWith(password1));
  strictEqual(passwordIn(openVault(storage, chip)), password1);
}

describe("a vault whose storage was tampered with", () => {
  for (const key of [slotB, pointer, floor]) {
    it(`refuses any flipped bit and any truncation of ${key} as corrupt`, () => {
      const { chip, storage } = device();
      const value = new Uint8Array(storage.read(key)!);
      for (let bit = 0; bit < 8 * value.byteLength; bit++) {
        const flipped = value.slice();
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        const vault = openVault(
          changed(storage, (copy) => copy.write(key, flipped)),
          chip,
        );
        throws(() => vault.credentials, "VAULT_CORRUPT");
        vault.close();
      }
      for (let length = 0; length < value.byteLength; length++) {
        const vault = openVault(
          changed(storage, (copy) => copy.write(key, value.slice(0, length))),
          chip,
        );
        throws(() => vault.credentials, "VAULT_CORRUPT");
        vault.close();
      }
    });
  }

  it("gives a staged record up when a bit of it is flipped, and keeps the one in force", () => {
    const { chip, storage } = device();
    openVault(storage, chip).stage({ password: toUTF8("a third password, long enough") });
    const value = new Uint8Array(storage.read(slotA)!);
    for (let bit = 0; bit < 8 * value.byteLength; bit += 7) {
      const flipped = value.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const vault = openVault(
        changed(storage, (copy) => copy.write(slotA, flipped)),
        chip,
      );
      strictEqual(passwordIn(vault), password2);
      strictEqual(vault.status.staged, undefined);
      vault.close();
    }
  });

  it("refuses a slot or floor that was taken away, and slots that were swapped", () => {
    const { chip, storage } = device();
    for (const key of [slotB, floor])
      refused(
        changed(storage, (copy) => void copy.delete(key)),
        chip,
        "VAULT_CORRUPT",
      );
    const swapped = changed(storage, (copy) => {
      copy.write(slotA, storage.read(slotB)!);
      copy.delete(slotB);
    });
    refused(swapped, chip, "VAULT_CORRUPT");
  });

  it("is empty without its pointer, and deletes what it held", () => {
    const { chip, storage } = device();
    const without = changed(storage, (copy) => void copy.delete(pointer));
    strictEqual(passwordIn(openVault(without, chip)), "VAULT_EMPTY");
    strictEqual(without.read(slotB), undefined);
  });

  it("refuses a record of another device, with or without its pointer and floor, as one of another root", () => {
    const mine = device();
    const other = device();
    const taken = (...keys: string[]): MemoryStorage =>
      changed(mine.storage, (copy) => keys.forEach((key) => copy.write(key, other.storage.read(key)!)));
    for (const keys of [[slotB], [pointer], [floor], [slotB, pointer], [slotB, pointer, floor]])
      refused(taken(...keys), mine.chip, "VAULT_WRONG_ROOT");
  });

  it("says that the root is wrong when the stored root was lost or damaged", () => {
    const { storage } = device({});
    refused(
      changed(storage, (copy) => void copy.delete(STORAGE_KEY.root)),
      {},
      "VAULT_WRONG_ROOT",
    );
    const root = new Uint8Array(storage.read(STORAGE_KEY.root)!);
    root[0]! ^= 1;
    refused(
      changed(storage, (copy) => copy.write(STORAGE_KEY.root, root)),
      {},
      "VAULT_WRONG_ROOT",
    );
  });

  it("refuses an older record that is put back, with or without its pointer", () => {
    const { chip, storage, copy: old } = device();
    const replayed = (...keys: string[]): MemoryStorage =>
      changed(storage, (copy) => keys.forEach((key) => copy.write(key, old.read(key)!)));
    refused(replayed(slotA, pointer), chip, "VAULT_ROLLED_BACK");
    refused(replayed(pointer), chip, "VAULT_ROLLED_BACK");
    // Version 1 was in slot A: beside the pointer of version 2 it is not even looked at.
    const beside = openVault(replayed(slotA), chip);
    strictEqual(passwordIn(beside), password2);
    // Version 3 is in slot A again: now the old one is in its place.
    rotate(openVault(storage, chip), password1);
    refused(replayed(slotA), chip, "VAULT_ROLLED_BACK");
  });

  it("refuses what was copied before a wipe, even if floor and pointer were destroyed before it", () => {
    const { chip, storage } = device();
    const copy = storage.afterReboot();
    storage.write(floor, new Uint8Array(10));
    storage.write(pointer, new Uint8Array(10));
    openVault(storage, chip).wipe();
    openVault(storage, chip).provision(recordWith(password1));
    refused(
      changed(storage, (changing) => {
        for (const key of [slotB, pointer]) changing.write(key, copy.read(key)!);
      }),
      chip,
      "VAULT_ROLLED_BACK",
    );
  });

  it("raises an older floor that is put back, since that alone gives nobody anything", () => {
    const { chip, storage, copy: old } = device();
    const replayed = changed(storage, (copy) => copy.write(floor, old.read(floor)!));
    strictEqual(passwordIn(openVault(replayed, chip)), password2);
    refused(
      changed(replayed, (copy) => [slotA, pointer].forEach((key) => copy.write(key, old.read(key)!))),
      chip,
      "VAULT_ROLLED_BACK",
    );
  });

  it("cannot tell a copy of the whole flash that is put back, without a hardware counter, and says so", () => {
    const { chip, copy: old } = device();
    const vault = openVault(old, chip);
    strictEqual(passwordIn(vault), password1);
    strictEqual(vault.status.rollbackProtection, "record");
  });

  it("refuses a copy of the whole flash that is put back, with a hardware counter", () => {
    const { chip, storage, copy: old } = device({ rootOfTrust: hardwareRoot(), counter: new Counter() });
    strictEqual(openVault(storage, chip).status.rollbackProtection, "hardware");
    strictEqual(passwordIn(openVault(storage, chip)), password2);
    refused(old, chip, "VAULT_ROLLED_BACK");
  });

  it("refuses a copy of the whole flash from before a wipe, with a hardware counter", () => {
    const { chip, storage } = device({ rootOfTrust: hardwareRoot(), counter: new Counter() });
    const old = storage.afterReboot();
    openVault(storage, chip).wipe();
    refused(old, chip, "VAULT_ROLLED_BACK");
  });

  it("refuses an old record in a vault that was erased and provisioned anew, with a hardware counter, however often", () => {
    const { chip, storage } = device({ rootOfTrust: hardwareRoot(), counter: new Counter() });
    const copies = [storage.afterReboot()];
    for (let times = 0; times < 3; times++) {
      // A thief erases the flash, lets the device be provisioned again, and puts the record of before beside the new floor.
      const erased = new MemoryStorage();
      openVault(erased, chip).provision(recordWith(password1));
      for (const copy of copies)
        refused(
          changed(erased, (changing) => {
            for (const key of [slotA, slotB, pointer]) {
              const old = copy.read(key);
              if (old) changing.write(key, old);
            }
          }),
          // Each attempt is a life of its own: `refused` wipes the vault at its end.
          { ...chip, counter: Object.assign(new Counter(), { value: chip.counter!.read() }) },
          "VAULT_ROLLED_BACK",
        );
      rotate(openVault(erased, chip), password2);
      rotate(openVault(erased, chip), password1);
      copies.push(erased.afterReboot());
      // A floor that was destroyed, not taken away: a wipe is the way out.
      erased.write(floor, new Uint8Array(10));
      openVault(erased, chip).wipe();
    }
  });

  it("passes on that the storage failed, instead of calling it corrupt", () => {
    const { chip, storage } = device();
    const failing = changed(storage, () => undefined);
    failing.read = () => {
      throw new SealwireError("STORAGE_FAILED", "The flash does not answer.");
    };
    throws(() => openVault(failing, chip), "STORAGE_FAILED");
  });

  it("never uses a salt or nonce twice", () => {
    const { chip, storage } = device();
    const vault = openVault(storage, chip);
    const seen = new Set<string>();
    let count = 0;
    for (let i = 0; i < 200; i++) {
      rotate(vault, `${password1} ${i}`);
      for (const key of [slotA, slotB, pointer, floor]) {
        const value = storage.read(key);
        if (value === undefined) continue;
        // Behind the head of 17 bytes and the format of the box.
        seen.add(toHex(new Uint8Array(value).subarray(18, 18 + 28)));
        count++;
      }
    }
    strictEqual(seen.size, count);
  });
});
