/** When to connect, and how long to wait in between. */
export { Link, type LinkLoss, type LinkOptions, type LinkState } from "./link.js";
export { DEFAULT_RECONNECT_SPREAD, ReconnectSchedule } from "./reconnect-schedule.js";
export { Waiters } from "./waiters.js";
export { retryPolicy, type RetryPolicy } from "./retry-policy.js";
