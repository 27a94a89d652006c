import { Clock } from "../../../src/clock.js";
import type { TLSNegotiated, TLSSessionData, TLSVersion, WakeCause } from "../../../src/platform.js";
import type { RetainedStore } from "../../../src/storage/index.js";
import { TLSSessionStore } from "../../../src/tls/index.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { ManualTime } from "../../support/manual-time.js";
import { MemoryStorage } from "../../support/memory-storage.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 1);
const policy = new Uint8Array(32).fill(1);
const otherPolicy = new Uint8Array(32).fill(2);

/** Retained memory as far as the store uses it: sections that survive, unless they do not fit. */
class Retained {
  readonly sections = new Map<number, Uint8Array>();
  limit = Number.POSITIVE_INFINITY;
  broken = false;

  get(section: number): Uint8Array | undefined {
    return this.sections.get(section);
  }

  set(section: number, content: Uint8Array | undefined): void {
    if (content === undefined) this.sections.delete(section);
    else this.sections.set(section, content);
  }

  commit(): number[] {
    if (this.broken) throw new Error("Retained memory failed, as the test asked it to.");
    const dropped = [...this.sections]
      .filter(([, content]) => content.byteLength > this.limit)
      .map(([section]) => section);
    for (const section of dropped) this.sections.delete(section);
    return dropped;
  }
}

/** A device that starts again and again, with what survives each kind of start. */
class Setup {
  readonly time = new ManualTime();
  readonly clock = new Clock({ time: this.time.time, buildTime: START - DAY });
  retained = new Retained();
  storage = new MemoryStorage();
  clockSurvives = { sleep: true, power: true };
  store: TLSSessionStore;
  #serial = 0;

  readonly hasStorage: boolean;

  constructor({ wall = true, hasStorage = true } = {}) {
    this.hasStorage = hasStorage;
    this.store = this.start("power");
    if (wall) this.time.wall = { now: START, source: "sntp", uncertainty: 1000 };
  }

  reuseTickets: boolean | undefined;

  start(wakeCause: WakeCause): TLSSessionStore {
    if (wakeCause === "power") this.retained = new Retained();
    this.storage = this.storage.afterReboot();
    this.store = new TLSSessionStore({
      clock: this.clock,
      platform: { wakeCause, clockSurvives: this.clockSurvives, ticks: this.time.ticks },
      retained: this.retained as unknown as RetainedStore,
      storage: this.hasStorage ? this.storage : undefined,
      reuseTickets: this.reuseTickets,
    });
    return this.store;
  }

  /** Connects: offers what the store has, and lets the server resume it or not. @returns what was offered */
  connect(
    protocol: TLSVersion,
    { tickets = 2, accept = true, negotiated = {}, ticket = {}, policy: p = policy }: ConnectOptions = {},
  ) {
    const offered = this.store.take(p);
    const resumed = offered !== undefined && accept;
    this.store.opened(p, { ...full(protocol), resumed, ...(resumed && { chainNotAfter: undefined }), ...negotiated });
    for (let i = 0; i < tickets; i++) this.store.put({ ...data(protocol, ++this.#serial), ...ticket });
    return offered?.bytes[0];
  }
}

interface ConnectOptions {
  readonly tickets?: number;
  readonly accept?: boolean;
  readonly negotiated?: Partial<TLSNegotiated>;
  readonly ticket?: Partial<TLSSessionData>;
  readonly policy?: Uint8Array;
}

function full(protocol: TLSVersion): TLSNegotiated {
  return {
    protocol,
    cipherSuite: "TLS_AES_128_GCM_SHA256",
    applicationProtocol: undefined,
    resumed: false,
    extendedMasterSecret: true,
    chainNotAfter: START + 365 * DAY,
    revocationNextUpdate: undefined,
  };
}

function data(protocol: TLSVersion, serial: number): TLSSessionData {
  return { protocol, bytes: Uint8Array.of(serial), lifetime: 2 * HOUR, extendedMasterSecret: true };
}

describe("TLS session store", () => {
  describe("TLS 1.3", () => {
    it("has nothing for the first connection", () => {
      const { store } = new Setup();
      strictEqual(store.take(policy), undefined);
      strictEqual(store.reason, "none");
    });

    it("offers each ticket once, the newest first", () => {
      const setup = new Setup();
      setup.connect("TLSv1.3", { tickets: 4 });
      const offered = [1, 2, 3].map(() => setup.store.take(policy)?.bytes[0]);
      // 1 went to the reserve's place in RAM, 2 to the reserve in flash; two are kept live.
      strictEqual(new Set(offered).size, 3);
      strictEqual(offered[0], 4);
      strictEqual(setup.store.take(policy), undefined);
    });

    it("resumes after a lost network, a deep sleep and a power cut", () => {
      const setup = new Setup();
      strictEqual(setup.connect("TLSv1.3"), undefined);
      ok(setup.connect("TLSv1.3", { tickets: 1 }) !== undefined, "reconnect");
      setup.start("sleep");
      ok(setup.connect("TLSv1.3", { tickets: 1 }) !== undefined, "deep sleep");
      setup.start("power");
      ok(setup.connect("TLSv1.3", { tickets: 1 }) !== undefined, "power cut");
    });

    it("resumes after any number of power cuts in a row, one ticket at a time", () => {
      const setup = new Setup();
      setup.connect("TLSv1.3");
      const offered: (number | undefined)[] = [];
      for (let i = 0; i < 5; i++) {
        setup.start("power");
        offered.push(setup.connect("TLSv1.3", { tickets: 1 }));
        strictEqual(setup.storage.writes, 2, "the used ticket removed, the fresh one reserved");
      }
      ok(!offered.includes(undefined), "a full handshake");
      strictEqual(new Set(offered).size, offered.length);
    });

    it("removes a ticket that lies in both places from flash before it is used, and does not use it when that fails", () => {
      for (const action of ["fail", undefined] as const) {
        const setup = new Setup();
        setup.connect("TLSv1.3");
        setup.start("power");
        setup.connect("TLSv1.3", { tickets: 1 });
        setup.start("sleep");
        if (action) setup.storage.failAt(1, action);
        const ticket = setup.store.take(policy)?.bytes[0];
        strictEqual(ticket, action ? undefined : 3);
        setup.start("power");
        strictEqual(setup.store.take(policy)?.bytes[0], action ? 3 : undefined);
      }
    });

    it("never offers a ticket twice to a server that gives new ones, whatever is cut when", () => {
      const setup = new Setup();
      const offered: number[] = [];
      const causes: WakeCause[] = ["power", "sleep", "power", "restart", "sleep", "power", "power"];
      for (let i = 0; i < 70; i++) {
        const ticket = setup.connect("TLSv1.3", { tickets: 1 + (i % 2), accept: i % 5 !== 0 });
        if (ticket !== undefined) offered.push(ticket);
        setup.start(causes[i % causes.length]!);
      }
      ok(offered.length > 20, "too few resumptions for the test to mean anything");
      strictEqual(new Set(offered).size, offered.length);
    });

    it("uses a ticket again only when the server accepted it and gave no new one", () => {
      const setup = new Setup();
      setup.connect("TLSv1.3", { tickets: 1 });
      strictEqual(setup.connect("TLSv1.3", { tickets: 0 }), 1);
      setup.start("sleep");
      strictEqual(setup.connect("TLSv1.3", { tickets: 0 }), 1);
      strictEqual(setup.connect("TLSv1.3", { tickets: 1 }), 1);
      strictEqual(setup.connect("TLSv1.3", { tickets: 0, accept: false }), 2, "the new one takes its place");
      strictEqual(setup.store.take(policy), undefined, "a ticket that was refused is not tried again");
    });

    it("does not use a ticket again when the connection failed before the server accepted it", () => {
      const setup = new Setup();
      setup.connect("TLSv1.3", { tickets: 1 });
      strictEqual(setup.store.take(policy)?.bytes[0], 1);
      strictEqual(setup.store.take(policy), undefined);
    });

    it("never offers a ticket twice when that is forbidden, whatever is cut when", () => {
      const setup = new Setup();
      setup.reuseTickets = false;
      setup.start("power");
      const offered: number[] = [];
      const causes: WakeCause[] = ["power", "sleep", "power", "restart", "sleep", "power", "power"];
      for (let i = 0; i < 70; i++) {
        const ticket = setup.connect("TLSv1.3", { tickets: i % 3, accept: i % 5 !== 0 });
        if (ticket !== undefined) offered.push(ticket);
        setup.start(causes[i % causes.length]!);
      }
      ok(offered.length > 20, "too few resumptions for the test to mean anything");
      strictEqual(new Set(offered).size, offered.length);
    });

    it("removes the reserve from flash before it is used, and does not use it when that fails", () => {
      const setup = new Setup();
      setup.connect("TLSv1.3");
      setup.start("power");
      setup.storage.failAt(1, "fail");
      strictEqual(setup.store.take(policy), undefined);
      strictEqual(setup.store.failures, 1);
    });

    it("writes flash once per full handshake, never on an ordinary wake, and twice around a power cut", () => {
      const setup = new Setup();
      setup.connect("TLSv1.3");
      strictEqual(setup.storage.writes, 1);
      for (let i = 0; i < 10; i++) {
        setup.start("sleep");
        setup.connect("TLSv1.3", { tickets: 1 });
        strictEqual(setup.storage.writes, 0, "ordinary wake");
      }
      setup.start("power");
      setup.connect("TLSv1.3");
      strictEqual(setup.storage.writes, 2, "the used ticket removed, a fresh one reserved");
    });

    it("drops retained tickets after a sleep when no clock ran meanwhile", () => {
      const setup = new Setup();
      setup.clockSurvives = { sleep: false, power: false };
      setup.connect("TLSv1.3");
      setup.start("sleep");
      strictEqual(setup.store.take(policy), undefined);
      strictEqual(setup.store.reason, "ticket age unknown");
    });

    it("drops the reserve after a power cut when no clock ran meanwhile", () => {
      const setup = new Setup();
      setup.clockSurvives = { sleep: true, power: false };
      setup.connect("TLSv1.3");
      setup.start("power");
      strictEqual(setup.store.take(policy), undefined);
      strictEqual(setup.store.reason, "ticket age unknown");
    });
  });

  describe("TLS 1.2", () => {
    it("offers the same session until a new one comes, and keeps it for power cuts with one write", () => {
      const setup = new Setup();
      setup.connect("TLSv1.2", { tickets: 1 });
      strictEqual(setup.storage.writes, 1);
      strictEqual(setup.connect("TLSv1.2", { tickets: 0 }), 1);
      setup.start("sleep");
      strictEqual(setup.connect("TLSv1.2", { tickets: 0 }), 1);
      setup.start("power");
      strictEqual(setup.connect("TLSv1.2", { tickets: 1 }), 1);
      strictEqual(setup.connect("TLSv1.2", { tickets: 0 }), 2);
      strictEqual(setup.storage.writes, 0);
    });

    it("is kept without a clock that survives the power cut: its age matters to nobody", () => {
      const setup = new Setup();
      setup.clockSurvives = { sleep: false, power: false };
      setup.connect("TLSv1.2", { tickets: 1 });
      setup.start("power");
      strictEqual(setup.store.take(policy)?.bytes[0], 1);
    });
  });

  describe("a ticket of TLS 1.2 that is too large for retained memory", () => {
    const large = { ticket: { bytes: new Uint8Array(900).fill(1) }, tickets: 1 } as const;
    const small = { ticket: { bytes: new Uint8Array(90).fill(2) }, tickets: 1 } as const;
    const tooSmall = ({ hasStorage = false, wall = true } = {}): Setup => {
      const setup = new Setup({ hasStorage, wall });
      setup.retained.limit = 200;
      return setup;
    };

    it("lies in flash, with one write, and resumes from there", () => {
      const setup = tooSmall({ hasStorage: true });
      setup.connect("TLSv1.2", large);
      strictEqual(setup.storage.writes, 1);
      for (let wake = 0; wake < 3; wake++) {
        setup.start("sleep");
        strictEqual(setup.connect("TLSv1.2", { tickets: 0 }), 1);
        strictEqual(setup.store.tickets, true);
        strictEqual(setup.storage.writes, 0);
      }
    });

    it("costs no write at a wake where there is no wall clock either: retained memory counts the wakes", () => {
      const setup = tooSmall({ hasStorage: true, wall: false });
      setup.connect("TLSv1.2", large);
      for (let wake = 1; wake <= 168; wake++) {
        setup.start("sleep");
        strictEqual(setup.connect("TLSv1.2", { tickets: 0 }), 1, `wake ${wake}`);
        strictEqual(setup.connect("TLSv1.2", { tickets: 0 }), 1, `again, wake ${wake}`);
        strictEqual(setup.storage.writes, 0);
      }
      setup.start("sleep");
      strictEqual(setup.store.take(policy), undefined);
      strictEqual(setup.store.reason, "authentication too old");
    });

    it("is counted in flash where there is no wall clock, and what counted the wakes is gone", () => {
      const setup = tooSmall({ hasStorage: true, wall: false });
      setup.connect("TLSv1.2", large);
      for (let start = 1; start <= 168; start++) {
        setup.start(start % 2 === 0 ? "sleep" : "power");
        setup.retained.limit = 200;
        strictEqual(setup.connect("TLSv1.2", { tickets: 0 }), 1, `start ${start}`);
        strictEqual(setup.storage.writes, start % 2 === 0 ? 0 : 1);
      }
      // The wakes since the last write are forgotten by a power cut, as they are of a session that fits.
      setup.start("sleep");
      setup.retained.broken = true;
      setup.start("sleep");
      setup.connect("TLSv1.2", { tickets: 0 });
      strictEqual(setup.storage.writes, 1, "retained memory that does not take the count does not count");
    });

    it("makes the next handshakes ask for an ID where it has no place in flash either, after a sleep as well", () => {
      const setup = tooSmall();
      strictEqual(setup.store.tickets, true);
      setup.connect("TLSv1.2", large);
      strictEqual(setup.store.tickets, false);
      setup.start("sleep");
      strictEqual(setup.connect("TLSv1.2", small), undefined);
      for (let wake = 0; wake < 3; wake++) {
        setup.start("sleep");
        strictEqual(setup.connect("TLSv1.2", { tickets: 0 }), 2);
        strictEqual(setup.store.tickets, false);
      }
      // The server forgot it.
      setup.start("sleep");
      setup.connect("TLSv1.2", { ...small, accept: false });
      strictEqual(setup.store.tickets, false);
      strictEqual(setup.connect("TLSv1.2", { tickets: 0 }), 2);
    });

    it("is asked for by ID when flash does not take it", () => {
      const setup = tooSmall({ hasStorage: true });
      setup.storage.full = true;
      setup.connect("TLSv1.2", large);
      strictEqual(setup.store.tickets, false);
      setup.start("sleep");
      strictEqual(setup.store.take(policy), undefined);
      strictEqual(setup.store.tickets, false);
    });

    it("is asked for again from a server that gives no ID: it is good for the connections of this life", () => {
      const setup = tooSmall();
      setup.connect("TLSv1.2", large);
      setup.connect("TLSv1.2", { tickets: 0, accept: false });
      strictEqual(setup.store.take(policy), undefined);
      strictEqual(setup.store.tickets, true);
      setup.connect("TLSv1.2", large);
      strictEqual(setup.store.tickets, true);
      strictEqual(setup.connect("TLSv1.2", { tickets: 0 }), 1);
    });

    it("is asked for again where a session by ID is too large as well", () => {
      const setup = tooSmall();
      setup.connect("TLSv1.2", large);
      setup.retained.limit = 50;
      setup.connect("TLSv1.2", { ...small, accept: false });
      strictEqual(setup.store.tickets, true);
    });

    it("says nothing of tickets of TLS 1.3, nor of those after new credentials", () => {
      const setup = tooSmall();
      setup.connect("TLSv1.3", large);
      strictEqual(setup.store.tickets, true);
      setup.connect("TLSv1.2", { ...large, accept: false });
      strictEqual(setup.store.tickets, false);
      setup.store.clear();
      strictEqual(setup.store.tickets, true);
      strictEqual(setup.start("sleep").tickets, true);
    });
  });

  it("forgets everything when the server refuses to resume", () => {
    const setup = new Setup();
    setup.connect("TLSv1.3", { tickets: 4 });
    setup.connect("TLSv1.3", { tickets: 0, accept: false });
    strictEqual(setup.store.take(policy)?.bytes[0], 2, "only the reserve is left");
    strictEqual(setup.store.take(policy), undefined);
  });

  describe("does not use a session", () => {
    for (const protocol of ["TLSv1.2", "TLSv1.3"] as const) {
      for (const place of ["sleep", "power"] as const) {
        const name = `${protocol}, ${place === "sleep" ? "retained" : "reserve"}`;

        it(`of another verification policy (${name})`, () => {
          const setup = new Setup();
          setup.connect(protocol);
          setup.start(place);
          strictEqual(setup.store.take(otherPolicy), undefined);
          strictEqual(setup.store.reason, "policy changed");
        });

        it(`whose lifetime has ended (${name})`, () => {
          const setup = new Setup();
          setup.connect(protocol);
          setup.time.advance(2 * HOUR);
          setup.start(place);
          strictEqual(setup.store.take(policy), undefined);
          strictEqual(setup.store.reason, "expired");
        });

        it(`whose server certificate has ended (${name})`, () => {
          const setup = new Setup();
          setup.connect(protocol, { negotiated: { chainNotAfter: START + HOUR } });
          setup.time.advance(HOUR);
          setup.start(place);
          strictEqual(setup.store.take(policy), undefined);
          strictEqual(setup.store.reason, "expired");
        });

        it(`that leans on a revocation list past its nextUpdate (${name})`, () => {
          const setup = new Setup();
          setup.connect(protocol, { negotiated: { revocationNextUpdate: START + HOUR } });
          setup.time.advance(HOUR);
          setup.start(place);
          strictEqual(setup.store.take(policy), undefined);
          strictEqual(setup.store.reason, "expired");
        });

        it(`issued after what the clock says now (${name})`, () => {
          const setup = new Setup();
          setup.connect(protocol);
          setup.time.wall = { now: START - HOUR, source: "sntp", uncertainty: 1000 };
          setup.start(place);
          strictEqual(setup.store.take(policy), undefined);
          strictEqual(setup.store.reason, "clock went back");
        });
      }
    }

    it("when the server was authenticated more than 7 days ago, however often it was renewed since", () => {
      const setup = new Setup();
      setup.connect("TLSv1.3");
      for (let hours = 1; hours < 7 * 24; hours++) {
        setup.time.advance(HOUR);
        setup.start("sleep");
        ok(setup.connect("TLSv1.3", { tickets: 1 }) !== undefined, `after ${hours} hours`);
      }
      setup.time.advance(HOUR);
      setup.start("sleep");
      strictEqual(setup.store.take(policy), undefined);
    });

    it("when there is no wall clock and the device started more than 168 times since", () => {
      const setup = new Setup({ wall: false });
      setup.connect("TLSv1.2", { tickets: 1 });
      for (let wakes = 1; wakes <= 168; wakes++) {
        setup.start("sleep");
        ok(setup.connect("TLSv1.2", { tickets: wakes % 2 }) !== undefined, `after ${wakes} wakes`);
      }
      setup.start("sleep");
      strictEqual(setup.store.take(policy), undefined);
      strictEqual(setup.store.reason, "authentication too old");
    });

    it("when that was more than 7 days of uptime ago, with no wall clock and no restart to tell", () => {
      const setup = new Setup({ wall: false });
      setup.connect("TLSv1.2", { tickets: 1, negotiated: { chainNotAfter: undefined } });
      setup.time.advance(7 * DAY - 1);
      strictEqual(setup.connect("TLSv1.2", { tickets: 1 }), 1);
      setup.time.advance(1);
      strictEqual(setup.connect("TLSv1.2", { tickets: 1 }), undefined);
      strictEqual(setup.store.reason, "authentication too old");
      strictEqual(setup.connect("TLSv1.2", { tickets: 1 }), 3);
    });

    it("when the server's chain ended by the latest that the clock allows, though there was none at the handshake", () => {
      const setup = new Setup({ wall: false });
      setup.connect("TLSv1.2", { tickets: 1 });
      setup.time.wall = { now: START + 365 * DAY - 500, source: "sntp", uncertainty: 1000 };
      strictEqual(setup.store.take(policy), undefined);
      strictEqual(setup.store.reason, "expired");
    });

    it("counting power cuts as well, without a wall clock", () => {
      const setup = new Setup({ wall: false });
      setup.connect("TLSv1.2", { tickets: 1 });
      let resumed = 0;
      for (; resumed < 1000; resumed++) {
        setup.start("power");
        if (setup.connect("TLSv1.2", { tickets: 0 }) === undefined) break;
      }
      strictEqual(resumed, 169);
    });
  });

  it("ends a resumed handshake that differs in extended master secret (RFC 7627 section 5.3)", () => {
    const { store } = new Setup();
    store.opened(policy, full("TLSv1.2"));
    store.put(data("TLSv1.2", 1));
    ok(store.take(policy) !== undefined);
    throws(
      () => store.opened(policy, { ...full("TLSv1.2"), resumed: true, extendedMasterSecret: false }),
      "TLS_HANDSHAKE_FAILED",
    );
  });

  it("ends a handshake that resumed what was not offered", () => {
    const { store } = new Setup();
    strictEqual(store.take(policy), undefined);
    throws(() => store.opened(policy, { ...full("TLSv1.3"), resumed: true }), "TLS_HANDSHAKE_FAILED");
    store.put(data("TLSv1.3", 1));
    strictEqual(store.take(policy), undefined);
  });

  for (const kept of ["live", "in the reserve"])
    it(`does not offer a TLS 1.2 session again whose handshake failed twice: it may be the reason (${kept})`, () => {
      const setup = new Setup();
      setup.connect("TLSv1.2", { tickets: 1 });
      if (kept === "in the reserve") setup.start("power");
      const before = setup.storage.writes;
      strictEqual(setup.store.take(policy)?.bytes[0], 1);
      // The server answers with an alert, or the connection is lost: opened() is not called. Once may be the network.
      strictEqual(setup.store.take(policy)?.bytes[0], 1);
      strictEqual(setup.store.take(policy), undefined);
      strictEqual(setup.storage.writes, before, "flash is not worn for it");
      strictEqual(setup.connect("TLSv1.2", { tickets: 1 }), undefined);
      strictEqual(setup.connect("TLSv1.2", { tickets: 0 }), 2);
      setup.start("power");
      strictEqual(setup.connect("TLSv1.2", { tickets: 0 }), 2, "the reserve was replaced");
    });

  it("does not meet a server that resumes without extended master secret with the same session for ever", () => {
    const setup = new Setup();
    setup.connect("TLSv1.2", { tickets: 1 });
    throws(() => setup.connect("TLSv1.2", { negotiated: { extendedMasterSecret: false } }), "TLS_HANDSHAKE_FAILED");
    strictEqual(setup.connect("TLSv1.2"), undefined);
  });

  it("does not use a ticket that it could not remove from retained memory: a crash would bring it back", () => {
    const setup = new Setup();
    setup.connect("TLSv1.3", { tickets: 1 });
    setup.retained.broken = true;
    strictEqual(setup.store.take(policy), undefined);
  });

  it("keeps no session of a connection that was not opened", () => {
    const { store } = new Setup();
    store.put(data("TLSv1.3", 1));
    strictEqual(store.take(policy), undefined);
  });

  it("keeps one session in retained memory that is too small for two, and none without failing", () => {
    const setup = new Setup();
    setup.retained.limit = 100;
    setup.connect("TLSv1.3", { tickets: 4 });
    setup.start("sleep");
    strictEqual(setup.store.take(policy)?.bytes[0], 4);
    setup.retained.limit = 10;
    setup.connect("TLSv1.3", { tickets: 1 });
    strictEqual(setup.retained.sections.size, 0);
    ok(setup.store.failures > 0);
  });

  it("drops every session on demand, in RAM, retained memory and flash", () => {
    const setup = new Setup();
    setup.connect("TLSv1.3", { tickets: 4 });
    setup.store.clear();
    strictEqual(setup.store.take(policy), undefined);
    setup.start("sleep");
    strictEqual(setup.store.take(policy), undefined);
    deepEqual([...setup.storage], []);
  });

  it("takes damaged memory for empty memory", () => {
    const setup = new Setup();
    setup.connect("TLSv1.3");
    const [section, content] = [...setup.retained.sections][0]!;
    for (let i = 0; i < content.byteLength; i++) {
      const damaged = content.slice();
      damaged[i]! ^= 0xff;
      setup.retained.sections.set(section, damaged);
      setup.start("sleep").take(policy);
    }
    setup.storage.write("sw.tls", Uint8Array.of(0xff));
    setup.start("power");
    strictEqual(setup.store.take(policy), undefined);
  });
});
