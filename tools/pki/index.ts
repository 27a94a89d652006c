/** Keys, certificates and revocation lists for development. */
export * from "./certificates.js";
export * from "./development.js";
export * from "./keys.js";
export * from "./pem.js";
export * from "./pem-files.js";
export * from "./revocation.js";
export * from "./certificate-entry.js";
export * from "./certificate-index.js";
export * from "./certificate-request.js";
export * from "./create-pki.js";
export * from "./encrypted-key.js";
export * from "./fleet-pki.js";
export * from "./names.js";
