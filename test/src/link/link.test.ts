import { SealwireError } from "../../../src/errors.js";
import { Link } from "../../../src/link/index.js";
import { deepEqual, ok, strictEqual } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { ManualTime } from "../../support/manual-time.js";

class Network {
  up = true;
  readonly #listeners = new Set<(up: boolean) => void>();

  observe(listener: (up: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(up: boolean): void {
    this.up = up;
    for (const listener of this.#listeners) listener(up);
  }

  get observers(): number {
    return this.#listeners.size;
  }
}

function setUp({
  connect = () => undefined,
  saved,
  startSpread,
}: { connect?: () => void; saved?: Uint8Array; startSpread?: number } = {}) {
  const time = new ManualTime();
  const network = new Network();
  const lost: { code: string | undefined; wait: number | undefined }[] = [];
  const suspected: boolean[] = [];
  const count = { connects: 0, aborts: 0 };
  // Half of each window.
  const crypto = { random: () => Uint8Array.of(0x80, 0, 0, 0) };
  const link = new Link({
    platform: { timer: time.timer, ticks: time.ticks, network, crypto: crypto as never },
    connect: () => {
      count.connects++;
      connect();
    },
    abort: () => {
      count.aborts++;
    },
    onLost: ({ cause, willRetryIn, suspected: inferred }) => {
      lost.push({ code: cause?.code, wait: willRetryIn });
      suspected.push(inferred);
    },
    saved,
    startSpread,
  });
  return { time, network, link, lost, suspected, count };
}

const connectionLost = new SealwireError("CONNECTION_LOST", "lost");

describe("link", () => {
  it("connects at once when the network is up", () => {
    const { link, count } = setUp();
    link.start();
    strictEqual(count.connects, 1);
    strictEqual(link.state, "connecting");
  });

  it("waits for the network when it is down, and connects within a second of its return", () => {
    const { link, count, network, time } = setUp();
    network.up = false;
    link.start();
    time.advance(1_000_000);
    strictEqual(count.connects, 0);
    network.set(true);
    time.advance(1_000);
    strictEqual(count.connects, 1);
  });

  it("drops the connection when the network goes down, and does not try until it is back", () => {
    const { link, count, network, time, lost } = setUp();
    link.start();
    link.connected();
    network.set(false);
    strictEqual(count.aborts, 1);
    deepEqual(lost, [{ code: "NETWORK_DOWN", wait: undefined }]);
    time.advance(1_000_000);
    strictEqual(count.connects, 1);
    network.set(true);
    time.advance(1_000);
    strictEqual(count.connects, 2);
  });

  it("keeps its wait when the network tells once more that it is up", () => {
    const { link, count, network, time } = setUp();
    link.start();
    link.lost(new SealwireError("MQTT_BAD_CREDENTIALS", "refused"));
    const wait = time.next!;
    for (let i = 0; i < 10; i++) {
      time.advance(1000);
      network.set(true);
    }
    strictEqual(time.next, wait - 10_000, "neither hastened nor put off");
    strictEqual(count.connects, 1);
    time.advance(wait - 10_000);
    strictEqual(count.connects, 2);
  });

  it("waits by the cause, and says how long", () => {
    const { link, count, time, lost } = setUp();
    link.start();
    link.connected();
    link.lost(connectionLost);
    deepEqual(lost, [{ code: "CONNECTION_LOST", wait: 30_000 }]);
    time.advance(29_999);
    strictEqual(count.connects, 1);
    time.advance(1);
    strictEqual(count.connects, 2);
  });

  it("does not reset the waits for a CONNACK alone", () => {
    const { link, time, lost } = setUp();
    link.start();
    for (let i = 0; i < 4; i++) {
      link.connected();
      time.advance(59_000);
      link.lost(connectionLost);
      time.advance(60_000);
    }
    deepEqual(
      lost.map(({ wait }) => wait),
      [30_000, 60_000, 60_000, 60_000],
    );
  });

  it("resets the waits after a stable period", () => {
    const { link, time, lost } = setUp();
    link.start();
    for (let i = 0; i < 4; i++) {
      link.connected();
      time.advance(60_000);
      link.lost(connectionLost);
      time.advance(60_000);
    }
    deepEqual(
      lost.map(({ wait }) => wait),
      [30_000, 30_000, 30_000, 30_000],
    );
  });

  it("counts a connection that cannot even be started as lost", () => {
    const { link, lost } = setUp({
      connect: () => {
        throw new SealwireError("INVALID_ARGUMENT", "no host");
      },
    });
    link.start();
    strictEqual(lost[0]?.code, "INVALID_ARGUMENT");
    ok(lost[0].wait! >= 60_000, "a wrong option must not be tried in a busy loop");
  });

  it("ignores a loss that is told twice, or after the stop", () => {
    const { link, lost, count, time } = setUp();
    link.start();
    link.lost(connectionLost);
    link.lost(connectionLost);
    strictEqual(lost.length, 1);
    link.stop();
    link.lost(connectionLost);
    time.advance(1_000_000);
    strictEqual(lost.length, 1);
    strictEqual(count.connects, 1);
  });

  it("leaves nothing behind when it stops: no timer, no observer of the network", () => {
    const { link, time, network } = setUp();
    link.start();
    link.connected();
    link.stop();
    strictEqual(time.pending, 0);
    strictEqual(network.observers, 0);
  });

  it("waits on after a wake when failures preceded the sleep, and not when the device slept at rest", () => {
    const before = setUp();
    before.link.start();
    before.link.connected();
    before.link.lost(connectionLost);
    const after = setUp({ saved: before.link.save() });
    after.link.start();
    strictEqual(after.count.connects, 0);
    strictEqual(after.time.next, 60_000);
    before.link.restful();
    const rested = setUp({ saved: before.link.save() });
    rested.link.start();
    strictEqual(rested.count.connects, 1);
  });

  it("suspects another client behind three ends within 10 s of being accepted, says that it only suspects, and slows down", () => {
    const { link, time, lost, suspected } = setUp();
    link.start();
    for (let i = 0; i < 4; i++) {
      link.connected();
      time.advance(9_000);
      link.lost(connectionLost);
      time.advance(600_000);
    }
    deepEqual(
      lost.map(({ code }) => code),
      ["CONNECTION_LOST", "CONNECTION_LOST", "MQTT_TAKEN_OVER", "MQTT_TAKEN_OVER"],
    );
    deepEqual(suspected, [false, false, true, true]);
    ok(lost[2]!.wait! >= 60_000, "minutes");
  });

  it("counts towards that suspicion over deep sleep, and not what ended later, or because of the device's own network", () => {
    const { link, time, network, suspected } = setUp();
    link.start();
    const accept = (lasting: number): void => {
      time.advance(600_000);
      link.connected();
      time.advance(lasting);
    };
    for (let i = 0; i < 2; i++) {
      accept(9_000);
      link.lost(connectionLost);
      accept(11_000);
      link.lost(connectionLost);
      accept(5_000);
      network.set(false);
      network.set(true);
    }
    deepEqual(suspected, [false, false, false, false, false, false]);
    const after = setUp({ saved: link.save() });
    after.link.start();
    after.time.advance(600_000);
    after.link.connected();
    after.link.lost(connectionLost);
    deepEqual(after.suspected, [true]);
  });

  it("forgets the suspicion after a stable connection", () => {
    const { link, time, suspected } = setUp();
    link.start();
    for (const lasting of [1_000, 1_000, 60_000, 1_000]) {
      link.connected();
      time.advance(lasting);
      link.lost(connectionLost);
      time.advance(600_000);
    }
    deepEqual(suspected, [false, false, false, false]);
  });

  it("spreads the first connection of a fleet whose power came back, if it is asked to", () => {
    const { link, count, time } = setUp({ startSpread: 60_000 });
    link.start();
    time.advance(29_999);
    strictEqual(count.connects, 0);
    time.advance(1);
    strictEqual(count.connects, 1);
  });

  it("takes the caller's word on when to try again", () => {
    const { link, lost } = setUp();
    link.start();
    link.lost(new SealwireError("TLS_CERTIFICATE_NAME_MISMATCH", "an address of before the sleep"), "local");
    strictEqual(lost[0]?.wait, 500);
  });

  it("takes nothing from saved state that is damaged", () => {
    const { link, count } = setUp({ saved: Uint8Array.of(9, 1) });
    link.start();
    strictEqual(count.connects, 1);
  });
});
