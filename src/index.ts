/** What a device team imports. */
export {
  Device,
  type DeviceConnected,
  type DeviceDisconnected,
  type DeviceMessage,
  type DeviceOptions,
  type DevicePublishOptions,
} from "./device.js";
export { SealwireError, type ErrorCode } from "./errors.js";
export { readCredentials, type Credentials } from "./vault/index.js";
export type * from "./platform.js";
