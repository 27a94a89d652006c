import { platform } from "sealwire/host";
import { toUTF8 } from "../../../src/bytes.js";
import { LogStore } from "../../../src/storage/index.js";
import type { KeyValueStorage } from "../../../src/platform.js";
import { encodeProvisioningRecord, type Vault } from "../../../src/vault/index.js";
import { ok, strictEqual } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { amount } from "../../support/effort.js";
import { FlashModel } from "../../support/flash-model.js";
import { MemoryStorage, PowerCut } from "../../support/memory-storage.js";
import {
  type Chip,
  Counter,
  hardwareRoot,
  openVault,
  Partition,
  password1,
  password2,
  passwordIn,
  recordWith,
} from "../../support/vault-world.js";

const record = encodeProvisioningRecord(recordWith(password1));

interface Step {
  readonly name: string;
  /** What is there before. */
  readonly prepare: (vault: Vault) => void;
  readonly run: (vault: Vault, partition: Partition) => void;
  /** What may be in force after a cut, and is once the step was done again. */
  readonly old: string;
  readonly new: string;
  /** Done after the cut, to end up with what the step is for. */
  readonly again?: (vault: Vault, partition: Partition) => void;
  readonly writes: number;
}

const provision = (vault: Vault): void => vault.provision(recordWith(password1));
const stage = (vault: Vault): void => vault.stage({ password: toUTF8(password2) });
const staged = (vault: Vault): void => {
  provision(vault);
  stage(vault);
};
const rotate = (vault: Vault): void => {
  if (passwordIn(vault) === password2) return;
  stage(vault);
  vault.prove();
  vault.commit();
};

const steps: readonly Step[] = [
  {
    name: "provision",
    prepare: () => undefined,
    run: provision,
    again: (vault) => {
      if (vault.status.integrity === "empty") provision(vault);
    },
    old: "VAULT_EMPTY",
    new: password1,
    // Floor, slot, pointer, floor.
    writes: 4,
  },
  {
    name: "import",
    prepare: () => undefined,
    run: (vault, partition) => void vault.import(partition),
    old: "VAULT_EMPTY",
    new: password1,
    writes: 4,
  },
  { name: "stage", prepare: provision, run: stage, again: rotate, old: password1, new: password2, writes: 2 },
  {
    name: "prove",
    prepare: staged,
    run: (vault) => void vault.prove(),
    again: rotate,
    old: password1,
    new: password2,
    writes: 1,
  },
  {
    name: "commit",
    prepare: staged,
    run: (vault) => {
      vault.prove();
      vault.commit();
    },
    again: rotate,
    old: password1,
    new: password2,
    // Pointer, pointer, floor, and the slot of the old record.
    writes: 4,
  },
  {
    name: "rollback",
    prepare: staged,
    run: (vault) => vault.rollback("MQTT_BAD_CREDENTIALS"),
    again: (vault) => vault.rollback(),
    old: password1,
    new: password1,
    writes: 2,
  },
  {
    name: "wipe",
    prepare: provision,
    run: (vault) => vault.wipe(),
    old: password1,
    new: "VAULT_EMPTY",
    // Pointer, slot, floor; with a stored root that, too.
    writes: 3,
  },
];

const chips: readonly { readonly name: string; readonly make: () => Partial<Chip> }[] = [
  { name: "a stored root", make: () => ({}) },
  { name: "a hardware root", make: () => ({ rootOfTrust: hardwareRoot() }) },
  { name: "a hardware root and counter", make: () => ({ rootOfTrust: hardwareRoot(), counter: new Counter() }) },
];

/** Checks what a device finds after a cut, and that the step succeeds when it is done again. */
function check(storage: KeyValueStorage, chip: Partial<Chip>, partition: Partition, step: Step, where: string): void {
  const vault = openVault(storage, chip);
  const found = passwordIn(vault);
  ok([step.old, step.new].includes(found), `${where}: found ${found}`);
  ok(vault.status.integrity === "ok" || vault.status.integrity === "empty", where);
  (step.again ?? step.run)(vault, partition);
  vault.close();
  const after = openVault(storage, chip);
  strictEqual(passwordIn(after), step.new, `${where}: done again`);
  strictEqual(after.status.staged, undefined, where);
}

for (const { name, make } of chips)
  describe(`a vault with ${name}, when power fails`, () => {
    for (const step of steps) {
      it(`at any single write of ${step.name}: it opens, old or new, and a second attempt completes`, () => {
        let cuts = 0;
        for (const how of ["before", "after"] as const)
          for (let n = 1; ; n++) {
            const storage = new MemoryStorage();
            const chip = make();
            const vault = openVault(storage, chip);
            const partition = new Partition(record.slice());
            step.prepare(vault);
            storage.failAt(n, how);
            let cut = false;
            try {
              step.run(vault, partition);
            } catch (error) {
              ok(error instanceof PowerCut, String(error));
              cut = true;
            }
            check(storage.afterReboot(), chip, partition, step, `${how} write ${n}`);
            if (!cut) break;
            cuts++;
          }
        const expected = step.writes + (step.name === "wipe" && name === "a stored root" ? 1 : 0);
        strictEqual(cuts, 2 * expected, "the number of writes that were cut");
      });

      it(`at any word of raw flash during ${step.name}: the same`, () => {
        const make2 = (): { flash: FlashModel; chip: Partial<Chip>; partition: Partition; vault: Vault } => {
          const flash = new FlashModel({ sectors: 4, sectorLength: 2048 });
          const chip = make();
          const vault = openVault(new LogStore(flash), chip);
          step.prepare(vault);
          return { flash, chip, partition: new Partition(record.slice()), vault };
        };
        const whole = make2();
        const before = whole.flash.steps;
        step.run(whole.vault, whole.partition);
        const total = whole.flash.steps - before;
        // Every byte of the shorter steps; of the longer ones every few, at an offset that meets all positions in a word.
        const stride = Math.max(1, Math.floor(total / amount(300, 30))) | 1;
        for (let cut = 1; cut <= total; cut += stride) {
          const { flash, chip, partition, vault } = make2();
          flash.cutAt(cut);
          try {
            step.run(vault, partition);
          } catch {
            ok(flash.dead, "it failed before the cut");
          }
          // Where the cut came in clearing up, the step itself was done: the device finds out at its next start all the same.
          check(new LogStore(flash.afterReboot()), chip, partition, step, `step ${cut} of ${total}`);
        }
      });
    }

    it("between the erase of the partition and the end of the import: the credentials are in force", () => {
      const storage = new MemoryStorage();
      const chip = make();
      const partition = new Partition(record.slice());
      partition.onErase = () => {
        throw new PowerCut();
      };
      try {
        openVault(storage, chip).import(partition);
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
      }
      partition.onErase = undefined;
      const vault = openVault(storage.afterReboot(), chip);
      strictEqual(passwordIn(vault), password1);
      strictEqual(vault.import(partition), false);
      strictEqual(partition.bytes, undefined);
    });
  });

describe("ten thousand rotations", () => {
  it("cost each key of the storage a stated number of writes, and spread evenly over raw flash", function () {
    (this as { timeout?: (ms: number) => void }).timeout?.(120_000);
    const flash = new FlashModel({ sectors: 4 });
    const store = new LogStore(flash);
    const writes = new Map<string, number>();
    const counted: KeyValueStorage = {
      maximumKeyLength: store.maximumKeyLength,
      maximumValueLength: store.maximumValueLength,
      capacity: store.capacity,
      read: (key) => store.read(key),
      write: (key, value) => {
        writes.set(key, (writes.get(key) ?? 0) + 1);
        store.write(key, value);
      },
      delete: (key) => store.delete(key),
      [Symbol.iterator]: () => store[Symbol.iterator](),
    };
    const chip = { rootOfTrust: hardwareRoot() };
    const vault = openVault(counted, chip);
    vault.provision(recordWith(password1));
    const rotations = amount(10_000, 500);
    for (let i = 1; i <= rotations; i++) {
      vault.stage({ password: toUTF8(`${password2} ${i}`) });
      vault.prove();
      vault.commit();
    }
    strictEqual(passwordIn(openVault(store, chip)), `${password2} ${rotations}`);
    strictEqual(vault.status.version, rotations + 1);
    const per = Object.fromEntries([...writes].map(([key, count]) => [key, count / rotations]));
    // Slots take turns; the pointer is written for stage, prove and commit; the floor once.
    for (const [key, limit] of Object.entries({ "sw.v.a": 0.51, "sw.v.b": 0.51, "sw.v.p": 3.01, "sw.v.f": 1.01 }))
      ok(per[key]! <= limit, `${key}: ${per[key]} writes a rotation`);
    const [least, most] = [Math.min(...flash.erases), Math.max(...flash.erases)];
    ok(most <= least + 40, `sector erases: ${flash.erases.join(", ")}`);
    platform.log(
      `      writes per rotation: ${JSON.stringify(per)}; erases of 4 sectors in ${rotations}: ${flash.erases.join(", ")}`,
    );
  });
});
