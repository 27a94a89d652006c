/**
 * Telemetry without TLS, over the MQTT engine alone: for a network that is trusted, or protected otherwise. Everywhere else, see
 * `../telemetry`. Like that one it begins here, at the top, after each sleep.
 */
import { platform } from "sealwire/host";
import { telemetry } from "./telemetry.js";

const broker = { host: "broker.local", port: 1883 };
await telemetry(platform, broker, { readings: 4, period: 250, sleep: 5000, retry: 60_000 });
