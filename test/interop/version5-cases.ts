/** What only MQTT 5.0 has. */
import assert from "node:assert/strict";
import { MQTTClient, type InboundMessage } from "../../src/mqtt/index.js";
import type { Subject } from "./broker-under-test.js";
import { options, run } from "./client-run.js";

export function version5Cases(subject: Subject): void {
  it("gets properties, subscription identifiers and aliases as they were sent", async () => {
    const connect = { ...options(subject), properties: { topicAliasMaximum: 5, receiveMaximum: 3 } };
    const properties = {
      payloadFormatIndicator: 1,
      messageExpiryInterval: 100,
      contentType: "text/plain",
      responseTopic: "answers",
      correlationData: Uint8Array.of(0, 1, 255),
      userProperties: [
        ["a", "1"],
        ["a", "2"],
        ["", "ü€𐍈"],
      ],
    } as const;
    const seen: InboundMessage[] = [];
    await run(connect, ({ onConnected, onControl, onReadable, done }) => {
      onConnected((client) => {
        assert.ok(client.limits.topicAliasMaximum > 0);
        const items = [{ topic: "p/+", QoS: 1, retainAsPublished: true }] as const;
        client.write(null, { operation: MQTTClient.SUBSCRIBE, items, properties: { subscriptionIdentifier: 4711 } });
      });
      onControl((client, message) => {
        if (message.operation !== MQTTClient.SUBACK) return;
        client.write(Uint8Array.of(1), { topic: "p/1", QoS: 1, properties: { ...properties, topicAlias: 1 } });
        client.write(Uint8Array.of(2), { topic: "", QoS: 1, properties: { ...properties, topicAlias: 1 } });
      });
      onReadable((client, _, message) => {
        seen.push({ ...message });
        client.read();
        if (seen.length === 2) done();
      });
    });
    for (const message of seen) {
      assert.equal(message.topic, "p/1");
      assert.deepEqual(message.properties, { ...properties, subscriptionIdentifiers: [4711] });
    }
  });
}
