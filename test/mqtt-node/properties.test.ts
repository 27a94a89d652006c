/** Whatever is valid: what mqtt-packet generates we parse to the same, and what we generate mqtt-packet parses to the same. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeConnect, encodeRequest } from "../../src/mqtt/codec/encode.js";
import { encodeControlFromServer, encodePublish } from "../../src/mqtt/codec/server.js";
import type { ControlMessage, ProtocolVersion } from "../../src/mqtt/index.js";
import { decodeAll, type Decoded } from "../support/mqtt-decode.js";
import { bytes, filter, id, payload, properties, qos, text, topic } from "./arbitraries.js";
import { comparable, generate, parse, toOracle, type OraclePacket } from "./oracle.js";

const runs = { numRuns: 300 };
const fragment = fc.integer({ min: 1, max: 200 });
const versions = [4, 5] as const;

/** `fc.record`, of objects with a prototype: they can be compared with those of the codec. */
const record: typeof fc.record = <T>(model: { [Name in keyof T]: fc.Arbitrary<T[Name]> }) =>
  fc.record<T>(model, { noNullPrototype: true });

/** Checks one message in both directions. */
function agree(
  version: ProtocolVersion,
  ours: object,
  encoded: Uint8Array,
  oracle: OraclePacket,
  how: { role?: "client" | "server"; fragment: number },
): void {
  const theirs = generate(oracle, version);
  assert.deepEqual(
    normal(decodeAll(version, theirs, how)),
    normal([ours as Decoded]),
    "we parse what the oracle generates",
  );
  assert.deepEqual(normal(decodeAll(version, encoded, how)), normal([ours as Decoded]), "we parse what we generate");
  const parsed = parse(encoded, version);
  assert.equal(parsed.length, 1);
  // What it parses of its own bytes is the measure: it adds fields of its own.
  assert.deepEqual(
    comparable(parsed[0]!),
    comparable(parse(theirs, version)[0]!),
    "the oracle parses what we generate",
  );
}

/** User properties grouped by name, as the oracle does; plain prototypes. */
function normal(messages: readonly Decoded[]): unknown {
  return messages.map((message) => {
    const { properties: ours, ...rest } = message as { properties?: object };
    const will = (rest as { will?: { properties?: object } }).will;
    return {
      ...rest,
      properties: comparable({ ...toOracle(ours) }),
      ...(will ? { will: { ...will, properties: comparable({ ...toOracle(will.properties) }) } } : undefined),
    };
  });
}

describe("MQTT codec and mqtt-packet agree", () => {
  for (const version of versions) {
    const name = version === 4 ? "3.1.1" : "5.0";
    const ifFive = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
      version === 5 ? arbitrary : fc.constant(undefined);

    it(`on CONNECT (${name})`, () => {
      const will = record({
        topic,
        message: bytes,
        QoS: qos,
        retain: fc.boolean(),
        properties: ifFive(
          properties(
            "willDelayInterval",
            "payloadFormatIndicator",
            "messageExpiryInterval",
            "contentType",
            "responseTopic",
            "correlationData",
          ),
        ),
      });
      const connect = record({
        clean: fc.boolean(),
        keepAlive: fc.integer({ min: 0, max: 65535 }),
        id: text.map((value) => value || "c"),
        user: fc.option(text, { nil: undefined }),
        password: fc.option(bytes, { nil: undefined }),
        will: fc.option(will, { nil: undefined }),
        properties: ifFive(
          properties(
            "sessionExpiryInterval",
            "receiveMaximum",
            "maximumPacketSize",
            "topicAliasMaximum",
            "requestResponseInformation",
            "requestProblemInformation",
          ),
        ),
      });
      fc.assert(
        fc.property(connect, fragment, (random, size) => {
          // MQTT 5.0 allows a password without a user name; the oracle does not.
          const password = random.user === undefined ? undefined : random.password;
          const fields = { ...random, version, password };
          const oracle: OraclePacket = {
            cmd: "connect",
            protocolId: "MQTT",
            protocolVersion: version,
            clean: fields.clean,
            clientId: fields.id,
            keepalive: fields.keepAlive,
            username: fields.user,
            password: password && Buffer.from(password),
            properties: toOracle(fields.properties),
            will: fields.will && {
              topic: fields.will.topic,
              payload: Buffer.from(fields.will.message),
              qos: fields.will.QoS,
              retain: fields.will.retain,
              properties: toOracle(fields.will.properties),
            },
          };
          const how = { role: "server" as const, fragment: size };
          agree(version, { operation: 1, ...fields }, encodeConnect(fields), oracle, how);
        }),
        runs,
      );
    });

    it(`on CONNACK (${name})`, () => {
      const codes = version === 5 ? [0, 0x80, 0x87, 0x97, 0x9d] : [0, 1, 5];
      const connack = record({
        sessionPresent: fc.boolean(),
        reasonCode: fc.constantFrom(...codes),
        properties: ifFive(
          properties(
            "sessionExpiryInterval",
            "receiveMaximum",
            "maximumQoS",
            "retainAvailable",
            "maximumPacketSize",
            "assignedClientIdentifier",
            "topicAliasMaximum",
            "reasonString",
            "wildcardSubscriptionAvailable",
            "subscriptionIdentifiersAvailable",
            "sharedSubscriptionAvailable",
            "serverKeepAlive",
            "responseInformation",
            "serverReference",
            "authenticationMethod",
            "authenticationData",
          ),
        ),
      });
      fc.assert(
        fc.property(connack, fragment, (random, size) => {
          const { reasonCode } = random;
          const sessionPresent = random.sessionPresent && reasonCode === 0;
          const ours = { operation: 2, ...random, sessionPresent, returnCode: reasonCode } as ControlMessage;
          const oracle = {
            cmd: "connack",
            sessionPresent,
            reasonCode,
            returnCode: reasonCode,
            properties: toOracle(random.properties),
          };
          agree(version, ours, encodeControlFromServer(version, ours), oracle, { fragment: size });
        }),
        runs,
      );
    });

    it(`on PUBLISH (${name})`, () => {
      const publish = record({
        topic,
        payload,
        QoS: qos,
        retain: fc.boolean(),
        duplicate: fc.boolean(),
        id,
        properties: ifFive(
          properties(
            "payloadFormatIndicator",
            "messageExpiryInterval",
            "contentType",
            "responseTopic",
            "correlationData",
            "subscriptionIdentifiers",
          ),
        ),
      });
      fc.assert(
        fc.property(publish, fragment, (random, size) => {
          const duplicate = random.duplicate && random.QoS > 0;
          const { properties: given, ...rest } = { ...random, duplicate, id: random.QoS > 0 ? random.id : 0 };
          const ours = { operation: 3, ...rest, byteLength: rest.payload.byteLength, more: false, properties: given };
          const encoded = encodePublish(version, given ? { ...rest, properties: given } : rest);
          const oracle = {
            cmd: "publish",
            topic: rest.topic,
            payload: Buffer.from(rest.payload),
            qos: rest.QoS,
            retain: rest.retain,
            dup: duplicate,
            messageId: rest.id || undefined,
            properties: toOracle(given),
          };
          agree(version, ours, encoded, oracle, { fragment: size });
        }),
        runs,
      );
    });

    const acknowledgements = [
      [4, "puback", [0, 0x10, 0x80, 0x97]],
      [5, "pubrec", [0, 0x10, 0x87, 0x91]],
      [6, "pubrel", [0, 0x92]],
      [7, "pubcomp", [0, 0x92]],
    ] as const;
    for (const [operation, cmd, reasons] of acknowledgements)
      it(`on ${cmd.toUpperCase()} (${name})`, () => {
        const reason = version === 5 ? fc.constantFrom<number>(...reasons) : fc.constant(0);
        fc.assert(
          fc.property(
            id,
            reason,
            ifFive(properties("reasonString")),
            fragment,
            (identifier, reasonCode, given, size) => {
              const ours: ControlMessage = { operation, id: identifier, reasonCode, properties: given };
              const oracle = {
                cmd,
                messageId: identifier,
                ...(version === 5 ? { reasonCode, properties: toOracle(given) } : {}),
              };
              agree(version, ours, encodeControlFromServer(version, ours), oracle, { fragment: size });
            },
          ),
          runs,
        );
      });

    it(`on SUBSCRIBE and UNSUBSCRIBE (${name})`, () => {
      const item = record({
        topic: filter,
        QoS: qos,
        ...(version === 5
          ? {
              noLocal: fc.boolean(),
              retainAsPublished: fc.boolean(),
              retainHandling: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
            }
          : {}),
      });
      const items = fc.array(item, { minLength: 1, maxLength: 5 });
      fc.assert(
        fc.property(
          id,
          items,
          ifFive(properties("subscriptionIdentifier")),
          fragment,
          (identifier, list, given, size) => {
            const how = { role: "server" as const, fragment: size };
            const subscriptions = list.map(({ topic: each, QoS, ...options }) => {
              const { noLocal, retainAsPublished, retainHandling } = options as {
                noLocal?: boolean;
                retainAsPublished?: boolean;
                retainHandling?: number;
              };
              return version === 4
                ? { topic: each, qos: QoS }
                : { topic: each, qos: QoS, nl: noLocal, rap: retainAsPublished, rh: retainHandling };
            });
            agree(
              version,
              { operation: 8, id: identifier, items: list, properties: given },
              encodeRequest(8, version, identifier, list, given),
              { cmd: "subscribe", messageId: identifier, subscriptions, properties: toOracle(given) },
              how,
            );
            const topics = list.map((each) => ({ topic: each.topic }));
            const users = given?.userProperties ? { userProperties: given.userProperties } : undefined;
            agree(
              version,
              { operation: 10, id: identifier, items: topics, properties: users },
              encodeRequest(10, version, identifier, topics, users),
              {
                cmd: "unsubscribe",
                messageId: identifier,
                unsubscriptions: topics.map((each) => each.topic),
                properties: toOracle(users),
              },
              how,
            );
          },
        ),
        runs,
      );
    });

    it(`on SUBACK and UNSUBACK (${name})`, () => {
      const sub = fc.array(fc.constantFrom(...(version === 5 ? [0, 1, 2, 0x80, 0x87, 0xa2] : [0, 1, 2, 0x80])), {
        minLength: 1,
      });
      const unsub = fc.array(fc.constantFrom(0, 0x11, 0x87), { minLength: 1 });
      fc.assert(
        fc.property(
          id,
          sub,
          unsub,
          ifFive(properties("reasonString")),
          fragment,
          (identifier, granted, removed, given, size) => {
            const suback: ControlMessage = {
              operation: 9,
              id: identifier,
              reasonCodes: granted,
              payload: granted,
              properties: given,
            };
            const oracle = { messageId: identifier, properties: toOracle(given) };
            agree(
              version,
              suback,
              encodeControlFromServer(version, suback),
              { cmd: "suback", granted, ...oracle },
              { fragment: size },
            );
            const codes = version === 5 ? removed : [];
            const unsuback: ControlMessage = {
              operation: 11,
              id: identifier,
              reasonCodes: codes,
              payload: codes,
              properties: given,
            };
            agree(
              version,
              unsuback,
              encodeControlFromServer(version, unsuback),
              { cmd: "unsuback", granted: codes, ...oracle },
              { fragment: size },
            );
          },
        ),
        runs,
      );
    });
  }

  it("on DISCONNECT and AUTH (5.0)", () => {
    const disconnect = properties("reasonString", "serverReference");
    const auth = properties("authenticationMethod", "authenticationData", "reasonString");
    fc.assert(
      fc.property(fc.constantFrom(0, 0x81, 0x8e, 0x9d), disconnect, auth, fragment, (reasonCode, given, step, size) => {
        const goodbye: ControlMessage = { operation: 14, reasonCode, properties: given };
        const oracle = { cmd: "disconnect", reasonCode, properties: toOracle(given) };
        agree(5, goodbye, encodeControlFromServer(5, goodbye), oracle, { fragment: size });
        const message: ControlMessage = { operation: 15, reasonCode: 0x18, properties: step };
        const theirs = { cmd: "auth", reasonCode: 0x18, properties: toOracle(step) };
        agree(5, message, encodeControlFromServer(5, message), theirs, { fragment: size });
      }),
      runs,
    );
  });
});
