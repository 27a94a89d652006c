/** What a device is made with, and what it tells; its parts are its own affair. */
export type {
  DeviceBroker,
  DeviceConnected,
  DeviceDisconnected,
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
