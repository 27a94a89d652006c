/** One life of a device in the storm: where it ends is drawn before it begins. */
import { PowerLoss, type World } from "../support/session-world.js";
import type { Counts } from "./counts.js";
import type { Random } from "./random.js";

const PLACES = ["before a write", "after a write", "at a transport operation", "in a callback"] as const;

export class Doom {
  /** The power has failed. */
  fallen = false;
  /** Inbound messages that were handed out and not yet stored as handled when it failed: they may come again. */
  inHand = 0;
  readonly #world: World;
  readonly #counts: Counts;
  readonly #place: (typeof PLACES)[number];
  #left: number;
  /** Operations of the transport after which it falls in any case: its place may never come. */
  #latest: number;

  /** @param callbacks whether the application has callbacks in which power may fail */
  constructor(world: World, counts: Counts, random: Random, callbacks: boolean) {
    this.#world = world;
    this.#counts = counts;
    this.#place = random.pick(PLACES.filter((place) => callbacks || place !== "in a callback"));
    this.#left = random.integer(1, this.#place === "in a callback" ? 20 : 80);
    this.#latest = random.integer(50, 400);
    const { flash, network } = world;
    flash.cutAfterWrite = this.#place === "after a write";
    flash.cutIn = this.#place.endsWith("write") ? this.#left : undefined;
    flash.onPowerLoss = () => this.#fall();
    network.onOperation = () => {
      const struck = this.#place === "at a transport operation" && --this.#left === 0;
      if (struck || --this.#latest === 0) this.#fall("at a transport operation");
      if (this.fallen) throw new PowerLoss();
    };
    // Most connections are cut, too, at any byte.
    network.cutAfter = () => {
      if (random.chance(0.1)) return undefined;
      counts.cuts++;
      return random.integer(1, 1500);
    };
    network.chunk = () => random.pick([1, 3, 100, 10_000]);
  }

  /** To be called at the places of a callback where power may fail. */
  strike(): void {
    if (this.#place !== "in a callback" || --this.#left !== 0) return;
    this.#fall();
    throw new PowerLoss();
  }

  #fall(place = this.#place): void {
    if (this.fallen) return;
    this.fallen = true;
    this.inHand = this.#world.session.pending.inbound;
    this.#counts.crashes[place] = (this.#counts.crashes[place] ?? 0) + 1;
    this.#world.flash.die();
    this.#world.network.crash();
  }

  /** Runs the network; a loss of power ends it. */
  async run(): Promise<void> {
    try {
      await this.#world.run();
    } catch (error) {
      if (!(error instanceof PowerLoss)) throw error;
    }
  }

  /** The life is over: the next one starts with what is in flash. */
  async bury(): Promise<void> {
    this.#world.network.onOperation = undefined;
    this.#world.network.cutAfter = undefined;
    this.#world.powerLoss();
    await this.run();
  }
}
