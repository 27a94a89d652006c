import { platform } from "sealwire/host";
import { equal } from "../../../src/bytes.js";
import { decodeCBOR, encodeCBOR, type CBORMap } from "../../../src/cbor/index.js";
import type { SealwireError } from "../../../src/errors.js";
import {
  encodeProvisioningRecord,
  lockProvisioningRecord,
  PROVISIONING_IMAGE_HEADER,
  provisioningImageHeader,
  readCredentials,
  readProvisioningImage,
  unlockProvisioningRecord,
} from "../../../src/vault/index.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { MemoryStorage, PowerCut } from "../../support/memory-storage.js";
import { hardwareRoot, openVault, Partition, password1, passwordIn, recordWith } from "../../support/vault-world.js";

const { crypto } = platform;
const code = "7H3QK-9M2XV-0ABCD-EFGH1";
const wrong = "7H3QK-9M2XV-0ABCD-EFGH2";
const record = encodeProvisioningRecord(recordWith(password1));
const locked = lockProvisioningRecord(crypto, record, code);

function changed(change: (map: CBORMap) => void): Uint8Array {
  const map = decodeCBOR(locked) as CBORMap;
  change(map);
  return encodeCBOR(map);
}

describe("a provisioning record that is encrypted to a one-time code", () => {
  it("opens with the code, however a person writes it", () => {
    for (const each of [code, code.toLowerCase(), " 7h3qk 9m2xv oabcd efghi ", "7H3QK9M2XVOABCDEFGHL"])
      deepEqual(unlockProvisioningRecord(crypto, locked, each), record);
  });

  it("shows nothing of the record, and is another one each time", () => {
    strictEqual(indexOf(locked, record.subarray(0, 8)), -1);
    ok(!equal(locked, lockProvisioningRecord(crypto, record, code)));
  });

  it("is refused without the code, or with another one, and says which", () => {
    throws(() => unlockProvisioningRecord(crypto, locked, undefined), "PROVISIONING_LOCKED");
    throws(() => unlockProvisioningRecord(crypto, locked, wrong), "PROVISIONING_LOCKED");
    throws(() => unlockProvisioningRecord(crypto, locked, ""), "PROVISIONING_LOCKED");
  });

  it("is refused when any byte was changed", () => {
    for (let i = 0; i < locked.byteLength; i += 7) {
      const bytes = locked.slice();
      bytes[i]! ^= 1;
      let opened: Uint8Array | undefined;
      try {
        opened = unlockProvisioningRecord(crypto, bytes, code);
      } catch (error) {
        ok(["PROVISIONING_LOCKED", "PROVISIONING_INVALID"].includes((error as SealwireError).code), String(error));
      }
      // What is no envelope any more is given back as it is, and is no record either.
      if (opened) ok(equal(opened, bytes));
    }
  });

  it("does not let a forged one keep the chip busy, or pass without content", () => {
    for (const change of [
      (map: CBORMap): unknown => map.set(2, 2 ** 40),
      (map: CBORMap): unknown => map.set(2, 0),
      (map: CBORMap): unknown => map.set(1, new Uint8Array(8)),
      (map: CBORMap): unknown => map.set(3, new Uint8Array(13)),
      (map: CBORMap): unknown => map.set(4, new Uint8Array(16)),
      (map: CBORMap): unknown => map.delete(4),
    ])
      throws(() => unlockProvisioningRecord(crypto, changed(change), code), "PROVISIONING_INVALID");
  });

  it("is not made with a code that can be guessed", () => {
    for (const short of ["", "1234", "AAAA-BBBB-CCCC-1"])
      throws(() => lockProvisioningRecord(crypto, record, short), "CREDENTIALS_WEAK");
  });

  it("is imported with its code, and the partition erased; a wrong one changes nothing", () => {
    const storage = new MemoryStorage();
    const vault = openVault(storage, { rootOfTrust: hardwareRoot() });
    const partition = new Partition(locked.slice());
    throws(() => vault.import(partition), "PROVISIONING_LOCKED");
    for (let attempt = 0; attempt < 3; attempt++) throws(() => vault.import(partition, wrong), "PROVISIONING_LOCKED");
    deepEqual([vault.status.integrity, [...storage]], ["empty", []]);
    deepEqual(partition.bytes, locked);
    strictEqual(vault.import(partition, code), true);
    strictEqual(passwordIn(vault), password1);
    strictEqual(partition.bytes, undefined);
  });

  it("is imported again after a power cut before its erase, with the code", () => {
    const storage = new MemoryStorage();
    const rootOfTrust = hardwareRoot();
    const partition = new Partition(locked.slice());
    partition.onErase = () => {
      throw new PowerCut();
    };
    try {
      openVault(storage, { rootOfTrust }).import(partition, code);
    } catch (error) {
      ok(error instanceof PowerCut);
    }
    partition.onErase = undefined;
    const vault = openVault(storage.afterReboot(), { rootOfTrust });
    throws(() => vault.import(partition), "PROVISIONING_LOCKED");
    strictEqual(passwordIn(vault), password1);
    strictEqual(vault.import(partition, code), false);
    strictEqual(partition.bytes, undefined);
  });

  it("can be read without a vault", () => {
    const from = { crypto, provisioning: new Partition(locked.slice()) };
    throws(() => readCredentials(from), "PROVISIONING_LOCKED");
    deepEqual(readCredentials(from, code).broker, { host: "broker.example", port: 8883 });
  });
});

describe("a key that was born on the device, before it has any credentials", () => {
  it("is asked for by a request of an empty vault, the same after a restart, and wiped with it", async () => {
    const storage = new MemoryStorage();
    const chip = { rootOfTrust: hardwareRoot() };
    const request = await openVault(storage, chip).certificateRequest("pump-1");
    const again = await openVault(storage.afterReboot(), chip).certificateRequest("pump-1");
    // The head of the request holds name and key; the signature is another one.
    deepEqual(again.subarray(4, 100), request.subarray(4, 100));
    openVault(storage, chip).wipe();
    deepEqual([...storage], ["sw.v.f"]);
  });

  it("does not take a certificate when none was asked for", () => {
    const vault = openVault(new MemoryStorage(), { rootOfTrust: hardwareRoot() });
    const partition = new Partition(
      encodeProvisioningRecord({ ...recordWith(password1), certificateChain: [Uint8Array.of(48, 0)] }),
    );
    throws(() => vault.import(partition), "INVALID_STATE");
    ok(partition.bytes);
  });
});

describe("the provisioning record in a raw partition", () => {
  const partition = new Uint8Array(4096).fill(0xff);
  partition.set(provisioningImageHeader(record));
  partition.set(record, PROVISIONING_IMAGE_HEADER);
  const read = (bytes: Uint8Array): Uint8Array | undefined =>
    readProvisioningImage(
      bytes.subarray(0, PROVISIONING_IMAGE_HEADER),
      (byteLength) => bytes.subarray(PROVISIONING_IMAGE_HEADER, PROVISIONING_IMAGE_HEADER + byteLength),
      bytes.byteLength,
    );

  it("is read back", () => {
    deepEqual(read(partition), record);
  });

  it("is not there in an erased or overwritten partition", () => {
    strictEqual(read(new Uint8Array(4096).fill(0xff)), undefined);
    strictEqual(read(new Uint8Array(4096)), undefined);
  });

  it("is refused when it is damaged, or claims to be longer than the partition", () => {
    for (const at of [0, 4, 8, 11, 12, PROVISIONING_IMAGE_HEADER, PROVISIONING_IMAGE_HEADER + record.byteLength - 1]) {
      const bytes = partition.slice();
      bytes[at]! ^= 1;
      throws(() => read(bytes), "PROVISIONING_INVALID");
    }
    throws(() => read(partition.subarray(0, 40)), "PROVISIONING_INVALID");
  });
});

function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  for (let i = 0; i + part.byteLength <= bytes.byteLength; i++)
    if (equal(bytes.subarray(i, i + part.byteLength), part)) return i;
  return -1;
}
