/**
 * Hostile bytes for the MQTT decoder, in both roles and versions, and for a whole client. Each input is decoded at once and in pieces: both must
 * end alike. Nothing but a SealwireError may come out, and no buffer may outgrow its bound.
 */
import assert from "node:assert/strict";
import { SealwireError } from "../../src/errors.js";
import { MQTTClient, type ProtocolVersion } from "../../src/mqtt/index.js";
import { transportClass, Wire } from "../support/memory-transport.js";
import { createDecoder, decodeAll, type DecodeOptions } from "../support/mqtt-decode.js";
import type { Random } from "./random.js";
import { readCorpus, type Target } from "./target.js";

const limits = { topicLength: 300, propertiesLength: 200, userProperties: 5, controlPacketSize: 400 };
const options: DecodeOptions = { ...limits, windowLength: 64, topicAliasMaximum: 3, maximumPacketSize: 100_000 };
/** The largest thing that is gathered: the header of a PUBLISH, or a control packet. */
const largestWindow = 5 + 2 + limits.topicLength + 2 + 4 + limits.propertiesLength;

export function mqttTarget(): Target {
  return {
    corpus: readCorpus("mqtt"),
    run: async (input, random) => {
      const version = random.pick<ProtocolVersion>([4, 5]);
      const role = random.pick(["client", "server"] as const);
      const whole = decode(version, input, { ...options, role, fragment: 65_536 });
      const pieces = decode(version, input, { ...options, role, fragment: 1 + random.below(9) });
      assert.deepEqual(pieces, whole, "the same bytes in pieces are decoded to something else");
      if (random.below(8) === 0) await runClient(version, input, random);
    },
  };
}

/** What the bytes were decoded to, and how it ended. */
function decode(version: ProtocolVersion, input: Uint8Array, how: DecodeOptions): unknown {
  const decoder = createDecoder(version, how);
  let end: unknown;
  const messages: unknown[] = [];
  try {
    messages.push(...decodeAll(version, input, how, decoder));
    assert.ok(decoder.space().byteLength <= largestWindow, "the window is larger than its bound");
  } catch (error) {
    if (!(error instanceof SealwireError)) throw error;
    assert.ok(error.code.startsWith("MQTT_"), `the code is ${error.code}`);
    assert.ok((error.reasonCode ?? 0) >= 0x80, "there is no reason code to disconnect with");
    end = [error.code, error.reasonCode];
  }
  // When it ends in an error, how much was decoded before it is the same only if it is given out one by one.
  return end ?? messages;
}

/** A client that gets the bytes after an honest CONNACK: whatever comes, it ends properly and lets nothing escape. */
async function runClient(version: ProtocolVersion, input: Uint8Array, random: Random): Promise<void> {
  const wire = new Wire({ fragment: 1 + random.below(100), writable: 40 + random.below(200) });
  const ends: string[] = [];
  const unread = random.below(4) === 0;
  const client = new MQTTClient({
    address: "192.0.2.1",
    version,
    id: "fuzz",
    socket: { io: transportClass(wire) },
    timer: wire.timer,
    ticks: wire.ticks,
    limits,
    inputBuffer: 64,
    outputBuffer: 64,
    onReadable(count) {
      assert.equal(ends.length, 0, "called back after the end");
      if (!unread || random.below(2) === 0) this.read(1 + random.below(count + 1));
    },
    onControl: () => assert.equal(ends.length, 0, "called back after the end"),
    onClose: () => void ends.push("close"),
    onError: (error) => {
      // A failed assertion above comes here as the cause.
      ends.push(error.cause instanceof assert.AssertionError ? error.cause.message : error.code);
    },
  });
  await wire.turn();
  await wire.receive(version === 4 ? [0x20, 2, 0, 0] : [0x20, 3, 0, 0, 0]);
  wire.transport!.arrive(input);
  for (let i = 0; i < input.byteLength && ends.length === 0; i++) {
    await wire.turn();
    if (client.read(64) === undefined && wire.transport!.unread === 0) break;
  }
  await wire.end();
  await wire.advance(60_000);
  assert.ok(ends.length <= 1, `it ended more than once: ${ends.join()}`);
  for (const end of ends)
    assert.match(end, /^(close|CONNECTION_LOST|MQTT_[A-Z_]+)$/, "it ended for a reason that bytes cannot cause");
  client.close();
  assert.equal(wire.timers, 0, "a timer was left behind");
}
