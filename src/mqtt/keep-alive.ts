/**
 * Keeps a connection alive by real traffic: a ping is due only when nothing was sent for the interval (MQTT section 3.1.2.10). A timer looks at the
 * clock now and then; none is set anew for each packet. All times are milliseconds.
 */

/**
 * How long until a ping is due: a little before the interval is over, so that it is on its way in time [MQTT-3.1.2-23] (3.1.1),
 * [MQTT-3.1.2-20] (5.0).
 */
export function untilPing(lastSent: number, interval: number, now: number): number {
  return lastSent + interval - Math.min(1000, interval >> 3) - now;
}

/** How long the answer to a ping may take; half of the interval when left out, between 1 and 30 seconds. */
export function pingTimeout(given: number | undefined, interval: number): number {
  return given ?? Math.min(30_000, Math.max(1000, interval >> 1));
}
