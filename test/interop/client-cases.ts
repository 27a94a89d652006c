/** What a client without a session shows with each broker: many messages, large ones, pings. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { MQTTClient } from "../../src/mqtt/index.js";
import type { Subject } from "./broker-under-test.js";
import { options, run } from "./client-run.js";

export function clientCases(subject: Subject): void {
  const {
    traits: { granted },
  } = subject;
  for (const QoS of [0, 1, 2] as const)
    it(`sends itself 2,000 messages with QoS ${QoS}, in order, payloads of 0 to 299 bytes`, async () => {
      const total = 2000;
      let sent = 0;
      let received = 0;
      let unanswered = 0;
      await run(options(subject), ({ onConnected, onControl, onReadable, onWritable, done }) => {
        let subscribed = false;
        const pump = (client: MQTTClient): void => {
          while (subscribed && sent < total && unanswered < 20 && client.writable >= 320) {
            const payload = new Uint8Array(sent % 300).fill(sent & 0xff);
            client.write(payload, { topic: `many/${QoS}`, QoS });
            sent++;
            if (QoS > 0) unanswered++;
          }
        };
        onConnected((client) =>
          client.write(null, {
            operation: MQTTClient.SUBSCRIBE,
            items: [{ topic: `many/${QoS}`, QoS }],
          }),
        );
        onControl((client, message) => {
          if (message.operation === MQTTClient.SUBACK) {
            assert.deepEqual(message.reasonCodes, [granted[QoS]]);
            subscribed = true;
          }
          if (message.operation === MQTTClient.PUBACK || message.operation === MQTTClient.PUBCOMP) unanswered--;
          pump(client);
        });
        onWritable(pump);
        onReadable((client, count, message) => {
          assert.equal(message.QoS, granted[QoS]);
          assert.equal(message.byteLength, received % 300);
          const payload = new Uint8Array(client.read(count) ?? new ArrayBuffer(0));
          assert.ok(payload.every((byte) => byte === (received & 0xff)));
          if (!message.more && ++received === total) done();
        });
      });
      assert.equal(received, total);
    });

  it("streams a payload of 3 MB out and in", async () => {
    const byteLength = 3_000_000;
    const sentHash = createHash("sha256");
    const receivedHash = createHash("sha256");
    let left = byteLength;
    let received = 0;
    let largest = 0;
    await run(options(subject), ({ onConnected, onControl, onReadable, onWritable, done }) => {
      const pump = (client: MQTTClient): void => {
        while (left > 0 && left < byteLength) {
          const part = new Uint8Array(Math.min(left, client.writable));
          if (part.byteLength === 0) return;
          part.fill(left & 0xff);
          sentHash.update(part);
          left -= part.byteLength;
          client.write(part);
        }
      };
      onConnected((client) =>
        client.write(null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic: "large", QoS: 1 }] }),
      );
      onControl((client, message) => {
        if (message.operation !== MQTTClient.SUBACK) return;
        const first = Uint8Array.of(1, 2, 3);
        sentHash.update(first);
        left -= first.byteLength;
        client.write(first, { topic: "large", QoS: 1, byteLength });
        pump(client);
      });
      onWritable(pump);
      onReadable((client, count, message) => {
        assert.equal(message.byteLength, byteLength);
        largest = Math.max(largest, count);
        receivedHash.update(new Uint8Array(client.read()!));
        received += count;
        if (!message.more) done();
      });
    });
    assert.equal(received, byteLength);
    assert.ok(largest < 100_000, `${largest} bytes were announced at once`);
    assert.equal(receivedHash.digest("hex"), sentHash.digest("hex"));
  });

  it("keeps the connection alive by pings, past the time at which the server would end it", async function () {
    this.timeout(6000);
    let pings = 0;
    const started = Date.now();
    await run({ ...options(subject), keepAlive: 1000 }, ({ onControl, done }) => {
      onControl((_, message) => {
        if (message.operation !== MQTTClient.PINGRESP) return;
        pings++;
        if (Date.now() - started > 1800) done();
      });
    });
    assert.ok(pings >= 2 && pings <= 3, `${pings} pings`);
  });
}
