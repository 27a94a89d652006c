import { SealwireError } from "../../../src/errors.js";
import type { MessageConsumer, PayloadSource, SessionMessage, SessionOptions } from "../../../src/mqtt/index.js";
import { deepEqual, ok, strictEqual } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { PACKET, text } from "../../support/broker-model.js";
import { World } from "../../support/session-world.js";

const callbacks = [
  "onConnected",
  "onDisconnected",
  "onVersion",
  "onMessage",
  "onMessageStart",
  "write",
  "end",
  "abort",
  "onDrain",
  "onError",
  "read",
  "openSource",
  "start",
  "step",
] as const;

const actions = ["close", "abort", "disconnect", "publish", "subscribe", "connect", "save", "throw"] as const;

type Callback = (typeof callbacks)[number];
type Action = (typeof actions)[number];

/** A session that lives through everything there is a callback for; in one of them it does something else first. */
class Life {
  readonly world = new World();
  called = 0;
  closed = false;
  /** How each promise ended. */
  readonly ends: string[] = [];
  /** What was called though the session was closed. */
  readonly late: string[] = [];
  promises = 0;
  readonly #where: Callback;
  readonly #action: Action;

  constructor(where: Callback, action: Action) {
    this.#where = where;
    this.#action = action;
  }

  async live(): Promise<void> {
    const { world } = this;
    const authenticates = this.#where === "start" || this.#where === "step";
    if (this.#where === "onVersion") world.broker.versions = [4];
    if (authenticates) this.#challenge();
    const before = new World().start({ durability: "sleep" });
    before
      .publish("t", { byteLength: 3, reference: "file", read: () => new Uint8Array(3) }, { qos: 1 })
      .catch(() => undefined);
    const savedState = before.save();
    before.close();
    world.start({
      version: authenticates ? 5 : "auto",
      durability: "sleep",
      savedState,
      queue: { messages: 4 },
      maximumMessageSize: 8,
      onConnected: () => this.#at("onConnected"),
      onDisconnected: () => this.#at("onDisconnected"),
      onVersion: () => this.#at("onVersion"),
      onDrain: () => this.#at("onDrain"),
      onError: () => this.#at("onError"),
      onMessage: (message) => this.#message(message),
      onMessageStart: ({ topic }) => this.#consumer(topic),
      openSource: () => {
        this.#at("openSource");
        return this.#source();
      },
      ...(authenticates ? { authentication: this.#authentication() } : {}),
    });
    await this.#connect();
    this.#expect(() => world.session.subscribe(["in", "stuck"], { qos: 2 }));
    await world.run();
    for (let i = 0; i < 6; i++) this.#expect(() => world.session.publish("t", `${i}`, { qos: 1 }));
    await world.run();
    this.#expect(() => world.session.publish("t", this.#source(), { qos: 2 }));
    world.broker.publish("in", "small", 1);
    world.broker.publish("in", "longer than the limit", 2);
    world.broker.publish("in", "bad", 1);
    await world.run();
    world.broker.publish("stuck", "never taken to its end", 1);
    await world.run();
    world.network.cut();
    await world.run();
    await this.#connect();
    this.#expect(() => world.session.publish("t", "last", { qos: 2 }));
    await world.run();
    this.#expect(() => world.session.disconnect());
    await world.run();
    world.session.close();
    this.closed = true;
    world.network.cut();
    await world.run();
    world.time.advance(100_000);
    await world.run();
  }

  async #connect(): Promise<void> {
    const { world } = this;
    // Refused once for the version, and ended once by what is done in a callback.
    for (let i = 0; i < 4 && !this.closed && !world.session.connected; i++) {
      try {
        if (!world.session.connecting) world.connect();
      } catch (error) {
        // The caller is told what authentication.start() threw or did, and nothing was begun twice.
        const { code } = error as SealwireError;
        if (this.#action !== "throw") strictEqual(code, this.#action === "close" ? "CLOSED" : "INVALID_STATE");
      }
      await world.run();
    }
  }

  #expect(begin: () => Promise<unknown>): void {
    this.promises++;
    begin().then(
      () => this.ends.push("done"),
      (error: unknown) => this.ends.push(error instanceof SealwireError ? error.code : String(error)),
    );
  }

  #at(where: Callback): void {
    if (this.closed) this.late.push(where);
    if (where !== this.#where || this.called++ > 0) return;
    const { session } = this.world;
    switch (this.#action) {
      case "close":
        this.closed = true;
        {
          session.close();
          return;
        }
      case "abort": {
        session.abort();
        return;
      }
      case "disconnect": {
        this.#expect(() => session.disconnect());
        return;
      }
      case "publish":
        for (const qos of [0, 1, 2] as const) this.#expect(() => session.publish("t", "from within", { qos }));
        return;
      case "subscribe":
        this.#expect(() => session.subscribe("from/within", { qos: 1 }));
        {
          this.#expect(() => session.unsubscribe("from/within"));
          return;
        }
      case "connect":
        try {
          this.world.connect();
        } catch (error) {
          strictEqual((error as SealwireError).code, "INVALID_STATE");
        }
        return;
      case "save":
        session.save();
        return;
      case "throw":
        throw new Error("from within");
    }
  }

  #message({ payload }: SessionMessage): void {
    this.#at("onMessage");
    if (payload[0] === 0x62) throw new Error("bad");
  }

  #consumer(topic: string): MessageConsumer {
    this.#at("onMessageStart");
    return {
      write: () => {
        this.#at("write");
        return topic === "stuck" ? new Promise<void>(() => undefined) : undefined;
      },
      end: () => this.#at("end"),
      abort: () => this.#at("abort"),
    };
  }

  #source(): PayloadSource {
    return {
      byteLength: 3,
      reference: "file",
      read: (_, length) => {
        this.#at("read");
        return new Uint8Array(Math.min(length, 3));
      },
    };
  }

  #authentication(): NonNullable<SessionOptions["authentication"]> {
    return {
      method: "test",
      start: () => {
        this.#at("start");
        return undefined;
      },
      step: () => {
        this.#at("step");
        return undefined;
      },
    };
  }

  /** The broker asks once, and accepts whatever the answer is. */
  #challenge(): void {
    const { broker } = this.world;
    const method = [Uint8Array.of(0x15), text("test")];
    broker.onConnect = (connection) => {
      connection.send(PACKET.AUTH, 0, Uint8Array.of(0x18, 7), ...method);
      return true;
    };
    broker.onAuth = (connection) => {
      broker.connackProperties = Uint8Array.of(0x15, 0, 4, 0x74, 0x65, 0x73, 0x74);
      connection.connack(false);
    };
  }
}

describe("A session, whatever its application does within a callback", () => {
  for (const where of callbacks)
    it(`settles every promise, and calls nothing after close(): ${where}`, async () => {
      for (const action of actions) {
        const life = new Life(where, action);
        await life.live();
        const what = `${action} in ${where}`;
        ok(life.called > 0, `${what}: it was never called`);
        deepEqual(life.late, [], `${what}: called after close()`);
        strictEqual(life.ends.length, life.promises, `${what}: a promise is pending`);
        strictEqual(life.world.time.pending, 0, `${what}: a timer was left behind`);
        const codes = "done CLOSED MQTT_QUEUE_FULL CALLBACK_FAILED PAYLOAD_NOT_REPLAYABLE INVALID_ARGUMENT";
        for (const end of life.ends) ok(codes.includes(end), `${what}: ${end}`);
      }
    });
});
