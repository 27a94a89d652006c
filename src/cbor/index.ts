/** CBOR (RFC 8949): the format of what several rooms store and send. */
export { decodeCBOR, encodeCBOR, type CBORKey, type CBORMap, type CBORValue } from "./cbor.js";
export { CBORReader, MAJOR } from "./cbor-reader.js";
export { bytesLength, CBORWriter, headLength, textLength } from "./cbor-writer.js";
