/** What a session shows with each broker: delivery, and what outlives a connection. */
import assert from "node:assert/strict";
import type { SessionOptions } from "../../src/mqtt/index.js";
import type { Subject } from "./broker-under-test.js";
import { Device, until } from "./device.js";

export function sessionCases(subject: Subject): void {
  const { version, traits } = subject;
  const { granted, publishQoS, keepsBareSessions, exactlyOnce } = traits;
  const devices: Device[] = [];
  const device = (options: Partial<SessionOptions> = {}): Device => {
    const made = new Device(subject, { version, ...options });
    devices.push(made);
    return made;
  };

  afterEach(async () => {
    await Promise.all(devices.splice(0).map((each) => each.stop()));
  });

  it("delivers each QoS from one device to another", async () => {
    const from = device();
    const to = device();
    assert.deepEqual(await to.session.subscribe("room/#", { qos: 2 }), [granted[2]]);
    for (const qos of [0, 1, 2] as const)
      await from.session.publish("room/1", `qos ${qos}`, { qos: qos > publishQoS ? publishQoS : qos });
    await until(() => to.messages.length === 3, "three messages");
    assert.deepEqual(to.texts(), ["qos 0", "qos 1", "qos 2"]);
    assert.deepEqual(
      to.messages.map(({ qos }) => qos),
      granted,
    );
  });

  if (publishQoS < 2)
    it("is told once that a QoS 2 message was taken with QoS 1, and goes on", async () => {
      const from = device();
      const to = device();
      await to.session.subscribe("t", { qos: 1 });
      await assert.rejects(from.session.publish("t", "asked for QoS 2", { qos: 2 }), { code: "UNSUPPORTED" });
      await from.session.publish("t", "asked for QoS 1", { qos: 1 });
      await until(() => to.messages.length === 2, "both messages");
      assert.deepEqual(to.texts(), ["asked for QoS 2", "asked for QoS 1"]);
    });

  it("loses nothing when cables are pulled, and repeats no QoS 2 message", async () => {
    const from = device({ queue: { messages: 1000, bytes: 100_000 } });
    const to = device();
    await to.session.subscribe("t", { qos: 2 });
    const published: Promise<void>[] = [];
    for (let i = 0; i < 200; i++) {
      published.push(from.session.publish("t", `${i}`, { qos: publishQoS }));
      if (i % 20 === 10) from.cut();
      if (i % 20 === 15) to.cut();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await Promise.all(published);
    await until(() => new Set(to.texts()).size >= 200, "all messages");
    let texts = to.texts();
    if (!exactlyOnce) texts = [...new Set(texts)].sort((a, b) => Number(a) - Number(b));
    assert.deepEqual(
      texts,
      Array.from({ length: 200 }, (_, i) => `${i}`),
    );
    if (keepsBareSessions)
      assert.ok(from.present.length > 5 && from.present.slice(1).every(Boolean), "the session was there each time");
  });

  it("streams a payload that is larger than every buffer, both ways", async () => {
    const size = 300_000;
    const at = (offset: number): number => (offset * 7) & 255;
    let received = 0;
    let wrong = 0;
    let ended = false;
    const to = device({
      maximumMessageSize: 1000,
      onMessageStart: () => ({
        write: (bytes) => {
          for (const byte of bytes) if (byte !== at(received++)) wrong++;
        },
        end: () => {
          ended = true;
        },
        abort: () => assert.fail("aborted"),
      }),
    });
    await to.session.subscribe("big", { qos: 1 });
    const from = device();
    await from.session.publish(
      "big",
      {
        byteLength: size,
        read: async (offset, length) => {
          await Promise.resolve();
          return Uint8Array.from({ length }, (_, i) => at(offset + i));
        },
      },
      { qos: 1 },
    );
    await until(() => ended, "the end of the payload");
    assert.deepEqual([received, wrong], [size, 0]);
  });

  it("keeps a session and its messages while the device is away, and forgets it for a clean start", async () => {
    const clientIdentifier = `keeper-${Math.random().toString(36).slice(2)}`;
    const first = device({ clientIdentifier });
    await first.session.subscribe("away/#", { qos: 1 });
    await first.stop();

    const from = device();
    for (const text of ["1", "2", "3"]) await from.session.publish("away/x", text, { qos: 1 });
    const second = device({ clientIdentifier });
    await until(() => second.messages.length === 3, "what was published meanwhile");
    assert.deepEqual([second.texts(), second.present], [["1", "2", "3"], [true]]);
    await second.stop();

    const third = device({ clientIdentifier, cleanStart: true });
    await until(() => third.present.length === 1, "the connection");
    await from.session.publish("away/x", "4", { qos: 1 });
    await third.session.subscribe("here", { qos: 1 });
    await from.session.publish("here", "5", { qos: 1 });
    await until(() => third.messages.length > 0, "the message of the new subscription");
    assert.deepEqual([third.texts(), third.present], [["5"], [false]]);
  });

  it("gets nothing more of what it unsubscribed", async () => {
    const to = device();
    const from = device();
    await to.session.subscribe(["u/1", "u/2"], { qos: 1 });
    await from.session.publish("u/1", "before", { qos: 1 });
    await until(() => to.messages.length === 1, "the first message");
    await to.session.unsubscribe("u/1");
    await from.session.publish("u/1", "after", { qos: 1 });
    await from.session.publish("u/2", "other", { qos: 1 });
    await until(() => to.messages.length === 2, "the message of the other subscription");
    assert.deepEqual(to.texts(), ["before", "other"]);
  });

  it("delivers empty payloads with each QoS", async () => {
    const to = device();
    await to.session.subscribe("empty", { qos: 2 });
    for (const qos of [0, 1, 2] as const)
      await device().session.publish("empty", new Uint8Array(0), { qos: qos > publishQoS ? publishQoS : qos });
    await until(() => to.messages.length === 3, "three messages");
    assert.deepEqual(to.texts(), ["", "", ""]);
  });

  it("retains the last message, for who subscribes later, until an empty one", async () => {
    const from = device();
    for (const text of ["old", "new"]) await from.session.publish("kept", text, { qos: 1, retain: true });
    const to = device();
    await to.session.subscribe("kept", { qos: 1 });
    await until(() => to.messages.length === 1, "the retained message");
    assert.deepEqual([to.texts(), to.messages[0]?.retain], [["new"], true]);

    await from.session.publish("kept", new Uint8Array(0), { qos: 1, retain: true });
    await until(() => to.messages.length === 2, "the empty message");
    assert.equal(to.messages[1]?.payload.byteLength, 0);
    const late = device();
    await late.session.subscribe(["kept", "marker"], { qos: 1 });
    await from.session.publish("marker", "m", { qos: 1 });
    await until(() => late.messages.length > 0, "the marker");
    assert.deepEqual(late.texts(), ["m"]);
  });

  it("delivers a payload of 256 KB in one piece", async () => {
    const payload = Uint8Array.from({ length: 262_144 }, (_, i) => (i * 31) >> 3);
    const to = device({ maximumMessageSize: payload.byteLength });
    const from = device({ queue: { bytes: 300_000 } });
    await to.session.subscribe("quarter", { qos: 2 });
    await from.session.publish("quarter", payload, { qos: publishQoS });
    await until(() => to.messages.length === 1, "the message");
    assert.ok(Buffer.from(payload).equals(to.messages[0]!.payload));
  });

  it("publishes the will of a device whose cable is pulled, not of one that says goodbye", async () => {
    const watcher = device();
    await watcher.session.subscribe("wills/#", { qos: 1 });
    const will = (name: string) => ({ topic: `wills/${name}`, message: `${name} is gone`, QoS: 1 as const });
    const polite = device({ will: will("polite") });
    const abrupt = device({ will: will("abrupt") });
    await until(() => polite.session.connected && abrupt.session.connected, "the connections");
    await polite.stop();
    abrupt.cut();
    await until(() => watcher.messages.length > 0, "the will");
    assert.deepEqual(watcher.texts(), ["abrupt is gone"]);
  });
}
