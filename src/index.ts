/** What a device team imports. */
export { Device } from "./device.js";
export type {
  DeviceConnected,
  DeviceDisconnected,
  DeviceMessage,
  DeviceOptions,
  DevicePublishOptions,
} from "./device-options.js";
export { SealwireError, type ErrorCode } from "./errors.js";
export { readCredentials, type Credentials } from "./vault/index.js";
export type * from "./platform.js";
