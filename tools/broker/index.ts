/** Hardened brokers: their configuration, and a Mosquitto that follows it. */
export * from "./bridge.js";
export * from "./broker-url.js";
export * from "./dynamic-security-plugin.js";
export * from "./managed-mosquitto.js";
export * from "./mosquitto-conf.js";
export * from "./password-file.js";
export * from "./probe.js";
