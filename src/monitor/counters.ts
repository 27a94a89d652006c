/** What is counted. All numbers begin at 0 with each start of the program. */
import { SECURITY_KINDS, type SecurityKind } from "./security-event.js";

export class Counters {
  /** Connections that the broker accepted, by how TLS was agreed on. */
  connectsFull = 0;
  connectsResumed = 0;
  /** Connections that failed or ended, those ended by this program left out. */
  disconnects = 0;
  /** Bytes on the TCP connections, both ways: TLS included. */
  bytesIn = 0;
  bytesOut = 0;
  /** PUBLISH packets by QoS; repeats are counted apart. */
  readonly sent: [number, number, number] = [0, 0, 0];
  readonly received: [number, number, number] = [0, 0, 0];
  /** PUBLISH packets that were sent again, with the DUP flag. */
  retransmissions = 0;
  /** PUBLISH packets that the broker sent again. */
  redeliveries = 0;
  /** Messages that were dropped because the queue was full or their time was over. */
  drops = 0;
  /** Of the last TLS handshake, and the longest. */
  handshakeMilliseconds = 0;
  longestHandshakeMilliseconds = 0;
  /** The fewest bytes that were free in the engine's memory when it was looked at; `undefined` where the host does not tell. */
  heapLowWater: number | undefined;
  /** Writes to persistent storage by the device; those of a vault that was opened apart are not seen. */
  storageWrites = 0;
  /** Failures that `onError` told of. */
  errors = 0;
  /** Health reports that were sent, and that were put off or left out because of the rate limit. */
  reports = 0;
  reportsHeldBack = 0;
  readonly security: Record<SecurityKind, number> = Object.fromEntries(
    SECURITY_KINDS.map((kind) => [kind, 0]),
  ) as Record<SecurityKind, number>;
}
