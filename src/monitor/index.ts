/** What a device sees of itself, and tells: an optional room. */
export { Counters } from "./counters.js";
export { HEALTH_FORMAT, type HealthReport } from "./health-report.js";
export { line, plain, type LogLine } from "./log-line.js";
export { LOG_LEVELS, type LogEntry, type LogLevel } from "./log-ring.js";
export { Monitor, type HealthOptions, type MonitorHost, type MonitorOptions } from "./monitor.js";
export { PacketCounter } from "./packet-counter.js";
export { SECURITY_KINDS, type SecurityEvent, type SecurityKind } from "./security-event.js";
