/* What the ESP32 uses of the Moddable SDK beside what is in sdk.js: what it is said to do is in esp-sdk.d.ts. */
export { default as storage } from "embedded:storage/key-value";
