/** What a device team imports. */
export { Device } from "./device.js";
export type {
  DeviceBroker,
  DeviceConnected,
  DeviceDisconnected,
  DeviceLoginOption,
  DeviceMessage,
  DeviceOptions,
  DevicePermissionsOption,
  DevicePublishOptions,
  DeviceRotationLimits,
  DeviceStatus,
  DeviceSubscribeOptions,
  DeviceWebSocket,
  RenewalDue,
  ServerMoved,
} from "./device/index.js";
export type { SecurityEvent, SecurityKind } from "./monitor/index.js";
export { SealwireError, type ErrorCode } from "./errors.js";
export {
  readCredentials,
  Vault,
  type Credentials,
  type RecordChange,
  type VaultOptions,
  type VaultStatus,
} from "./vault/index.js";
export type * from "./platform.js";
