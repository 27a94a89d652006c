/** Brokers to try a device against. */
export * from "./broker.js";
export * from "./embedded.js";
export * from "./external.js";
export * from "./find-program.js";
export * from "./free-port.js";
export * from "./mosquitto.js";
export * from "./server-process.js";
