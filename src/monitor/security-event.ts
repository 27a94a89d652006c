/** What a device saw that may be an attack, or the beginning of one. */
import type { ErrorCode } from "../errors.js";

/**
 * - `server-not-verified`: the server's certificate was refused, or its revocation could not be checked;
 * - `credentials-refused`: the server refuses who this device says it is;
 * - `taken-over`: another client uses this client identifier (suspected only, over MQTT 3.1.1);
 * - `payload-rejected`: a sealed payload was tampered with, replayed, or of the wrong key;
 * - `permission-refused`: this program wanted to publish or subscribe outside its permissions;
 * - `vault-integrity`: stored credentials are damaged, forged, older than they were, or of another device;
 * - `clock-rollback`: the wall clock went back, or stands before a time that is proven to be past.
 */
export const SECURITY_KINDS = [
  "server-not-verified",
  "credentials-refused",
  "taken-over",
  "payload-rejected",
  "permission-refused",
  "vault-integrity",
  "clock-rollback",
] as const;

export type SecurityKind = (typeof SECURITY_KINDS)[number];

export interface SecurityEvent {
  readonly kind: SecurityKind;
  /** Of the error that led to it. */
  readonly code: ErrorCode | undefined;
  /** A sentence a person can act on. It holds no secret, but it may hold words of the server. */
  readonly message: string;
  /** Inferred, not told: see `taken-over`. */
  readonly suspected: boolean;
}
