/** Resumable TLS sessions, and when they may be used. */
export { TLSSessionStore, type NoSessionReason, type TLSSessionStoreOptions } from "./tls-session-store.js";
export { policyDigest, type VerificationPolicy } from "./verification-policy.js";
