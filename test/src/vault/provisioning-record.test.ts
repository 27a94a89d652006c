import { encodeCBOR, type CBORValue } from "../../../src/cbor/index.js";
import {
  decodeProvisioningRecord,
  encodeProvisioningRecord,
  type ProvisioningRecord,
} from "../../../src/vault/index.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

const record: ProvisioningRecord = {
  broker: { host: "broker.example", port: 8883 },
  clientIdentifier: "sensor1",
  trustAnchors: [Uint8Array.of(1, 2), Uint8Array.of(3)],
  revocationLists: [Uint8Array.of(4)],
  revocation: "leaf",
  certificateChain: [Uint8Array.of(5)],
  privateKey: Uint8Array.of(6),
  username: "user",
  password: Uint8Array.of(7),
  tls: { minimumVersion: "TLSv1.2", maximumVersion: "TLSv1.3" },
};

describe("provisioning record", () => {
  it("gives back every field that was written", () => {
    deepEqual(decodeProvisioningRecord(encodeProvisioningRecord(record)), record);
  });

  it("needs no optional field", () => {
    const smallest = { broker: record.broker, trustAnchors: record.trustAnchors, certificateChain: [] };
    const decoded = decodeProvisioningRecord(encodeProvisioningRecord(smallest));
    deepEqual(decoded.broker, record.broker);
    strictEqual(decoded.privateKey, undefined);
    strictEqual(decoded.revocation, undefined);
  });

  it("is refused when any byte is missing at its end", () => {
    const bytes = encodeProvisioningRecord(record);
    for (let length = 0; length < bytes.byteLength; length++)
      throws(() => decodeProvisioningRecord(bytes.subarray(0, length)), "PROVISIONING_INVALID");
  });

  it("is refused when its format is another", () => {
    throws(() => decodeProvisioningRecord(encodeCBOR(new Map<number, CBORValue>([[0, 2]]))), "PROVISIONING_INVALID");
    throws(() => decodeProvisioningRecord(encodeCBOR("text")), "PROVISIONING_INVALID");
  });

  it("names the field that is wrong or missing, and never its value", () => {
    const wrong = new Map<number, CBORValue>([
      [0, 1],
      [1, "broker.example"],
      [2, 8883],
      [4, [Uint8Array.of(1)]],
      [7, []],
      [8, "secret"],
    ]);
    const error = throws(() => decodeProvisioningRecord(encodeCBOR(wrong)), "PROVISIONING_INVALID");
    ok(error.message.includes("privateKey"));
    ok(!error.message.includes("secret"));
    wrong.delete(8);
    wrong.set(4, []);
    ok(
      throws(() => decodeProvisioningRecord(encodeCBOR(wrong)), "PROVISIONING_INVALID").message.includes(
        "trustAnchors",
      ),
    );
    wrong.set(4, [Uint8Array.of(1)]);
    wrong.set(2, 0);
    ok(throws(() => decodeProvisioningRecord(encodeCBOR(wrong)), "PROVISIONING_INVALID").message.includes("port"));
    wrong.delete(2);
    ok(throws(() => decodeProvisioningRecord(encodeCBOR(wrong)), "PROVISIONING_INVALID").message.includes("no port"));
  });
});
