/** Makes what one device is given: its record, its certificate, the images. Nothing is written here. */
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { type ProvisioningRecord, encodeProvisioningRecord, lockProvisioningRecord } from "../../src/vault/index.js";
import { wipeRecord } from "../../src/vault/credentials.js";
import { encodeValid } from "../../src/vault/record-validation.js";
import type { Key, RevocationMode, TLSVersion } from "../../src/platform.js";
import { toUTF8 } from "../../src/bytes.js";
import { deriveDeviceSecretBytes } from "../../src/sealing/index.js";
import { usageFailure } from "../failure.js";
import { exportPrivateKey, type FleetPKI, generateKeys, type NewEntry } from "../pki/index.js";
import { checkThingName } from "./aws.js";
import type { DeviceOrder } from "./device-order.js";
import { nvsImage } from "./nvs-image.js";
import { oneTimeCode } from "./one-time-code.js";
import { rawImage } from "./raw-image.js";

export type Format = "record" | "nvs" | "raw";

/** What all devices of a run have in common. */
export interface FleetOptions {
  /** `undefined` for devices without a certificate. */
  readonly pki: FleetPKI | undefined;
  readonly broker: { readonly host: string; readonly port: number };
  /** DER. */
  readonly trustAnchors: readonly Uint8Array[];
  readonly revocationLists: readonly Uint8Array[] | undefined;
  readonly revocation: RevocationMode | undefined;
  readonly minimumVersion: TLSVersion | undefined;
  readonly days: number | undefined;
  /** As the permissions room keeps them. */
  readonly permissions: Uint8Array | undefined;
  readonly formats: readonly Format[];
  /** Bytes; the format's own default when left out. */
  readonly partitionSize: number | undefined;
  readonly encrypt: boolean;
  /** Whether each device shall be a thing of AWS IoT Core. */
  readonly things: boolean;
  /** What secrets of devices derive from that have none of their own. */
  readonly payloadSecrets: { readonly root: Key; readonly epoch: number } | undefined;
  /** Names that no device may have: the broker gives them other rights. */
  readonly reserved: ReadonlySet<string>;
}

/** Where the record is on the device. */
export const place = { namespace: "sealwire", key: "record", partition: "sealwire" } as const;

export const partitionSizes = { nvs: 0x6000, raw: 0x4000 } as const;

export interface BuiltDevice {
  readonly clientIdentifier: string;
  /** Names and contents; all but the certificate hold secrets, unless they are encrypted. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly entry: NewEntry | undefined;
  /** Whether another certificate for the same name is valid. */
  readonly isTwin: boolean;
  readonly code: string | undefined;
}

const crypto = createCrypto();

/** A secret of the device's own, or what derives from the fleet root. @throws CommandFailure for a name that is taken */
export function payloadSecretsOf(
  { clientIdentifier, payloadSecret }: DeviceOrder,
  { payloadSecrets, reserved, things }: FleetOptions,
): Pick<ProvisioningRecord, "payloadSecrets"> {
  if (reserved.has(clientIdentifier))
    throw usageFailure(`"${clientIdentifier}" is a user of this fleet (fleet.json): a device needs another name.`);
  if (things) checkThingName(clientIdentifier);
  if (payloadSecret) return { payloadSecrets: new Map([[1, payloadSecret]]) };
  if (payloadSecrets === undefined) return {};
  const { root, epoch } = payloadSecrets;
  return {
    payloadSecrets: new Map([[epoch, deriveDeviceSecretBytes(crypto, root, toUTF8(clientIdentifier), epoch)]]),
  };
}

/** @throws SealwireError, CommandFailure */
export async function buildDevice(order: DeviceOrder, options: FleetOptions): Promise<BuiltDevice> {
  const secrets = payloadSecretsOf(order, options);
  const { pki, formats, partitionSize, encrypt } = options;
  const keys = pki && !order.request ? await generateKeys() : undefined;
  const publicKey = order.request?.publicKey ?? keys?.publicKey;
  const entry = pki && publicKey && (await pki.issueDevice(order.clientIdentifier, publicKey, options.days));
  const record: ProvisioningRecord = {
    broker: options.broker,
    clientIdentifier: order.clientIdentifier,
    trustAnchors: options.trustAnchors,
    revocationLists: options.revocationLists,
    revocation: options.revocation,
    certificateChain: pki && entry ? [entry.certificate, pki.issuing] : [],
    privateKey: keys && (await exportPrivateKey(keys)),
    username: order.username,
    password: order.password,
    ...(options.minimumVersion && { tls: { minimumVersion: options.minimumVersion } }),
    ...(options.permissions && { permissions: options.permissions }),
    ...secrets,
    ...(order.allowShortPassword && { allowShortPassword: true }),
  };
  const plain = encodeChecked(record);
  wipeRecord(record);
  const code = encrypt ? oneTimeCode() : undefined;
  const stored = code === undefined ? plain : lockProvisioningRecord(crypto, plain, code);
  if (code !== undefined) plain.fill(0);
  const files = new Map<string, Uint8Array>();
  for (const format of formats) files.set(fileOf(format), imageOf(format, stored, partitionSize));
  if (pki && entry) files.set("device.crt", Buffer.from(pki.chainPEM(entry.certificate)));
  const isTwin = entry !== undefined && pki?.hasValidDevice(order.clientIdentifier) === true;
  return { clientIdentifier: order.clientIdentifier, files, entry, isTwin, code };
}

export function fileOf(format: Format): string {
  return format === "record" ? "record.cbor" : `${format}.bin`;
}

function imageOf(format: Format, record: Uint8Array, size: number | undefined): Uint8Array {
  switch (format) {
    case "record":
      return record;
    case "nvs":
      return nvsImage({ namespace: place.namespace, key: place.key, blob: record, size: size ?? partitionSizes.nvs });
    case "raw":
      return rawImage(record, size ?? partitionSizes.raw);
  }
}

/** What the vault would refuse is refused here: weak secrets first of all. */
function encodeChecked(record: ProvisioningRecord): Uint8Array {
  const ownKey = record.certificateChain.length > 0 && record.privateKey === undefined;
  if (!ownKey) return encodeValid(crypto, record);
  // The pair is complete on the device only.
  encodeValid(crypto, { ...record, certificateChain: [] }).fill(0);
  return encodeProvisioningRecord(record);
}
