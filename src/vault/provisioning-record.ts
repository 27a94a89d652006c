/**
 * The provisioning record: what a device is given at the factory, as one CBOR map with integer keys. It lies in a partition of
 * its own until the device has taken it over.
 */
import { decodeCBOR, encodeCBOR, type CBORMap, type CBORValue } from "../cbor/index.js";
import { SealwireError } from "../errors.js";
import type { RevocationMode, TLSVersion } from "../platform.js";

export interface ProvisioningRecord {
  readonly broker: { readonly host: string; readonly port: number };
  /** Left out when it derives from the MAC address. */
  readonly clientIdentifier?: string | undefined;
  /** DER certificates of the authorities that sign the broker's certificate. */
  readonly trustAnchors: readonly Uint8Array[];
  /** DER certificate revocation lists. */
  readonly revocationLists?: readonly Uint8Array[] | undefined;
  readonly revocation?: RevocationMode | undefined;
  /** DER, the device's own certificate first. Empty where the device has none. */
  readonly certificateChain: readonly Uint8Array[];
  /** DER private key of the device's certificate (PKCS#8 or SEC 1). */
  readonly privateKey?: Uint8Array | undefined;
  readonly username?: string | undefined;
  readonly password?: Uint8Array | undefined;
  readonly tls?: { readonly minimumVersion?: TLSVersion | undefined; readonly maximumVersion?: TLSVersion | undefined };
  /** Master secrets of sealed payloads by epoch, at least 16 bytes each; the highest epoch is the one to seal with. */
  readonly payloadSecrets?: ReadonlyMap<number, Uint8Array> | undefined;
  /** Topic permissions, as the permissions room compiles them. */
  readonly permissions?: Uint8Array | undefined;
  /** A certificate of its own for the renewal of an expired one. It should be good for nothing else. */
  readonly bootstrap?: BootstrapIdentity | undefined;
  /** States that a password of fewer than 16 bytes is accepted. */
  readonly allowShortPassword?: boolean | undefined;
}

export interface BootstrapIdentity {
  /** DER, the device's own certificate first. */
  readonly certificateChain: readonly Uint8Array[];
  /** DER (PKCS#8 or SEC 1). */
  readonly privateKey: Uint8Array;
}

/** Format version, under key 0. A reader refuses a version it does not know. */
const FORMAT = 1;

const KEY = {
  format: 0,
  host: 1,
  port: 2,
  clientIdentifier: 3,
  trustAnchors: 4,
  revocationLists: 5,
  revocation: 6,
  certificateChain: 7,
  privateKey: 8,
  username: 9,
  password: 10,
  minimumVersion: 11,
  maximumVersion: 12,
  payloadSecrets: 13,
  permissions: 14,
  bootstrapChain: 15,
  bootstrapKey: 16,
  allowShortPassword: 17,
} as const;

type Field = keyof typeof KEY;

export function encodeProvisioningRecord(record: ProvisioningRecord): Uint8Array {
  const map: CBORMap = new Map();
  const put = (field: Field, value: CBORValue | undefined): void => {
    if (value !== undefined) map.set(KEY[field], value);
  };
  put("format", FORMAT);
  put("host", record.broker.host);
  put("port", record.broker.port);
  put("clientIdentifier", record.clientIdentifier);
  put("trustAnchors", record.trustAnchors);
  put("revocationLists", record.revocationLists);
  put("revocation", record.revocation);
  put("certificateChain", record.certificateChain);
  put("privateKey", record.privateKey);
  put("username", record.username);
  put("password", record.password);
  put("minimumVersion", record.tls?.minimumVersion);
  put("maximumVersion", record.tls?.maximumVersion);
  put("payloadSecrets", record.payloadSecrets && new Map(record.payloadSecrets));
  put("permissions", record.permissions);
  put("bootstrapChain", record.bootstrap?.certificateChain);
  put("bootstrapKey", record.bootstrap?.privateKey);
  put("allowShortPassword", record.allowShortPassword);
  return encodeCBOR(map);
}

/** @throws SealwireError `PROVISIONING_INVALID`; the message names the field, never its value */
export function decodeProvisioningRecord(bytes: Uint8Array): ProvisioningRecord {
  const fields = new Fields(bytes);
  const bootstrapChain = fields.optional("bootstrapChain", isByteStrings);
  return {
    broker: { host: fields.required("host", isText), port: fields.required("port", isPort) },
    clientIdentifier: fields.optional("clientIdentifier", isText),
    trustAnchors: fields.required("trustAnchors", isTrustAnchors),
    revocationLists: fields.optional("revocationLists", isByteStrings),
    revocation: fields.optional("revocation", isRevocationMode),
    certificateChain: fields.required("certificateChain", isByteStrings),
    privateKey: fields.optional("privateKey", isByteString),
    username: fields.optional("username", isText),
    password: fields.optional("password", isByteString),
    tls: {
      minimumVersion: fields.optional("minimumVersion", isTLSVersion),
      maximumVersion: fields.optional("maximumVersion", isTLSVersion),
    },
    ...present({
      payloadSecrets: fields.optional("payloadSecrets", isSecretsByEpoch),
      permissions: fields.optional("permissions", isByteString),
      bootstrap: bootstrapChain && {
        certificateChain: bootstrapChain,
        privateKey: fields.required("bootstrapKey", isByteString),
      },
      allowShortPassword: fields.optional("allowShortPassword", isBoolean),
    }),
  };
}

/** The members that have a value: what most records lack is not there at all. */
function present<T extends object>(members: T): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
}

class Fields {
  readonly #map: CBORMap;

  constructor(bytes: Uint8Array) {
    let value: CBORValue;
    try {
      value = decodeCBOR(bytes);
    } catch (error) {
      throw new SealwireError("PROVISIONING_INVALID", "The provisioning record is damaged: it is not CBOR.", {
        cause: error,
      });
    }
    if (!(value instanceof Map) || value.get(KEY.format) !== FORMAT)
      throw new SealwireError("PROVISIONING_INVALID", `The provisioning record is not one of format ${FORMAT}.`);
    this.#map = value;
  }

  optional<T extends CBORValue>(field: Field, is: (value: CBORValue) => value is T): T | undefined {
    const value = this.#map.get(KEY[field]);
    if (value === undefined) return undefined;
    if (!is(value))
      throw new SealwireError("PROVISIONING_INVALID", `The provisioning record's ${field} has a wrong form.`);
    return value;
  }

  required<T extends CBORValue>(field: Field, is: (value: CBORValue) => value is T): T {
    const value = this.optional(field, is);
    if (value === undefined)
      throw new SealwireError("PROVISIONING_INVALID", `The provisioning record has no ${field}.`);
    return value;
  }
}

function isText(value: CBORValue): value is string {
  return typeof value === "string" && value.length > 0;
}

function isPort(value: CBORValue): value is number {
  return typeof value === "number" && value > 0 && value < 65536;
}

function isByteString(value: CBORValue): value is Uint8Array {
  return value instanceof Uint8Array;
}

function isByteStrings(value: CBORValue): value is Uint8Array[] {
  return Array.isArray(value) && value.every(isByteString);
}

/** Without one no broker can be verified: better told when it is flashed than at the first connection. */
function isTrustAnchors(value: CBORValue): value is Uint8Array[] {
  return isByteStrings(value) && value.length > 0;
}

function isBoolean(value: CBORValue): value is boolean {
  return typeof value === "boolean";
}

function isSecretsByEpoch(value: CBORValue): value is Map<number, Uint8Array> {
  if (!(value instanceof Map)) return false;
  for (const [epoch, secret] of value)
    if (typeof epoch !== "number" || epoch < 0 || epoch > 0xffffffff || !(secret instanceof Uint8Array)) return false;
  return true;
}

function isRevocationMode(value: CBORValue): value is RevocationMode {
  return value === "off" || value === "leaf" || value === "chain";
}

function isTLSVersion(value: CBORValue): value is TLSVersion {
  return value === "TLSv1.2" || value === "TLSv1.3";
}
