/** What survives: encrypted values in flash, sections in retained memory, and the names both go by. */
export { EncryptedStore } from "./encrypted-store.js";
export { RETAINED_SECTION, STORAGE_KEY, type RetainedSection } from "./keys.js";
export { RetainedStore } from "./retained-store.js";
export { openRootKey, type RootKey } from "./root-key.js";
export { SealedBox } from "./sealed-box.js";
