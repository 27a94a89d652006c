/** One permissions file for device and brokers. */
export * from "./aws-policy.js";
export * from "./dynamic-security.js";
export * from "./emqx-acl.js";
export type { ExportWarning, PermissionsExport } from "./export.js";
export * from "./file.js";
export { overlap } from "./glob.js";
export * from "./hivemq-rbac.js";
export * from "./mosquitto-acl.js";
