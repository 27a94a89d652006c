/** Topic permissions: what a device may publish and subscribe to. */
export { covers, faultOfFilter } from "./topic-filter.js";
export { parseEntries, permissionLimits } from "./entry.js";
export type { PermissionEntry, PermissionOperation, PermissionQoS } from "./entry.js";
export { Permissions } from "./permissions.js";
export type { PermissionExplanation, PermissionRequest, PermissionValues } from "./permissions.js";
