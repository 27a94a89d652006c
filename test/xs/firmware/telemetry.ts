/** Fixture: `examples/plain-telemetry` with a broker of its own, and without long waits. */
import { telemetry } from "../../../examples/plain-telemetry/telemetry.js";
import { createPlatform } from "../../../hosts/xs/index.js";
import { argument } from "../../../hosts/xs/native/system.js";

const platform = createPlatform({ folder: argument(0)!, hosts: { "broker.local": "127.0.0.1" } });
const broker = { host: "broker.local", port: Number(argument(1)) };
await telemetry(platform, broker, { readings: 4, period: 5, sleep: 1000, retry: 0 });
