/** Who a device is. */
export { requireCertificateIdentity } from "./certificate-identity.js";
export { clientIdentifier, type ClientIdentifierOptions } from "./client-identifier.js";
export { serialIdentifier, uuidIdentifier, type UUIDIdentifierOptions } from "./long-identifier.js";
