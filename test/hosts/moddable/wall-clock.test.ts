/** The wall clock of a chip: when it is set, and what is believed of it in between. */
import assert from "node:assert/strict";
import { WallClock } from "../../../hosts/moddable/chip/wall-clock.js";
import { ManualTime } from "../../support/manual-time.js";
import { MemoryStorage } from "../../support/memory-storage.js";

const hour = 3_600_000;
const day = 24 * hour;
const buildTime = Date.UTC(2026, 0, 1);
const start = Date.UTC(2026, 5, 1);

/** A chip, its network and a time server; what is in `storage`, and the clock when it runs asleep, outlive its starts. */
class Chip {
  readonly storage = new MemoryStorage();
  time = new ManualTime();
  /** What the clock shows before it is set: 1970. */
  shown = 0;
  requests = 0;
  up = true;
  answers = true;
  clock!: WallClock;
  readonly keeps: boolean;
  #since = 0;
  #watch: ((up: boolean) => void) | undefined;

  constructor(keeps = true) {
    this.keeps = keeps;
    this.boot();
  }

  get truth(): number {
    return start + this.#since + this.time.ticks();
  }

  now(): number {
    return this.shown + this.time.ticks();
  }

  boot(): void {
    const network = {
      up: this.up,
      observe: (listener: (up: boolean) => void) => {
        this.#watch = listener;
        return () => undefined;
      },
    };
    this.clock = new WallClock({
      timer: this.time.timer,
      network,
      now: () => this.now(),
      set: (seconds) => void (this.shown = seconds * 1000 - this.time.ticks()),
      ask: (answer) => {
        this.requests++;
        this.time.timer.set(() => answer(this.answers ? Math.floor(this.truth / 1000) : undefined), 50);
      },
      buildTime,
      storage: this.keeps ? this.storage : undefined,
    });
    // The same object, as the SDK's network is.
    this.setUp = (up) => {
      network.up = up;
      this.#watch?.(up);
    };
  }

  setUp: (up: boolean) => void = () => undefined;

  /** @param drift milliseconds that the clock loses */
  sleep(milliseconds: number, drift = 0): void {
    const awake = this.time.ticks();
    this.#since += awake + milliseconds;
    this.shown = this.keeps ? this.shown + awake + milliseconds - drift : 0;
    this.time = new ManualTime();
    this.boot();
  }
}

describe("The wall clock of a chip", () => {
  it("is unknown until a time server answered, and true from then on", () => {
    const chip = new Chip();
    assert.equal(chip.clock.now(), undefined);
    chip.time.advance(100);
    assert.equal(chip.requests, 1);
    const { now, source, uncertainty } = chip.clock.now()!;
    assert.ok(Math.abs(now - chip.truth) <= 1000);
    assert.equal(source, "sntp");
    assert.ok(uncertainty >= 10_000 && uncertainty < 11_000);
  });

  it("waits for the network, and asks as soon as it is up", () => {
    const chip = new Chip();
    chip.setUp(false);
    chip.time.advance(hour);
    assert.equal(chip.requests, 0);
    chip.setUp(true);
    assert.equal(chip.requests, 1);
  });

  it("asks again after a minute when nobody answers", () => {
    const chip = new Chip();
    chip.answers = false;
    chip.time.advance(59_000);
    assert.equal(chip.requests, 1);
    chip.time.advance(2000);
    assert.equal(chip.requests, 2);
    assert.equal(chip.clock.now(), undefined);
  });

  it("is set once a day while the device is awake", () => {
    const chip = new Chip();
    chip.time.advance(10 * day + hour);
    assert.equal(chip.requests, 11);
  });

  it("is set once a day by a device that sleeps for an hour at a time, with one write each", () => {
    const chip = new Chip();
    for (let wake = 0; wake < 24 * 10; wake++) {
      chip.time.advance(2000);
      assert.ok(Math.abs(chip.clock.now()!.now - chip.truth) <= chip.clock.now()!.uncertainty);
      // A poor oscillator.
      chip.sleep(hour, 100_000);
    }
    assert.ok(chip.requests >= 10 && chip.requests <= 12, `${chip.requests} requests`);
    assert.equal(chip.storage.writes, chip.requests);
  });

  it("is known less exactly the longer ago it was set", () => {
    const chip = new Chip();
    chip.time.advance(100);
    chip.sleep(12 * hour);
    const { uncertainty } = chip.clock.now()!;
    assert.ok(uncertainty > hour / 2 && uncertainty < hour);
  });

  it("is unknown after each sleep where it begins anew, and nothing is written", () => {
    const chip = new Chip(false);
    for (let wake = 0; wake < 5; wake++) {
      assert.equal(chip.clock.now(), undefined);
      chip.time.advance(100);
      assert.ok(Math.abs(chip.clock.now()!.now - chip.truth) <= 1000);
      chip.sleep(hour);
    }
    assert.equal(chip.requests, 5);
    assert.equal(chip.storage.writes, 0);
  });

  it("does not stumble over storage that fails or is damaged", () => {
    const chip = new Chip();
    chip.storage.failAt(1, "fail");
    chip.time.advance(100);
    assert.ok(chip.clock.now());
    for (const bytes of [new Uint8Array(3), new Uint8Array(8).fill(255), new Uint8Array(8)]) {
      chip.storage.write("sw.h.clock", bytes);
      const before = chip.requests;
      chip.sleep(hour);
      chip.time.advance(100);
      assert.equal(chip.requests, before + 1);
    }
  });
});
