/** How each broker accepts and refuses: versions, credentials, identifiers, subscriptions, a second connection. */
import assert from "node:assert/strict";
import type { SealwireError } from "../../src/errors.js";
import { MQTTClient, type ConnackMessage, type MQTTClientOptions } from "../../src/mqtt/index.js";
import { FORBIDDEN_TOPIC, WRONG_USER, type Refusal, type Subject } from "./broker-under-test.js";
import { options, run } from "./client-run.js";
import { Device } from "./device.js";

/** Connects and ends at once. @returns what CONNACK said */
async function connect(given: MQTTClientOptions<MQTTClient>): Promise<ConnackMessage> {
  let answer: ConnackMessage | undefined;
  await run(given, ({ onConnected, done }) => {
    onConnected((_, message) => {
      assert.ok(message.operation === MQTTClient.CONNACK);
      answer = message;
      done();
    });
  });
  assert.ok(answer);
  return answer;
}

/** What an attempt ends with. */
async function refusal(attempt: Promise<unknown>): Promise<Refusal> {
  try {
    await attempt;
  } catch (error) {
    const { code, reasonCode } = error as SealwireError;
    return reasonCode === undefined ? { code } : { code, reasonCode };
  }
  return assert.fail("it was not refused");
}

export function connectionCases(subject: Subject): void {
  const { version, traits, versions } = subject;
  it("has a session present only for one that was kept", async () => {
    const keep = version === 5 ? { properties: { sessionExpiryInterval: 60 } } : {};
    const kept = { ...options(subject), ...keep, clean: false };
    const present = [];
    for (const given of [kept, kept, { ...kept, clean: true }, kept, options(subject)])
      present.push((await connect(given)).sessionPresent);
    const { keepsBareSessions, keepsCleanSessions } = traits;
    // In 5.0 Clean Start says nothing about the end of the session; in 3.1.1 Clean Session does.
    assert.deepEqual(present, [false, keepsBareSessions, false, version === 5 && keepsCleanSessions, false]);
  });

  it("refuses the wrong user", async () => {
    const attempt = connect({ ...options(subject), user: WRONG_USER, password: "wrong" });
    assert.deepEqual(await refusal(attempt), traits.wrongUser);
  });

  it("accepts a client without an identifier, and in 5.0 tells the one that it assigned", async () => {
    const { properties } = await connect({ ...options(subject), id: "" });
    assert.equal(properties?.assignedClientIdentifier !== undefined, version === 5);
  });

  it("answers a forbidden subscription and an allowed one in one SUBACK", async () => {
    let codes: readonly number[] = [];
    const answered = run(options(subject), ({ onConnected, onControl, done }) => {
      onConnected((client) => {
        const items = [{ topic: FORBIDDEN_TOPIC }, { topic: "allowed", QoS: 1 as const }];
        client.write(null, { operation: MQTTClient.SUBSCRIBE, items });
      });
      onControl((_, message) => {
        if (message.operation === MQTTClient.SUBACK) codes = message.reasonCodes;
        done();
      });
    });
    if (typeof traits.forbidden === "object") {
      assert.deepEqual(await refusal(answered), traits.forbidden);
      return;
    }
    await answered;
    assert.deepEqual(codes, [traits.forbidden, 1]);
  });

  it("ends the older connection of a client identifier when a newer one comes", async () => {
    const given = options(subject);
    let second: Promise<unknown> | undefined;
    const first = run(given, ({ onConnected }) => {
      onConnected(() => {
        second = connect(given);
      });
    });
    assert.deepEqual(await refusal(first), traits.takeover);
    await second;
  });

  it("pipelines: CONNECT and PUBLISH leave together, and the message arrives", async () => {
    let second: Promise<void> | undefined;
    await run(options(subject), ({ onConnected, onControl, onReadable, done }) => {
      onConnected((client) => client.write(null, { operation: MQTTClient.SUBSCRIBE, items: [{ topic: "early" }] }));
      onControl((_, message) => {
        if (message.operation !== MQTTClient.SUBACK) return;
        second = run({ ...options(subject), pipeline: true }, ({ onWritable, onConnected: onAccepted, done: end }) => {
          let written = false;
          onWritable((client) => {
            if (!written) client.write(Uint8Array.of(7), { topic: "early" });
            written = true;
          });
          onAccepted(() => {
            assert.ok(written, "nothing could be written before CONNACK");
            end();
          });
        });
      });
      onReadable((client, _, message) => {
        assert.equal(message.topic, "early");
        assert.deepEqual(new Uint8Array(client.read()!), Uint8Array.of(7));
        done();
      });
    });
    await second;
  });

  it('settles on the highest version of the broker with version "auto", and remembers it', async () => {
    const highest = versions.at(-1);
    const device = new Device(subject, {});
    await device.session.publish("t", "x", { qos: 1 });
    assert.deepEqual([device.session.version, device.versions], [highest, [highest]]);
    await device.stop();
  });

  const { version5 } = traits;
  if (version5)
    it("refuses version 5.0", async () => {
      assert.deepEqual(await refusal(connect(options({ ...subject, version: 5 }))), version5);
    });
}
