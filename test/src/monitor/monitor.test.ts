import { fromUTF8 } from "../../../src/bytes.js";
import { decodeCBOR } from "../../../src/cbor/index.js";
import { SealwireError } from "../../../src/errors.js";
import { line, Monitor, PacketCounter, plain, type MonitorOptions } from "../../../src/monitor/index.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { ManualTime } from "../../support/manual-time.js";

function setUp(options: MonitorOptions = {}, saved?: Uint8Array) {
  const time = new ManualTime();
  const monitor = new Monitor(options);
  const world = {
    time,
    monitor,
    connected: true,
    free: 20_000,
    room: 4096,
    kept: undefined as Uint8Array | undefined,
    keeps: 0,
    published: [] as { topic: string; payload: Uint8Array; qos: number; seal: boolean }[],
  };
  monitor.attach({
    platform: {
      timer: time.timer,
      ticks: time.ticks,
      heap: () => ({ chunks: { used: 40_000 - world.free, peak: 0, total: 40_000 } }),
      wakeCause: "power",
    },
    saved,
    keep: (save) => {
      world.keeps++;
      world.kept = save(world.room);
    },
    isConnected: () => world.connected,
    publish: (topic, payload, { qos, seal = false }) => {
      world.published.push({ topic, payload, qos, seal });
      return Promise.resolve();
    },
  });
  return world;
}

const event = { kind: "taken-over", code: "MQTT_TAKEN_OVER", message: "", suspected: true } as const;

async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

describe("log", () => {
  it("shows of what is put into a line only what cannot be a secret", () => {
    const password = "hunter2";
    const error = new SealwireError("MQTT_REFUSED", `the server says ${password}`, { reasonCode: 0x87 });
    const { text } =
      line`a ${1.23456} b ${true} c ${password} d ${Uint8Array.of(1, 2)} e ${{ password }} f ${error} g ${new Error(password)} h ${plain("shown")}`;
    strictEqual(text, "a 1.235 b true c [text of 7] d [2 bytes] e [hidden] f MQTT_REFUSED 0x87 g [error] h shown");
    ok(!text.includes(password));
  });

  it("keeps what could break a line out of it, and bounds its length", () => {
    // The last character is two units, or one on the engine of the Moddable SDK.
    ok(/^a\?\?b\?\?\??$/.test(line`${plain("a\r\nb\u0000\u{1f600}")}`.text));
    strictEqual(line`${plain("x".repeat(1000))}`.text.length, 64);
    ok(
      line`${plain("x".repeat(64))}${plain("x".repeat(64))}${plain("x".repeat(64))}${plain("x".repeat(64))}`.text
        .length <= 200,
    );
  });

  it("does not make lines below its level", () => {
    const { monitor } = setUp({ level: "warning" });
    let made = 0;
    for (const level of ["info", "debug"] as const)
      monitor.log(level, () => {
        made++;
        return line`x`;
      });
    strictEqual(made, 0);
  });

  it("keeps the newest lines within its bytes", () => {
    const { monitor } = setUp({ logBytes: 100 });
    for (let i = 0; i < 50; i++) monitor.log("info", () => line`line number ${i}`);
    const texts = monitor.entries.map(({ text }) => text);
    ok(texts.length >= 4 && texts.length <= 6, texts.join());
    strictEqual(texts.at(-1), "line number 49");
  });

  it("survives a restart, in the room there is, the newest lines first", () => {
    const before = setUp();
    before.time.advance(5000);
    before.monitor.log("info", () => line`old`);
    before.monitor.log("error", () => line`last words`);
    ok(before.kept, "an error is kept at once: what follows may be a crash");
    const after = setUp({}, before.kept);
    deepEqual(
      after.monitor.entries.map(({ level, seconds, text }) => `${level} ${seconds} ${text}`),
      ["info 0 start after power", "info 5 old", "error 5 last words", "info 0 start after power"],
    );
    before.room = 20;
    before.monitor.log("error", () => line`x`);
    strictEqual(setUp({}, before.kept).monitor.entries[0]?.text, "x");
    before.room = -5;
    before.monitor.log("error", () => line`y`);
    strictEqual(before.kept, undefined);
  });

  it("writes retained memory once for many lines that are not urgent", () => {
    const world = setUp();
    for (let i = 0; i < 100; i++) world.monitor.log("info", () => line`x`);
    const { keeps } = world;
    world.time.advance(1000);
    strictEqual(world.keeps - keeps, 1);
  });

  it("calls nothing and writes nothing once the device has stopped, whatever is still logged", () => {
    const world = setUp({ health: { interval: 1000 } });
    world.monitor.log("info", () => line`before`);
    world.monitor.stop();
    const { keeps } = world;
    world.monitor.log("info", () => line`after`);
    world.monitor.failed(new SealwireError("STORAGE_FAILED", "the memory is closed"));
    world.monitor.security(event);
    world.time.advance(3_600_000);
    deepEqual([world.keeps - keeps, world.published.length], [0, 0]);
    deepEqual(
      world.monitor.entries.map(({ text }) => text).slice(0, 2),
      ["start after power", "before"],
      "it can still be read",
    );
  });

  it("takes damaged memory for what is whole in it", () => {
    const before = setUp();
    before.monitor.log("error", () => line`whole`);
    const kept = before.kept!;
    for (let length = 0; length <= kept.byteLength; length++) {
      const cut = kept.slice(0, length);
      cut[0] = length % 7;
      const { monitor } = setUp({}, cut);
      monitor.log("error", () => line`goes on`);
      const texts = monitor.entries.map(({ text }) => text);
      strictEqual(texts.at(-1), "goes on");
      for (const text of texts.slice(0, -2)) ok(["start after power", "whole"].includes(text), text);
    }
    ok(
      setUp({}, kept).monitor.entries.some(({ text }) => text === "whole"),
      "undamaged, it is there",
    );
  });
});

describe("packet counter", () => {
  it("counts PUBLISH packets by QoS and DUP, however the stream is cut", () => {
    const packets = [
      [0x10, 2, 0x33, 0x33],
      [0x30, 3, 0x32, 0x32, 0x32],
      [0x32, 0x80, 0x01, ...Array<number>(128).fill(0x3a)],
      [0x3d, 1, 0],
      [0xc0, 0],
      [0x34, 0],
    ].flat();
    for (let size = 1; size < 20; size++) {
      const seen: string[] = [];
      const counter = new PacketCounter((qos, again) => seen.push(`${qos}${again ? "!" : ""}`));
      for (let i = 0; i < packets.length; i += size) counter.feed(Uint8Array.from(packets.slice(i, i + size)));
      deepEqual(seen, ["0", "1", "2!", "2"]);
    }
  });

  it("stops at what is no MQTT", () => {
    let seen = 0;
    const counter = new PacketCounter(() => seen++);
    counter.feed(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x30, 0, 0x30, 0));
    strictEqual(seen, 0);
  });
});

describe("health report", () => {
  it("holds the counters, as deterministic CBOR or as JSON", async () => {
    for (const format of ["cbor", "json"] as const) {
      const { monitor, published } = setUp({ health: { format, topic: "%c/h", qos: 0, seal: true } });
      monitor.connected({ resumed: true, sessionPresent: true, milliseconds: 5 });
      monitor.bytes.onRead(new Uint8Array(7));
      monitor.dropped(new SealwireError("MQTT_QUEUE_FULL", ""));
      monitor.dropped(new SealwireError("CLOSED", ""));
      await monitor.publish();
      const [{ topic, payload, qos, seal }] = published as [(typeof published)[0]];
      deepEqual([topic, qos, seal], ["%c/h", 0, true]);
      const report =
        format === "json"
          ? (JSON.parse(fromUTF8(payload)!) as Record<string, unknown>)
          : Object.fromEntries(decodeCBOR(payload) as Map<string, unknown>);
      deepEqual(report["connects"], [0, 1, 0]);
      deepEqual(report["bytes"], [7, 0]);
      strictEqual(report["drops"], 1);
      deepEqual(report["heap"], [20_000, 20_000]);
      strictEqual(report["reason"], "request");
    }
  });

  it("comes on schedule while there is a connection", async () => {
    const world = setUp({ health: { interval: 60_000 } });
    world.time.advance(60_000);
    await turns();
    strictEqual(world.published.length, 1);
    world.connected = false;
    world.time.advance(600_000);
    await turns();
    strictEqual(world.published.length, 1);
    world.monitor.stop();
    strictEqual(world.time.pending, 0);
  });

  it("comes on a security event, later when there is no connection", async () => {
    const world = setUp({ health: {} });
    world.connected = false;
    world.monitor.security(event);
    strictEqual(world.published.length, 0);
    world.connected = true;
    world.monitor.connected({ resumed: false, sessionPresent: false, milliseconds: 1 });
    await turns();
    strictEqual(world.published.length, 1);
    const report = decodeCBOR(world.published[0]!.payload) as Map<string, unknown>;
    deepEqual([...(report.get("security") as Map<string, number>)], [["taken-over", 1]]);
  });

  it("does not become an attacker's flood: not as messages, and not in the log", async () => {
    const world = setUp({ health: { eventInterval: 600_000 }, logBytes: 4096 });
    world.monitor.log("error", () => line`evidence`);
    for (let second = 0; second < 3600; second++) {
      world.monitor.security(event);
      world.time.advance(1000);
      await turns();
    }
    ok(world.published.length <= 3 + 6, `${world.published.length} reports in an hour`);
    strictEqual(world.monitor.counters.security["taken-over"], 3600, "all of them are counted");
    ok(
      world.monitor.entries.some(({ text }) => text === "evidence"),
      "what was there before is still there",
    );
    ok(world.monitor.counters.reportsHeldBack > 3000);
  });

  it("does not let failures that a stranger can bring about push the log out, nor write retained memory each time", () => {
    const world = setUp({ logBytes: 1024 });
    world.monitor.log("error", () => line`evidence`);
    const before = world.keeps;
    for (let message = 0; message < 1000; message++) {
      world.monitor.failed(new SealwireError("SEALED_EPOCH_EXPIRED", "From long ago."));
      world.time.advance(10);
    }
    strictEqual(world.monitor.counters.errors, 1000, "all of them are counted");
    ok(world.keeps - before <= 4, `${world.keeps - before} writes`);
    ok(world.monitor.entries.some(({ text }) => text === "evidence"));
    // Another failure is not hidden by them.
    world.monitor.failed(new SealwireError("STORAGE_FAILED", "The flash does not answer."));
    ok(world.monitor.entries.some(({ text }) => text === "STORAGE_FAILED"));
    // And there is news of the first when it lasts.
    world.time.advance(60_000);
    world.monitor.failed(new SealwireError("SEALED_EPOCH_EXPIRED", "Still."));
    strictEqual(world.monitor.entries.at(-1)?.text, "SEALED_EPOCH_EXPIRED");
  });

  it("remembers when memory was lowest", () => {
    const world = setUp();
    world.free = 5000;
    world.monitor.handshake(100);
    world.free = 30_000;
    deepEqual(world.monitor.report().heap, [30_000, 5000]);
  });

  it("refuses options that are none, and a second device", () => {
    throws(() => new Monitor({ logBytes: -1 }), "INVALID_ARGUMENT");
    throws(() => new Monitor({ level: "loud" as never }), "INVALID_ARGUMENT");
    throws(() => new Monitor({ health: { eventInterval: 0 } }), "INVALID_ARGUMENT");
    const { monitor } = setUp();
    throws(() => monitor.attach(undefined as never), "INVALID_STATE");
  });
});
