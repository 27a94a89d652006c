/** MQTT 3.1.1 and 5.0. */
export { MQTTClient } from "./client.js";
export { matchesTopic } from "./codec/topic.js";
export { ScramSHA256, type ScramOptions } from "./scram.js";
export { Requests, type RequestsOptions } from "./requests.js";
export { MQTTSession } from "./session.js";
export type * from "./session-types.js";
export type * from "./types.js";
