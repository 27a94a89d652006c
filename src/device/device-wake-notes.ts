/**
 * What the next wake should know of the broker: the address that it had last, so that DNS need not be asked, and whether it takes pipelining.
 *
 * 12 bytes (format; uses of the address; failures of pipelining; flags; time of the answer, milliseconds since 1970 as a double, big-endian), then the
 * UTF-8 of `host:port`, a line feed, and the address.
 */
import { fromUTF8, toUTF8, concat } from "../bytes.js";
import type { Clock } from "../clock.js";

const FORMAT = 1;
const HEAD = 12;

/** Uses of an address where there is no wall clock that tells its age. */
const MAXIMUM_USES = 24;

/** One end of a connection may be chance. */
const ENOUGH_FAILURES = 2;

const HOUR = 3_600_000;

export class DeviceWakeNotes {
  readonly #clock: Pick<Clock, "now">;
  readonly #lifetime: number;
  #place = "";
  #address = "";
  #resolvedAt = Number.NaN;
  #uses = 0;
  #failures = 0;

  /**
   * @param lifetime milliseconds for which an address is used, 0: never
   * @param saved from {@link save}; authenticated by whoever kept it
   */
  constructor(clock: Pick<Clock, "now">, lifetime = HOUR, saved?: Uint8Array) {
    this.#clock = clock;
    this.#lifetime = lifetime;
    if (saved === undefined || saved.byteLength <= HEAD || saved[0] !== FORMAT) return;
    const [place, address] = (fromUTF8(saved, HEAD) ?? "").split("\n");
    if (place === undefined || address === undefined) return;
    this.#place = place;
    this.#address = address;
    this.#uses = saved[1]!;
    this.#failures = saved[2]!;
    this.#resolvedAt = new DataView(saved.buffer, saved.byteOffset).getFloat64(4);
  }

  /** The last good address, or `undefined` when there is none that may be used. Counts the use. */
  address(host: string, port: number): string | undefined {
    if (this.#place !== placeOf(host, port) || this.#address === "" || this.#lifetime === 0) return undefined;
    const now = this.#clock.now();
    const age = now === undefined ? Number.NaN : now - this.#resolvedAt;
    const fresh = Number.isNaN(age) ? this.#uses < MAXIMUM_USES : age >= 0 && age < this.#lifetime;
    if (!fresh) return undefined;
    this.#uses = Math.min(this.#uses + 1, 255);
    return this.#address;
  }

  /** Connections to this address were accepted. */
  good(host: string, port: number, address: string): void {
    const place = placeOf(host, port);
    if (place !== this.#place) this.#failures = 0;
    this.#place = place;
    this.#address = address;
    this.#uses = 0;
    this.#resolvedAt = this.#clock.now() ?? Number.NaN;
  }

  /** The address led nowhere: DNS is asked next time. */
  dropAddress(): void {
    this.#address = "";
  }

  /** Whether the broker, as far as is known, takes packets before its CONNACK. */
  mayPipeline(host: string, port: number): boolean {
    return this.#place !== placeOf(host, port) || this.#failures < ENOUGH_FAILURES;
  }

  /** A pipelined connection was accepted, or ended before it was. */
  pipelined(accepted: boolean): void {
    this.#failures = accepted ? 0 : Math.min(this.#failures + 1, 255);
  }

  /** @returns `undefined` when there is nothing worth keeping */
  save(): Uint8Array | undefined {
    if (this.#place === "") return undefined;
    const head = new Uint8Array(HEAD);
    head.set([FORMAT, this.#uses, this.#failures]);
    new DataView(head.buffer).setFloat64(4, this.#resolvedAt);
    return concat(head, toUTF8(`${this.#place}\n${this.#address}`));
  }
}

function placeOf(host: string, port: number): string {
  return `${host}:${port}`;
}
