/**
 * Keeps a connection alive by real traffic: a ping is due only when nothing was sent for the interval (MQTT section 3.1.2.10). A timer looks at the
 * clock now and then; none is set anew for each packet. All times are milliseconds.
 */
import { SealwireError } from "../errors.js";
import { PINGREQ } from "./codec/constants.js";
import type { Connection } from "./connection.js";

/**
 * How long until a ping is due, at least 1: a little before the interval is over, so that it is on its way in time [MQTT-3.1.2-23] (3.1.1),
 * [MQTT-3.1.2-20] (5.0).
 */
export function untilPing({ output, keepAlive }: Connection): number {
  return Math.max(1, output.lastSent + keepAlive - Math.min(1000, keepAlive >> 3) - output.ticks());
}

/** Looks after a connection that is accepted: pings, waits for the answer, or gives up. Sets the timer for the next look. */
export function lookAfter(connection: Connection): void {
  const { input, output, pingedAt, keepAlive } = connection;
  // Half of the interval when nothing else is said, between 1 and 30 seconds.
  const { pingTimeout = Math.min(30_000, Math.max(1000, keepAlive >> 1)) } = connection;
  // While the owner leaves bytes unread, the server's answer cannot get through, and is not missed.
  if (pingedAt !== undefined && input.announced === 0) {
    const left = pingedAt + pingTimeout - output.ticks();
    if (left > 0) connection.setTimer(left);
    else connection.fail(new SealwireError("MQTT_KEEP_ALIVE_TIMEOUT", "The server did not answer a ping in time."));
    return;
  }
  connection.pingedAt = undefined;
  const wait = untilPing(connection);
  if (wait > 1) {
    connection.setTimer(wait);
    return;
  }
  // The ping counts as sent even if the transport takes nothing now: the connection is lost then if nothing comes either.
  connection.pingedAt = output.ticks();
  connection.setTimer(pingTimeout);
  if (output.room >= 2 && output.streaming === 0) output.empty(PINGREQ << 4);
  connection.turn(-1);
  // Little is going on: what was needed for more is given back.
  input.shrink();
  output.shrink();
}
