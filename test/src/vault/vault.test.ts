import { platform } from "sealwire/host";
import { toHex, toUTF8 } from "../../../src/bytes.js";
import { LogStore, STORAGE_KEY } from "../../../src/storage/index.js";
import { encodeProvisioningRecord, Vault, type ProvisioningRecord } from "../../../src/vault/index.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { FlashModel } from "../../support/flash-model.js";
import { MemoryStorage } from "../../support/memory-storage.js";
import {
  Counter,
  hardwareRoot,
  openVault,
  Partition,
  password1,
  password2,
  passwordIn,
  recordWith,
} from "../../support/vault-world.js";

const { crypto } = platform;

function provisioned(): { storage: MemoryStorage; vault: Vault; rootOfTrust: ReturnType<typeof hardwareRoot> } {
  const storage = new MemoryStorage();
  const rootOfTrust = hardwareRoot();
  const vault = openVault(storage, { rootOfTrust });
  vault.provision(recordWith(password1));
  return { storage, vault, rootOfTrust };
}

function rotate(vault: Vault, password: string): void {
  vault.stage({ password: toUTF8(password) });
  vault.prove();
  vault.commit();
}

describe("vault", () => {
  it("is empty at first, and says so", () => {
    const vault = openVault(new MemoryStorage());
    throws(() => vault.credentials, "VAULT_EMPTY");
    throws(() => vault.stage({}), "VAULT_EMPTY");
    strictEqual(vault.status.integrity, "empty");
    throws(
      () => Vault.open({ storage: undefined, crypto, rootOfTrust: undefined, clock: { now: () => 0 } }),
      "UNSUPPORTED",
    );
  });

  it("gives back what it was provisioned with, after a restart too, secrets as handles", () => {
    const storage = new MemoryStorage();
    const rootOfTrust = hardwareRoot();
    const secret = crypto.random(32);
    openVault(storage, { rootOfTrust }).provision(
      recordWith(password1, {
        clientIdentifier: "device1",
        payloadSecrets: new Map([[7, secret.slice()]]),
        permissions: toUTF8("permissions"),
        revocation: "chain",
        tls: { minimumVersion: "TLSv1.3" },
      }),
    );
    const { credentials, status } = openVault(storage.afterReboot(), { rootOfTrust });
    deepEqual(credentials.broker, { host: "broker.example", port: 8883 });
    deepEqual(credentials.trustAnchors, [Uint8Array.of(1, 2, 3)]);
    deepEqual(
      [credentials.clientIdentifier, credentials.username, credentials.revocation],
      ["device1", "device", "chain"],
    );
    strictEqual(credentials.minimumVersion, "TLSv1.3");
    deepEqual(credentials.permissions, toUTF8("permissions"));
    const expected = crypto.hmac(crypto.importKey("secret", secret), toUTF8("data"));
    deepEqual(crypto.hmac(credentials.payloadSecrets!.get(7)!, toUTF8("data")), expected);
    deepEqual([status.integrity, status.version, status.staged], ["ok", 1, undefined]);
    deepEqual(status.lastRotation, { outcome: "committed", version: 1, code: undefined, at: 1_800_000_000_000 });
  });

  it("shows nothing of the secrets in storage", () => {
    const storage = new MemoryStorage();
    const secret = crypto.random(32);
    const more = { payloadSecrets: new Map([[7, secret.slice()]]) };
    openVault(storage, { rootOfTrust: hardwareRoot() }).provision(recordWith(password1, more));
    const stored = [...storage].map((key) => toHex(new Uint8Array(storage.read(key)!)));
    ok(stored.join("").length > 2 * (password1.length + secret.byteLength), "something is stored");
    for (const hidden of [toUTF8(password1), secret, toUTF8("broker.example")])
      ok(!stored.some((value) => value.includes(toHex(hidden))));
  });

  it("is provisioned once: what is there must be wiped first", () => {
    const { vault } = provisioned();
    throws(() => vault.provision(recordWith(password2)), "INVALID_STATE");
    strictEqual(passwordIn(vault), password1);
  });

  it("says honestly what stands against a return to older credentials", () => {
    const protection = (chip: Parameters<typeof openVault>[1]): unknown[] => {
      const { hardwareBacked, rollbackProtection } = openVault(new MemoryStorage(), chip).status;
      return [hardwareBacked, rollbackProtection];
    };
    deepEqual(protection({}), [false, "none"]);
    deepEqual(protection({ counter: new Counter() }), [false, "none"]);
    deepEqual(protection({ rootOfTrust: hardwareRoot() }), [true, "record"]);
    deepEqual(protection({ rootOfTrust: hardwareRoot(), counter: new Counter() }), [true, "hardware"]);
  });

  it("keeps the old credentials in force until the staged ones are proved and committed", () => {
    const { vault, storage, rootOfTrust } = provisioned();
    vault.stage({ password: toUTF8(password2) });
    strictEqual(vault.status.staged, 2);
    strictEqual(passwordIn(vault), password1);
    throws(() => vault.commit(), "INVALID_STATE");
    deepEqual(vault.prove().password, toUTF8(password2));
    strictEqual(passwordIn(vault), password1);
    vault.commit();
    for (const each of [vault, openVault(storage.afterReboot(), { rootOfTrust })]) {
      strictEqual(passwordIn(each), password2);
      deepEqual([each.status.version, each.status.staged], [2, undefined]);
      strictEqual(each.status.lastRotation?.outcome, "committed");
    }
  });

  it("keeps what is staged, but not yet tried, over a restart", () => {
    const { vault, storage, rootOfTrust } = provisioned();
    vault.stage({ password: toUTF8(password2) });
    const again = openVault(storage.afterReboot(), { rootOfTrust });
    strictEqual(again.status.staged, 2);
    deepEqual(again.prove().password, toUTF8(password2));
  });

  it("returns to the old credentials after a rollback, and remembers why", () => {
    const { vault, storage, rootOfTrust } = provisioned();
    vault.stage({ password: toUTF8(password2) });
    vault.prove();
    vault.rollback("MQTT_BAD_CREDENTIALS");
    for (const each of [vault, openVault(storage.afterReboot(), { rootOfTrust })]) {
      strictEqual(passwordIn(each), password1);
      const { outcome, version, code } = each.status.lastRotation!;
      deepEqual([outcome, version, code], ["rolled back", 2, "MQTT_BAD_CREDENTIALS"]);
    }
    vault.stage({ password: toUTF8(password2) });
    strictEqual(vault.status.staged, 3, "a version is one record for ever");
  });

  it("returns to the old credentials when the power was cut while the new ones were tried, and remembers that", () => {
    const { vault, storage, rootOfTrust } = provisioned();
    vault.stage({ password: toUTF8(password2) });
    vault.prove();
    const again = openVault(storage.afterReboot(), { rootOfTrust });
    strictEqual(passwordIn(again), password1);
    strictEqual(again.status.staged, undefined);
    strictEqual(again.status.lastRotation?.code, "ROTATION_INTERRUPTED");
  });

  it("keeps nothing of the old credentials in storage after a commit, nor of the staged ones after a rollback", () => {
    const { vault, storage } = provisioned();
    vault.stage({ password: toUTF8(password2) });
    strictEqual([...storage].length, 4, "pointer, floor, two slots");
    vault.rollback();
    strictEqual([...storage].length, 3);
    rotate(vault, password2);
    strictEqual([...storage].length, 3);
  });

  it("closes the handles of credentials that are no longer in force", () => {
    const storage = new MemoryStorage();
    const vault = openVault(storage, { rootOfTrust: hardwareRoot() });
    vault.provision(recordWith(password1, { payloadSecrets: new Map([[1, crypto.random(32)]]) }));
    const old = vault.credentials.payloadSecrets!.get(1)!;
    rotate(vault, password2);
    throws(() => crypto.hmac(old, toUTF8("data")), "INVALID_STATE");
    const current = vault.credentials.payloadSecrets!.get(1)!;
    vault.close();
    throws(() => crypto.hmac(current, toUTF8("data")), "INVALID_STATE");
    throws(() => vault.credentials, "CLOSED");
  });

  it("takes back a change that the storage refused, and says why", () => {
    const { vault, storage } = provisioned();
    storage.failAt(1, "fail");
    throws(() => vault.stage({ password: toUTF8(password2) }), "STORAGE_FAILED");
    strictEqual(passwordIn(vault), password1);
    throws(() => vault.stage({ permissions: new Uint8Array(32_000) }), "STORAGE_VALUE_TOO_LARGE");
    rotate(vault, password2);
    strictEqual(passwordIn(vault), password2);
  });

  it("wipes everything that Sealwire stored, and nothing else, and can be provisioned again", () => {
    for (const rootOfTrust of [undefined, hardwareRoot()]) {
      const storage = new MemoryStorage();
      const vault = openVault(storage, { rootOfTrust });
      vault.provision(recordWith(password1));
      const stored = new Map([...storage].map((key) => [key, storage.read(key)!]));
      storage.write(STORAGE_KEY.tlsSession, toUTF8("ticket"));
      storage.write("application", toUTF8("its own"));
      vault.wipe();
      throws(() => vault.credentials, "CLOSED");
      deepEqual([...storage].sort(), rootOfTrust ? ["application", STORAGE_KEY.vaultFloor] : ["application"]);
      const again = openVault(storage, { rootOfTrust });
      strictEqual(again.status.integrity, "empty");
      // What was copied before the wipe is not accepted afterwards.
      const restored = storage.afterReboot();
      for (const [key, value] of stored)
        if (key !== STORAGE_KEY.vaultFloor && key !== STORAGE_KEY.root) restored.write(key, value);
      ok(openVault(restored, { rootOfTrust }).status.integrity !== "ok");
      again.provision(recordWith(password2));
      strictEqual(passwordIn(openVault(storage, { rootOfTrust })), password2);
    }
  });

  it("fits on raw flash, where the chip's own store would refuse it", () => {
    throws(
      () =>
        openVault(new MemoryStorage({ maximumValueLength: 63 }), { rootOfTrust: hardwareRoot() }).provision(
          recordWith(password1),
        ),
      "STORAGE_VALUE_TOO_LARGE",
    );
    const flash = new FlashModel();
    openVault(new LogStore(flash)).provision(recordWith(password1, { permissions: new Uint8Array(2500) }));
    const again = openVault(new LogStore(flash));
    again.stage({ password: toUTF8(password2) });
    again.prove();
    again.commit();
    strictEqual(passwordIn(openVault(new LogStore(flash))), password2);
  });
});

describe("import of a provisioning record", () => {
  const bytes = encodeProvisioningRecord(recordWith(password1));

  it("seals the record, reads it back, and erases the partition", () => {
    const storage = new MemoryStorage();
    const partition = new Partition(bytes);
    const vault = openVault(storage);
    partition.onErase = () => strictEqual(passwordIn(openVault(storage.afterReboot())), password1);
    strictEqual(vault.import(partition), true);
    strictEqual(partition.bytes, undefined);
    strictEqual(vault.import(partition), false);
  });

  it("erases the partition when the import was interrupted before that, or the erase itself was", () => {
    const vault = openVault(new MemoryStorage());
    vault.import(new Partition(bytes));
    for (const left of [bytes, bytes.slice(0, 20), new Uint8Array(bytes.byteLength)]) {
      const partition = new Partition(left);
      strictEqual(vault.import(partition), false);
      strictEqual(partition.bytes, undefined);
    }
  });

  it("does not replace credentials in force, and leaves the partition alone then", () => {
    const vault = openVault(new MemoryStorage());
    vault.import(new Partition(bytes));
    const other = new Partition(encodeProvisioningRecord(recordWith(password2)));
    throws(() => vault.import(other), "INVALID_STATE");
    ok(other.bytes);
    strictEqual(passwordIn(vault), password1);
  });

  it("keeps a record that it refuses: damaged, or with a weak secret", () => {
    for (const [content, code] of [
      [bytes.slice(0, 30), "PROVISIONING_INVALID"],
      [encodeProvisioningRecord(recordWith("password")), "CREDENTIALS_WEAK"],
    ] as const) {
      const partition = new Partition(content);
      const vault = openVault(new MemoryStorage());
      throws(() => vault.import(partition), code);
      ok(partition.bytes);
      strictEqual(vault.status.integrity, "empty");
    }
  });
});

describe("weak secrets", () => {
  const attempt =
    (record: ProvisioningRecord): (() => void) =>
    () =>
      openVault(new MemoryStorage()).provision(record);

  it("are refused: empty, too short, equal to a name, a common default, a repetition", () => {
    for (const bad of [
      "",
      "short",
      "fifteen letters",
      "password",
      "P@ssw0rd",
      "Password123456789!",
      "mosquitto",
      "aaaaaaaaaaaaaaaaaaaa",
      "abcabcabcabcabcabcabc",
    ]) {
      const error = throws(attempt(recordWith(bad)), "CREDENTIALS_WEAK");
      ok(["", "short", "password"].includes(bad) || !error.message.includes(bad), "the message shows the secret");
    }
    throws(attempt(recordWith("a-rather-long-user-name", { username: "A-Rather-Long-User-Name" })), "CREDENTIALS_WEAK");
    throws(
      attempt(recordWith("a-rather-long-identifier", { clientIdentifier: "a-rather-long-identifier" })),
      "CREDENTIALS_WEAK",
    );
    throws(attempt({ ...recordWith(password1), password: undefined }), "CREDENTIALS_WEAK");
    throws(attempt(recordWith(password1, { payloadSecrets: new Map([[1, new Uint8Array(32)]]) })), "CREDENTIALS_WEAK");
    throws(attempt(recordWith(password1, { payloadSecrets: new Map([[1, toUTF8("short")]]) })), "CREDENTIALS_WEAK");
  });

  it("are refused when they are staged, and what is in force stays", () => {
    const { vault } = provisioned();
    throws(() => vault.stage({ password: toUTF8("admin") }), "CREDENTIALS_WEAK");
    deepEqual([passwordIn(vault), vault.status.staged], [password1, undefined]);
  });

  it("may be short where the record says so, but nothing else", () => {
    attempt(recordWith("x9!kLm", { allowShortPassword: true }))();
    for (const bad of ["", "password", "device", "admin123"])
      throws(attempt(recordWith(bad, { allowShortPassword: true })), "CREDENTIALS_WEAK");
  });
});
