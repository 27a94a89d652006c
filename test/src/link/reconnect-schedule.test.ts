import { SealwireError, type ErrorCode } from "../../../src/errors.js";
import { ReconnectSchedule, retryPolicy } from "../../../src/link/index.js";
import { ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

/** Randomness that always draws the same share of the window, 0 to 1. */
function always(share: number): { random: (byteLength: number) => Uint8Array } {
  return {
    random: (byteLength) => {
      const bytes = new Uint8Array(byteLength);
      new DataView(bytes.buffer).setUint32(0, Math.min(share * 2 ** 32, 2 ** 32 - 1));
      return bytes;
    },
  };
}

describe("reconnect schedule", () => {
  it("draws from 0 to 60 s once, then from 0 to 120 s, after a common cause", () => {
    const schedule = new ReconnectSchedule(always(0.5));
    const waits = [1, 2, 3, 4, 5].map(() => schedule.next("spread"));
    strictEqual(waits.join(), "30000,60000,60000,60000,60000");
    strictEqual(new ReconnectSchedule(always(0)).next("spread"), 0);
    ok(new ReconnectSchedule(always(1)).next("spread") < 60_000);
  });

  it("starts at 1 s and doubles up to 120 s after a local cause", () => {
    const schedule = new ReconnectSchedule(always(0.5));
    const waits = Array.from({ length: 9 }, () => schedule.next("local"));
    strictEqual(waits.join(), "500,1000,2000,4000,8000,16000,30000,60000,60000");
  });

  it("does not let a flapping network shorten the wait that a common cause asks for", () => {
    const schedule = new ReconnectSchedule(always(0.5));
    schedule.next("spread");
    strictEqual(schedule.next("local"), 60_000);
  });

  it("waits 1 to 10 minutes after a refusal that will not heal", () => {
    strictEqual(new ReconnectSchedule(always(0)).next("slow"), 60_000);
    ok(new ReconnectSchedule(always(1)).next("slow") > 599_000);
  });

  it("begins with the widest window when the server is busy", () => {
    const schedule = new ReconnectSchedule(always(0.5));
    strictEqual(schedule.next("busy"), 60_000);
    strictEqual(schedule.next("spread"), 60_000, "and stays there");
  });

  it("waits 8 s at most for a network that came back, however often it flapped", () => {
    const schedule = new ReconnectSchedule(always(1));
    const waits = Array.from({ length: 20 }, () => schedule.next("interface"));
    ok(Math.max(...waits) <= 8000, waits.join());
  });

  it("begins anew after a stable connection", () => {
    const schedule = new ReconnectSchedule(always(0.5));
    for (let i = 0; i < 5; i++) schedule.next("spread");
    schedule.reset();
    strictEqual(schedule.next("local"), 500);
  });

  it("goes on after deep sleep where it was", () => {
    const before = new ReconnectSchedule(always(0.5));
    for (let i = 0; i < 3; i++) before.next("spread");
    const after = new ReconnectSchedule(always(0.5), undefined, before.save());
    strictEqual(after.attempts, 3);
    strictEqual(after.next("local"), 60_000);
  });

  it("counts no further than a byte holds, and takes nothing from damaged state", () => {
    const schedule = new ReconnectSchedule(always(0.5));
    for (let i = 0; i < 300; i++) schedule.next("spread");
    strictEqual(schedule.attempts, 255);
    strictEqual(new ReconnectSchedule(always(0.5), undefined, Uint8Array.of(1)).attempts, 0);
  });

  it("refuses windows that are none", () => {
    throws(() => new ReconnectSchedule(always(0), []), "INVALID_ARGUMENT");
    throws(() => new ReconnectSchedule(always(0), [-1]), "INVALID_ARGUMENT");
    throws(() => new ReconnectSchedule(always(0), [Number.NaN]), "INVALID_ARGUMENT");
  });
});

describe("retry policy", () => {
  const policy = (code: ErrorCode, wasConnected: boolean): string =>
    retryPolicy(new SealwireError(code, ""), wasConnected);

  it("is of the device's own interface, or local, while nobody but this device is affected", () => {
    strictEqual(policy("NETWORK_DOWN", true), "interface");
    strictEqual(policy("NAME_NOT_RESOLVED", false), "local");
  });

  it("is spread when the server does not answer, or hangs up in the handshake: a fleet may be at its door", () => {
    strictEqual(policy("TIMEOUT", false), "spread");
    strictEqual(policy("CONNECTION_LOST", false), "spread");
  });

  it("is busy when the server says so", () => {
    strictEqual(policy("MQTT_SERVER_UNAVAILABLE", false), "busy");
    strictEqual(policy("MQTT_QUOTA_EXCEEDED", true), "busy");
  });

  it("is spread when an accepted connection is lost, or the server refuses the connection", () => {
    strictEqual(policy("CONNECTION_LOST", true), "spread");
    strictEqual(policy("MQTT_KEEP_ALIVE_TIMEOUT", true), "spread");
    strictEqual(policy("CONNECTION_REFUSED", false), "spread");
    strictEqual(retryPolicy(undefined, true), "spread");
  });

  it("is slow for refusals that will not heal", () => {
    for (const code of [
      "TLS_CERTIFICATE_REVOKED",
      "MQTT_BAD_CREDENTIALS",
      "MQTT_NOT_AUTHORIZED",
      "MQTT_TAKEN_OVER",
    ] as const)
      strictEqual(policy(code, false), "slow", code);
  });
});
