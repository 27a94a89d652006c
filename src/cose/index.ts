/** Envelope formats that several rooms share. */
export { decodeCBOR, encodeCBOR, type CBORKey, type CBORMap, type CBORValue } from "./cbor.js";
