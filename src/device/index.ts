/** What a device is made with, and what it tells; its parts are its own affair. */
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
} from "./device-options.js";
