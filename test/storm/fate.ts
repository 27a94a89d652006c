/** Where the power fails: at every kind of operation, by chance, and how often it did. */
import type { Fate } from "./life.js";
import type { Random } from "./random.js";

/** Operations of one kind between two losses of power at it, on average. */
const common = 1_500;

/** Operations that come once in a life, or once in many messages, must have their share too. */
const rare: readonly (readonly [beginning: string, mean: number])[] = [
  ["transport: open", 40],
  ["transport: close", 40],
  ["transport: lost", 40],
  ["store identity", 6],
  ["store subscription", 8],
  ["remove subscription", 8],
];

export class ChanceFate implements Fate {
  /** Off: the power stays. */
  active = false;
  readonly #random: Random;
  /** Losses of power by operation. */
  readonly struck = new Map<string, number>();
  /** How often each kind of operation was met while active. */
  readonly met = new Map<string, number>();

  constructor(random: Random) {
    this.#random = random;
  }

  strikes(operation: string): boolean {
    if (!this.active) return false;
    this.met.set(operation, (this.met.get(operation) ?? 0) + 1);
    const mean = rare.find(([beginning]) => operation.startsWith(beginning))?.[1] ?? common;
    if (!this.#random.chance(1 / mean)) return false;
    this.struck.set(operation, (this.struck.get(operation) ?? 0) + 1);
    return true;
  }
}
