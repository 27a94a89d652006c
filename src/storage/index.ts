/** What survives: encrypted values in flash, sections in retained memory, and the names both go by. */
export { BlockCounter, type ReservedBlock } from "./block-counter.js";
export { crc32 } from "./crc32.js";
export { EncryptedStore } from "./encrypted-store.js";
export { RETAINED_SECTION, STORAGE_KEY, type RetainedSection } from "./keys.js";
export { LogStore } from "./log-store.js";
export type { RawFlash } from "./raw-flash.js";
export { RetainedStore } from "./retained-store.js";
export { openRootKey, type RootKey } from "./root-key.js";
export { SealedBox } from "./sealed-box.js";
export { keepProvenTime, readProvenTime } from "./proven-time.js";
export { type RecordState, TwoSlotRecord, type TwoSlotKeys } from "./two-slot-record.js";
export { VersionedBox, type Versioned } from "./versioned-box.js";
