/** What is asked for one device. */
import * as path from "node:path";
import { fromHex, toUTF8 } from "../../src/bytes.js";
import { clientIdentifier } from "../../src/identity/index.js";
import { SealwireError } from "../../src/errors.js";
import { CommandFailure, exitCodes, usageFailure } from "../failure.js";
import type { Column } from "./columns.js";
import { type CertificateRequest, checkClientIdentifier, readCertificateRequest } from "../pki/index.js";

export interface DeviceOrder {
  readonly clientIdentifier: string;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
  readonly allowShortPassword: boolean;
  /** The device made its key; the certificate is for that. */
  readonly request: CertificateRequest | undefined;
  /** Of epoch 1. */
  readonly payloadSecret: Uint8Array | undefined;
}

export interface OrderContext {
  /** Relative paths begin here. */
  readonly folder: string;
  /** Put before an identifier that derives from a MAC address. */
  readonly prefix: string | undefined;
}

/** @throws CommandFailure with exit code 2; the message names the column, no secret */
export async function deviceOrder(
  field: (column: Column) => string | undefined,
  { folder, prefix }: OrderContext,
): Promise<DeviceOrder> {
  const text = (column: Column): string | undefined => field(column) || undefined;
  const identifier = identifierOf(text("id"), text("mac"), prefix);
  const username = text("username");
  const password = text("password");
  if (username === undefined && password !== undefined) throw usageFailure("There is a password, but no username.");
  const csr = text("csr");
  const request = csr === undefined ? undefined : await readCertificateRequest(path.resolve(folder, csr));
  if (request && request.commonName !== identifier)
    throw usageFailure(`The request ${csr!} is for "${request.commonName.slice(0, 64)}", not for "${identifier}".`);
  return {
    clientIdentifier: identifier,
    username,
    password: password === undefined ? undefined : toUTF8(password),
    allowShortPassword: flagOf(text("allow_short_password")),
    request,
    payloadSecret: secretOf(text("payload_secret")),
  };
}

function identifierOf(id: string | undefined, mac: string | undefined, prefix: string | undefined): string {
  if ((id === undefined) === (mac === undefined)) throw usageFailure("A device needs an id or a mac, and not both.");
  if (mac === undefined) {
    checkClientIdentifier(id!);
    return id!;
  }
  const digits = mac.replace(/[:-]/g, "").toLowerCase();
  if (!/^[0-9a-f]{12}$/.test(digits)) throw usageFailure("The mac must have 12 hexadecimal digits.");
  try {
    return clientIdentifier(fromHex(digits), prefix === undefined ? {} : { prefix });
  } catch (error) {
    if (!(error instanceof SealwireError)) throw error;
    throw new CommandFailure(exitCodes.usage, error.code, error.message, { cause: error });
  }
}

function flagOf(text: string | undefined): boolean {
  if (text === undefined || text === "no" || text === "false") return false;
  if (text === "yes" || text === "true") return true;
  throw usageFailure("allow_short_password must be yes or no.");
}

function secretOf(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  if (!/^([0-9A-Fa-f]{2})+$/.test(text)) throw usageFailure("payload_secret must be hexadecimal, two digits a byte.");
  return fromHex(text.toLowerCase());
}
