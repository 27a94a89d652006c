/** MQTT 3.1.1 and 5.0. */
export { MQTTClient } from "./client.js";
export type * from "./types.js";
