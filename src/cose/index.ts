/** COSE (RFC 9052): encrypted, signed and authenticated envelopes, for the optional rooms that need them. */
export {
  CONTENT_ALGORITHM,
  contentAlgorithm,
  DIRECT,
  ES256,
  MAC_ALGORITHM,
  type ContentAlgorithm,
  type ContentAlgorithmName,
} from "./algorithms.js";
export {
  createMac0,
  createSign1,
  decodeMac0,
  decodeSign1,
  verifyMac0,
  verifySign1,
  type AuthenticateOptions,
  type COSEAuthenticated,
  type VerifyOptions,
} from "./authenticate.js";
export {
  decodeEncrypted,
  decryptCOSE,
  encryptCOSE,
  encStructure,
  encStructureLength,
  writeEncStructure,
  writeNonce,
  type COSEEncrypted,
  type DecryptOptions,
  type EncryptContext,
  type EncryptOptions,
} from "./encrypt.js";
export { HEADER, Headers } from "./headers.js";
