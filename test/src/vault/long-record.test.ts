import { platform } from "sealwire/host";
import { toUTF8 } from "../../../src/bytes.js";
import type { Vault } from "../../../src/vault/index.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { MemoryStorage, PowerCut } from "../../support/memory-storage.js";
import { hardwareRoot, openVault, password1, password2, passwordIn, recordWith } from "../../support/vault-world.js";

/** A storage whose values are much shorter than a record with certificates. */
const maximumValueLength = 200;
const long = { permissions: platform.crypto.random(900) };
const rootOfTrust = hardwareRoot();

function provisioned(): { vault: Vault; storage: MemoryStorage } {
  const storage = new MemoryStorage({ maximumValueLength });
  const vault = openVault(storage, { rootOfTrust });
  vault.provision(recordWith(password1, long));
  return { vault, storage };
}

function rotate(vault: Vault, change: Parameters<Vault["stage"]>[0]): void {
  vault.stage(change);
  vault.prove();
  vault.commit();
}

describe("a record that is longer than one value of the storage", () => {
  it("is kept in several, and read back whole", () => {
    const { storage } = provisioned();
    const pieces = [...storage].filter((key) => key.startsWith("sw.v.a"));
    deepEqual(pieces.sort(), ["sw.v.a", "sw.v.a.1", "sw.v.a.2", "sw.v.a.3", "sw.v.a.4", "sw.v.a.5"]);
    const again = openVault(storage.afterReboot(), { rootOfTrust });
    strictEqual(passwordIn(again), password1);
    deepEqual(again.credentials.permissions, long.permissions);
  });

  it("leaves no piece behind when a shorter or a longer one takes its place, or it is wiped", () => {
    const { vault, storage } = provisioned();
    rotate(vault, { permissions: undefined });
    deepEqual(
      [...storage].filter((key) => key.startsWith("sw.v.a")),
      [],
    );
    const short = [...storage].filter((key) => key.startsWith("sw.v.b")).length;
    ok(short >= 1 && short <= 2);
    rotate(vault, long);
    strictEqual(passwordIn(openVault(storage.afterReboot(), { rootOfTrust })), password1);
    vault.wipe();
    deepEqual([...storage], ["sw.v.f"]);
  });

  it("is refused when it needs more values than a record may have, and the old one stays", () => {
    const { vault } = provisioned();
    throws(() => vault.stage({ permissions: new Uint8Array(1600) }), "STORAGE_VALUE_TOO_LARGE");
    strictEqual(passwordIn(vault), password1);
  });

  it("is refused when a piece is missing, is another one, or is there twice", () => {
    for (const damage of [
      (storage: MemoryStorage): unknown => storage.delete("sw.v.a.3"),
      (storage: MemoryStorage): unknown => storage.delete("sw.v.a"),
      (storage: MemoryStorage): unknown => storage.write("sw.v.a.2", storage.read("sw.v.a.3")!),
      (storage: MemoryStorage): unknown => storage.write("sw.v.a.6", storage.read("sw.v.a.5")!),
    ]) {
      const { storage } = provisioned();
      damage(storage);
      strictEqual(passwordIn(openVault(storage.afterReboot(), { rootOfTrust })), "VAULT_CORRUPT");
    }
  });

  it("survives a power cut at any write of a rotation to a longer and to a shorter one", () => {
    for (const [first, second] of [
      [long, { permissions: undefined }],
      [{ permissions: undefined }, long],
    ] as const)
      for (const how of ["before", "after"] as const)
        for (let n = 1; ; n++) {
          const storage = new MemoryStorage({ maximumValueLength });
          const vault = openVault(storage, { rootOfTrust });
          vault.provision(recordWith(password1, first));
          storage.failAt(n, how);
          let cut = false;
          try {
            rotate(vault, { ...second, password: toUTF8(password2) });
          } catch (error) {
            ok(error instanceof PowerCut, String(error));
            cut = true;
          }
          const rebooted = storage.afterReboot();
          const after = openVault(rebooted, { rootOfTrust });
          ok([password1, password2].includes(passwordIn(after)), `${how} write ${n}: ${passwordIn(after)}`);
          rotate(after, { ...second, password: toUTF8(password2) });
          const last = openVault(rebooted.afterReboot(), { rootOfTrust });
          strictEqual(passwordIn(last), password2, `${how} write ${n}`);
          deepEqual(last.credentials.permissions, second.permissions, `${how} write ${n}`);
          if (!cut) {
            ok(n > 6, "every write was cut");
            break;
          }
        }
  });
});
