/** A device's life, whole and in memory, so that it runs on the chip's engine too: what it is told, what the broker gets, and what is left of it at its end. */
import { fromUTF8 } from "../../../src/bytes.js";
import type { Device, DeviceOptions } from "../../../src/index.js";
import { Permissions } from "../../../src/permissions/index.js";
import { deepEqual, ok, rejects, strictEqual } from "../../support/assert.js";
import { beforeEach, describe, it } from "../../support/bdd.js";
import { PACKET } from "../../support/broker-model.js";
import { DeviceWorld, fateOf, PASSWORD } from "../../support/device-world.js";
import { STORAGE_KEY } from "../../../src/storage/index.js";
import { MemoryRetained } from "../../support/memory-storage.js";

describe("A device's life in memory", () => {
  let world: DeviceWorld;

  beforeEach(() => {
    world = new DeviceWorld();
  });

  const sent = (type: number): number => world.broker.seen.filter((packet) => packet.type === type).length;

  it("starts, and is connected: once, and without its password on the wire", async () => {
    const device = world.boot();
    strictEqual(device.status.state, "new");
    const started = device.start();
    const again = device.start({ timeout: 1000 });
    strictEqual(device.status.state, "connecting");
    await world.finish(Promise.all([started, again]));
    strictEqual(device.status.state, "connected");
    deepEqual(world.told, ["onConnected"]);
    strictEqual(world.connects[0]!.sessionPresent, false);
    strictEqual(world.connects[0]!.protocol, undefined);
    const [connect] = world.broker.seen;
    let wire = "";
    for (const byte of connect!.body) wire += String.fromCharCode(byte);
    ok(wire.includes("sw1."), "the token is in CONNECT");
    ok(!wire.includes(PASSWORD), "the password is not");
    await world.finish(device.stop());
    await world.mustBeGone();
  });

  it("logs in by a token also when its firmware was built years ago: nobody vouches for the time before the login", async () => {
    world.time.wall = { ...world.time.wall!, now: 1_800_000_000_000 + 3 * 366 * 86_400_000 };
    await world.online();
    // Before the firmware was built it is certainly wrong.
    world = new DeviceWorld();
    world.time.wall = { ...world.time.wall!, now: 0 };
    void world.boot().start();
    await world.pass(0);
    deepEqual([world.losses[0]?.cause?.code, world.broker.seen.length], ["INVALID_STATE", 0]);
  });

  it("publishes with each QoS, before and after the connection, and the broker has each message once", async () => {
    const device = world.boot();
    const publish = (name: string): Promise<unknown> =>
      Promise.all(([0, 1, 2] as const).map((qos) => device.publish(`%c/${qos}`, name, { qos })));
    const early = publish("early");
    await world.finish(Promise.all([device.start(), early]));
    await world.finish(publish("late"));
    deepEqual(
      [...world.published].sort(),
      [0, 1, 2].flatMap((qos) => [`device/${qos} early ${qos}`, `device/${qos} late ${qos}`]).sort(),
    );
    deepEqual(device.status.pending, { messages: 0, bytes: 0 });
    for (const { payload } of world.broker.published)
      ok(!fromUTF8(payload)?.includes("early"), "what is on the wire is sealed");
  });

  it("gets what the broker sends with each QoS, acknowledges it, and no more of it once unsubscribed", async () => {
    const device = await world.online();
    strictEqual(await world.finish(device.subscribe("%c/in", world.listen, { qos: 2 })), 2);
    for (const qos of [0, 1, 2]) world.send("device/in", `QoS ${qos}`, qos);
    await world.pass(0);
    deepEqual(world.heard, ["QoS 0", "QoS 1", "QoS 2"]);
    deepEqual([sent(PACKET.PUBACK), sent(PACKET.PUBREC), sent(PACKET.PUBCOMP)], [1, 1, 1]);
    // Without TLS anybody on the way can write: what is not sealed is no message.
    world.forge("device/in", "not sealed", 1);
    await world.pass(0);
    await world.finish(device.unsubscribe("%c/in"));
    world.send("device/in", "unsubscribed", 1);
    await world.pass(0);
    strictEqual(world.heard.length, 3);
    deepEqual(world.told.slice(-1), ["onSecurity payload-rejected"]);
  });

  it("tells of a lost connection and when it will try again, and comes back then with all that was under way", async () => {
    const device = await world.online({ reconnectSpread: [40_000] });
    await world.finish(device.subscribe("%c/in", world.listen, { qos: 1 }));
    world.broker.silent.add(PACKET.PUBLISH);
    const published = device.publish("%c/out", "under way", { qos: 2 });
    await world.pass(0);
    world.network.cut();
    await world.pass(0);
    const [{ cause, willRetryIn, suspected }] = world.losses as [(typeof world.losses)[0]];
    strictEqual(cause?.code, "CONNECTION_LOST");
    strictEqual(suspected, false);
    ok(willRetryIn! >= 0 && willRetryIn! < 40_000, `willRetryIn ${willRetryIn}`);
    deepEqual([device.connected, device.status.state, device.status.lastError?.code], [false, "waiting", cause.code]);
    world.broker.silent.clear();
    world.send("device/in", "meanwhile", 1);
    await world.pass(Math.max(0, willRetryIn! - 1));
    strictEqual(device.connected, false, "it does not come before its time");
    await world.pass(2);
    ok(device.connected, "it is back");
    await world.finish(published);
    strictEqual(world.connects[1]!.sessionPresent, true);
    deepEqual([world.heard, world.published], [["meanwhile"], ["device/out under way 2"]]);
    strictEqual(device.status.lastError, undefined);
  });

  it("tells refusals apart: slowly again where time does not heal, spread where the broker is busy", async () => {
    const refusals = [
      { mqttVersion: 4, code: 4, error: "MQTT_BAD_CREDENTIALS", slow: true },
      { mqttVersion: 4, code: 5, error: "MQTT_NOT_AUTHORIZED", slow: true },
      { mqttVersion: 4, code: 3, error: "MQTT_SERVER_UNAVAILABLE", slow: false },
      { mqttVersion: 5, code: 0x86, error: "MQTT_BAD_CREDENTIALS", slow: true },
      { mqttVersion: 5, code: 0x87, error: "MQTT_NOT_AUTHORIZED", slow: true },
      { mqttVersion: 5, code: 0x89, error: "MQTT_SERVER_UNAVAILABLE", slow: false },
    ] as const;
    for (const { mqttVersion, code, error, slow } of refusals) {
      world = new DeviceWorld();
      world.broker.connackCode = code;
      const device = world.boot({ mqttVersion, reconnectSpread: [100, 50_000] });
      const started = device.start();
      const late = rejects(world.finish(device.start({ timeout: 1000 })), "TIMEOUT");
      strictEqual(((await late).cause as { code?: string }).code, error);
      const [{ cause, willRetryIn }] = world.losses as [(typeof world.losses)[0]];
      deepEqual([cause?.code, cause?.reasonCode], [error, code]);
      if (slow) ok(willRetryIn! >= 60_000 && willRetryIn! <= 600_000, `${error}: ${willRetryIn}`);
      else ok(willRetryIn! < 50_000, `${error}: ${willRetryIn}`);
      strictEqual(world.told.includes("onSecurity credentials-refused"), slow, error);
      // It goes on trying, and the first promise is the device's until then.
      world.broker.connackCode = 0;
      await world.finish(started, 600_000);
      await world.finish(device.stop());
      await world.mustBeGone(error);
    }
  });

  /** Everything that an application may have under way. */
  function everything(device: Device): Promise<unknown>[] {
    return [
      device.start(),
      device.start({ timeout: 60_000 }),
      device.subscribe("%c/in", world.listen, { qos: 2 }),
      ...([0, 1, 2] as const).map((qos) => device.publish("%c/out", `QoS ${qos}`, { qos })),
    ];
  }

  const noFault = (): void => undefined;

  for (const { title, fault, steps } of [
    { title: "while it connects and publishes", fault: noFault, steps: 20 },
    { title: "while the server refuses", fault: () => (world.network.refuse = true), steps: 2 },
    { title: "while CONNECT is not answered", fault: () => world.broker.silent.add(PACKET.CONNECT), steps: 3 },
    { title: "while nothing is acknowledged", fault: () => world.broker.silent.add(PACKET.PUBLISH), steps: 10 },
    {
      title: "while a connection lets nothing through",
      fault: () => {
        world.network.capacity = 100;
        world.onTold = (callback) => (world.network.stalled ||= callback === "onConnected");
      },
      steps: 9,
    },
    { title: "while it is refused", fault: () => (world.broker.connackCode = 5), steps: 5 },
  ] as { title: string; fault: () => void; steps: number }[])
    for (const end of ["stop", "sleep"] as const)
      it(`settles every promise, and leaves no timer, when it is told to ${end} ${title}`, async () => {
        let more = true;
        let count = 0;
        for (; more; count++) {
          world = new DeviceWorld();
          fault();
          // Packets come in parts, and it is ended in each.
          world.network.chunk = 24;
          const device = world.boot();
          const fates = everything(device).map(fateOf);
          for (let i = 0; i < count; i++) more = await world.network.step();
          const ending = end === "stop" ? device.stop() : device.sleep(1000);
          await world.finish(Promise.all([ending, device.stop()]));
          const after = `after ${count} steps`;
          for (const [i, fate] of fates.entries())
            ok(fate() === "fulfilled" || fate() === "CLOSED", `${after}: promise ${i} is ${fate()}`);
          await world.mustBeGone(after);
          deepEqual(world.sleeps, end === "sleep" ? [1000] : []);
          strictEqual(new Set(world.published).size, world.published.length, `${after}: ${world.published.join()}`);
          await rejects(device.publish("t", "p"), "CLOSED");
        }
        ok(count > steps, `only ${count} steps: it was not ended in all of them`);
      });

  for (const { callback, options, set, act } of [
    { callback: "onConnected" },
    { callback: "onDisconnected", set: () => (world.network.refuse = true) },
    { callback: "handler", act: () => world.send("device/in", "stop", 2) },
    {
      callback: "onMessage",
      act: () => {
        // The broker kept a subscription of an earlier life.
        world.broker.sessions.get("device")!.subscriptions.set("other", 1);
        world.send("other", "stop", 1);
      },
    },
    { callback: "onSecurity", act: () => world.forge("device/in", "not sealed", 1) },
    {
      callback: "onError",
      act: () => {
        world.storage.full = true;
        world.send("device/in", "stop", 1);
      },
    },
    { callback: "onServerMoved", options: { mqttVersion: 5 }, set: () => (world.broker.connackCode = 0x9d) },
  ] as { callback: string; options?: Partial<DeviceOptions>; set?: () => void; act?: () => void }[])
    it(`may be stopped inside ${callback}`, async () => {
      set?.();
      const device = world.boot({
        ...options,
        onServerMoved: () => {
          world.told.push("onServerMoved");
          world.onTold?.("onServerMoved");
          return { host: "elsewhere.test" };
        },
      });
      let ending: Promise<void> | undefined;
      world.onTold = (name) => {
        if (name === callback) ending ??= device.stop();
      };
      const fates = everything(device).map(fateOf);
      await world.network.run();
      act?.();
      await world.pass(0);
      ok(ending, `${callback} was not called: ${world.told.join()}`);
      await world.finish(ending);
      for (const [i, fate] of fates.entries())
        ok(fate() === "fulfilled" || fate() === "CLOSED", `promise ${i} is ${fate()}`);
      await world.mustBeGone(callback);
    });

  for (const { title, memory } of [
    { title: "in retained memory", memory: 4096 },
    { title: "in storage, where retained memory is too small for it", memory: 200 },
  ])
    it(`loses nothing of QoS 1 and 2 over a sleep, kept ${title}`, async () => {
      world.retained = new MemoryRetained(memory);
      const device = await world.online();
      await world.finish(device.subscribe("%c/in", world.listen, { qos: 2 }));
      world.broker.silent.add(PACKET.PUBREL);
      const fates = [fateOf(device.publish("%c/out", "received, not completed", { qos: 2 }))];
      await world.pass(0);
      world.broker.silent.add(PACKET.PUBLISH);
      for (const qos of [1, 2] as const) fates.push(fateOf(device.publish("%c/out", "not received", { qos })));
      await world.pass(0);
      await world.finish(device.sleep(60_000));
      deepEqual(
        fates.map((fate) => fate()),
        ["CLOSED", "CLOSED", "CLOSED"],
      );
      await world.mustBeGone();
      strictEqual(sent(PACKET.DISCONNECT), 1);
      for (const qos of [1, 2]) world.send("device/in", `sent to a sleeper ${qos}`, qos);
      world.broker.silent.clear();
      const woken = world.wake();
      deepEqual(woken.status.pending.messages, 3);
      const subscribed = woken.subscribe("%c/in", world.listen, { qos: 2 });
      await world.finish(Promise.all([woken.start(), subscribed]));
      await world.pass(0);
      strictEqual(world.connects[1]!.sessionPresent, true);
      deepEqual(world.heard, ["sent to a sleeper 1", "sent to a sleeper 2"]);
      deepEqual(world.published, [
        "device/out received, not completed 2",
        "device/out not received 1",
        "device/out not received 2",
      ]);
      strictEqual(woken.status.pending.messages, 0);
      deepEqual(
        world.told.filter((what) => what.startsWith("onError")),
        [],
      );
      await world.finish(woken.sleep(0));
      await world.mustBeGone();
    });

  it("connects at once after a sleep with its work done, and waits its turn after one that only followed failures", async () => {
    const device = await world.online({ reconnectSpread: [1000] });
    world.network.cut();
    await world.pass(1000);
    ok(device.connected, "it is back");
    await world.finish(device.sleep(1000));
    world.network.refuse = true;
    const woken = world.wake();
    void woken.start().catch(() => undefined);
    await world.pass(0);
    strictEqual(world.losses.length, 2, "it tried at once");
    await world.finish(woken.sleep(1000));
    const again = world.wake();
    const started = again.start();
    await world.pass(0);
    deepEqual([again.status.state, world.losses.length], ["waiting", 2]);
    world.network.refuse = false;
    await world.finish(started, 120_000);
  });

  it("refuses what its permissions do not allow, says which rule would, and sends nothing", async () => {
    const permissions = new Permissions([
      { topic: "%c/telemetry", operation: "publish", qos: [0, 1] },
      { topic: "%c/in/#", operation: "subscribe" },
    ]);
    const device = await world.online({ permissions });
    const before = world.broker.seen.length;
    for (const { request, needed } of [
      {
        request: () => device.publish("%c/other", "no", { qos: 1 }),
        needed: '{"topic":"%c/other","operation":"publish","qos":[1]}',
      },
      {
        request: () => device.publish("%c/telemetry", "no", { qos: 2 }),
        needed: '{"topic":"%c/telemetry","operation":"publish","qos":[2]}',
      },
      { request: () => device.subscribe("#", world.listen), needed: '{"topic":"#","operation":"subscribe","qos":[0]}' },
    ]) {
      const { message } = await rejects(request(), "PERMISSION_DENIED");
      ok(message.includes(needed), message);
    }
    await world.pass(1000);
    strictEqual(world.broker.seen.length, before);
    deepEqual(world.told.slice(-3), Array(3).fill("onSecurity permission-refused"));
    await world.finish(
      Promise.all([device.publish("%c/telemetry", "yes", { qos: 1 }), device.subscribe("%c/in/a", world.listen)]),
    );
    deepEqual(world.published, ["device/telemetry yes 1"]);
  });

  it("lives with a full storage: seals nothing for want of a nonce, acknowledges nothing that it cannot take note of, and makes up for it", async () => {
    world.storage.full = true;
    const device = await world.online({ reconnectSpread: [1000] });
    await world.finish(device.subscribe("%c/in", world.listen, { qos: 1 }));
    // A counter that cannot be stored might be used again after a power cut.
    await rejects(device.publish("%c/out", "no nonce", { qos: 1 }), "STORAGE_FAILED");
    world.send("device/in", "to be kept", 1);
    await world.pass(5000);
    deepEqual([sent(PACKET.PUBLISH), sent(PACKET.PUBACK)], [0, 0]);
    ok(world.losses.length > 1, "it tries again");
    for (const { cause } of world.losses) strictEqual(cause?.code, "STORAGE_FAILED");
    ok(world.told.includes("onError STORAGE_FAILED"), world.told.join());
    world.storage.full = false;
    await world.finish(device.publish("%c/out", "a nonce", { qos: 1 }));
    await world.pass(0);
    strictEqual(sent(PACKET.PUBACK), 1);
    deepEqual([world.heard, world.published], [["to be kept"], ["device/out a nonce 1"]]);
    await world.finish(device.stop());
    await world.mustBeGone();
  });

  it("removes the TLS session that another firmware left in flash when none may lie there, with one write, and else leaves it", () => {
    world.storage.write(STORAGE_KEY.tlsSession, new Uint8Array(100));
    world.boot();
    ok(world.storage.read(STORAGE_KEY.tlsSession));
    world.boot({ sessionsInFlash: false });
    strictEqual(world.storage.read(STORAGE_KEY.tlsSession), undefined);
    const { writes } = world.storage;
    world.boot({ sessionsInFlash: false });
    strictEqual(world.storage.writes, writes);
  });

  it("sleeps even where neither retained memory nor storage holds its session, and says so", async () => {
    world.retained = new MemoryRetained(64);
    const device = await world.online();
    world.broker.silent.add(PACKET.PUBLISH);
    const lost = fateOf(device.publish("%c/out", "more than fits".repeat(20), { qos: 1 }));
    await world.pass(0);
    world.storage.full = true;
    await world.finish(device.sleep(1000));
    deepEqual([lost(), world.sleeps], ["CLOSED", [1000]]);
    ok(world.told.includes("onError STORAGE_FAILED"), world.told.join());
    await world.mustBeGone();
  });
});
