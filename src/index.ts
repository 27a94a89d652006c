/** What a device team imports. */
export { SealwireError, type ErrorCode } from "./errors.js";
export type * from "./platform.js";
