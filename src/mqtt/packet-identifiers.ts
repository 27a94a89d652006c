/** Gives out packet identifiers (MQTT 3.1.1 section 2.3.1, MQTT 5.0 section 2.2.1). */
import { IdentifierSet, MAXIMUM_IDENTIFIER } from "./identifier-set.js";
import { SealwireError } from "../errors.js";

/**
 * The set of those in use. Counts from 1 to 65535 and over again, skipping them. PUBLISH, SUBSCRIBE and UNSUBSCRIBE share one sequence; what the
 * server sends has its own [MQTT-2.2.1-4].
 */
export class PacketIdentifiers extends IdentifierSet {
  private upcoming = 1;

  /** The number of identifiers in use. */
  get used(): number {
    return this.size;
  }

  /** @throws SealwireError `MQTT_QUEUE_FULL` when all 65,535 are in use */
  allocate(): number {
    const id = this.nextAbsent(this.upcoming);
    if (id === undefined)
      throw new SealwireError(
        "MQTT_QUEUE_FULL",
        "All 65,535 packet identifiers are in use; wait for acknowledgements.",
      );
    this.reserve(id);
    return id;
  }

  /** Marks one as used that an earlier life of the session gave out. @returns false when it is in use already */
  reserve(id: number): boolean {
    if (!this.add(id)) return false;
    this.upcoming = id === MAXIMUM_IDENTIFIER ? 1 : id + 1;
    return true;
  }

  release(id: number): void {
    this.delete(id);
  }
}
