/** Random but valid MQTT: strings, topics, properties. */
import fc from "fast-check";
import type { QoS, ReceivedProperties } from "../../src/mqtt/index.js";

/** Text without U+0000 and lone surrogates; now and then longer than 127 bytes, so that lengths take two bytes. */
export const text = fc
  .oneof(
    { weight: 9, arbitrary: fc.string({ unit: "binary", maxLength: 20 }) },
    fc.string({ minLength: 128, maxLength: 300 }),
  )
  .map((value) => value.replaceAll("\0", "0"));

export const topic = text.map((value) => value.replace(/[+#]/g, "-") || "t");

const level = fc.oneof(
  fc.constant("+"),
  fc.constant(""),
  topic.map((value) => value.replaceAll("/", "-")),
);

export const filter = fc
  .tuple(fc.array(level, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, hash]) => [...levels, ...(hash ? ["#"] : [])].join("/") || "f");

export const bytes = fc.uint8Array({ maxLength: 40 });
export const payload = fc.oneof({ weight: 9, arbitrary: bytes }, fc.uint8Array({ minLength: 100, maxLength: 20_000 }));
export const id = fc.integer({ min: 1, max: 65_535 });
export const qos: fc.Arbitrary<QoS> = fc.constantFrom(0, 1, 2);
const two = fc.integer({ min: 0, max: 0xffff });
const twoNotZero = fc.integer({ min: 1, max: 0xffff });
const four = fc.integer({ min: 0, max: 0xffff_ffff });

// The oracle keeps user properties in a plain object.
const userProperties = fc.array(
  fc.tuple(
    text.filter((name) => !(name in {})),
    text,
  ),
  { minLength: 1, maxLength: 4 },
);

const all = {
  payloadFormatIndicator: fc.constantFrom<0 | 1>(0, 1),
  messageExpiryInterval: four,
  contentType: text,
  responseTopic: topic,
  correlationData: bytes,
  subscriptionIdentifier: fc.integer({ min: 1, max: 268_435_455 }),
  subscriptionIdentifiers: fc.array(fc.integer({ min: 1, max: 268_435_455 }), { minLength: 1, maxLength: 3 }),
  sessionExpiryInterval: four,
  assignedClientIdentifier: text,
  serverKeepAlive: two,
  authenticationMethod: text,
  authenticationData: bytes,
  requestProblemInformation: fc.boolean(),
  willDelayInterval: four,
  requestResponseInformation: fc.boolean(),
  responseInformation: text,
  serverReference: text,
  reasonString: text,
  receiveMaximum: twoNotZero,
  topicAliasMaximum: two,
  maximumQoS: fc.constantFrom<0 | 1>(0, 1),
  retainAvailable: fc.boolean(),
  userProperties,
  maximumPacketSize: fc.integer({ min: 1, max: 0xffff_ffff }),
  wildcardSubscriptionAvailable: fc.boolean(),
  subscriptionIdentifiersAvailable: fc.boolean(),
  sharedSubscriptionAvailable: fc.boolean(),
};

/** Any choice of these properties, or none at all. */
export function properties(...names: readonly (keyof typeof all)[]): fc.Arbitrary<ReceivedProperties | undefined> {
  const chosen = Object.fromEntries([...names, "userProperties" as const].map((name) => [name, all[name]]));
  return fc
    .record(chosen, { requiredKeys: [], noNullPrototype: true })
    .map((record) => (Object.keys(record).length === 0 ? undefined : (record as ReceivedProperties)));
}
