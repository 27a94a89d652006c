/**
 * Packets as byte literals, annotated field by field, beside what they mean. Each is parsed, generated and sent round by `codec.test.ts`.
 */
import { encodeAcknowledgement, encodeConnect, encodeReason, encodeRequest } from "../../../src/mqtt/codec/encode.js";
import { encodeControlFromServer, encodePublish } from "../../../src/mqtt/codec/server.js";
import type { ControlMessage, ProtocolVersion } from "../../../src/mqtt/index.js";
import { toUTF8 } from "../../../src/bytes.js";

export interface Fixture {
  readonly name: string;
  readonly version: ProtocolVersion;
  /** Who receives it. */
  readonly role: "client" | "server";
  readonly bytes: readonly number[];
  readonly message: object;
  readonly encode: () => Uint8Array;
}

const none = { properties: undefined };

function fromServer(
  name: string,
  version: ProtocolVersion,
  bytes: readonly number[],
  message: ControlMessage,
): Fixture {
  return { name, version, role: "client", bytes, message, encode: () => encodeControlFromServer(version, message) };
}

// prettier-ignore
export const fixtures: readonly Fixture[] = [
  {
    name: "CONNECT 3.1.1, the least there is",
    version: 4,
    role: "server",
    bytes: [
      0x10, 0x0c, // CONNECT, remaining length 12
      0x00, 0x04, 0x4d, 0x51, 0x54, 0x54, // "MQTT"
      0x04, // protocol level
      0x02, // flags: clean session
      0x00, 0x00, // keep alive
      0x00, 0x00, // client identifier ""
    ],
    message: {
      operation: 1, version: 4, clean: true, keepAlive: 0, id: "", will: undefined, user: undefined, password: undefined, ...none,
    },
    encode: () =>
      encodeConnect({ version: 4, clean: true, keepAlive: 0, id: "", will: undefined, user: undefined, password: undefined, ...none }),
  },
  {
    name: "CONNECT 3.1.1 with everything",
    version: 4,
    role: "server",
    bytes: [
      0x10, 0x21, // CONNECT, remaining length 33
      0x00, 0x04, 0x4d, 0x51, 0x54, 0x54, // "MQTT"
      0x04, // protocol level
      0xec, // flags: user, password, will retain, will QoS 1, will
      0x01, 0x2c, // keep alive 300
      0x00, 0x03, 0x64, 0x65, 0x76, // client identifier "dev"
      0x00, 0x01, 0x77, // will topic "w"
      0x00, 0x03, 0x6f, 0x66, 0x66, // will message "off"
      0x00, 0x01, 0x75, // user "u"
      0x00, 0x05, 0x70, 0xc3, 0xa4, 0x73, 0x73, // password "päss"
    ],
    message: {
      operation: 1, version: 4, clean: false, keepAlive: 300, id: "dev", user: "u", password: toUTF8("päss"), ...none,
      will: { topic: "w", message: toUTF8("off"), QoS: 1, retain: true, ...none },
    },
    encode: () =>
      encodeConnect({
        version: 4, clean: false, keepAlive: 300, id: "dev", user: "u", password: "päss", ...none,
        will: { topic: "w", message: "off", QoS: 1, retain: true },
      }),
  },
  {
    name: "CONNECT 5.0 with properties",
    version: 5,
    role: "server",
    bytes: [
      0x10, 0x5b, // CONNECT, remaining length 91
      0x00, 0x04, 0x4d, 0x51, 0x54, 0x54, // "MQTT"
      0x05, // protocol version
      0x16, // flags: will QoS 2, will, clean start
      0x00, 0x0a, // keep alive 10
      0x2b, // properties: 43 bytes
      0x11, 0x00, 0x00, 0x04, 0xd2, // session expiry interval 1234
      0x21, 0x01, 0xb0, // receive maximum 432
      0x27, 0x00, 0x00, 0x00, 0x64, // maximum packet size 100
      0x22, 0x01, 0xc8, // topic alias maximum 456
      0x19, 0x01, // request response information
      0x17, 0x00, // request problem information: no
      0x26, 0x00, 0x01, 0x61, 0x00, 0x01, 0x62, // user property a = b
      0x26, 0x00, 0x01, 0x61, 0x00, 0x01, 0x63, // user property a = c
      0x15, 0x00, 0x01, 0x53, // authentication method "S"
      0x16, 0x00, 0x02, 0x01, 0x02, // authentication data 01 02
      0x00, 0x02, 0x69, 0x64, // client identifier "id"
      0x1b, // will properties: 27 bytes
      0x18, 0x00, 0x00, 0x00, 0x05, // will delay interval 5
      0x01, 0x01, // payload format indicator: text
      0x02, 0x00, 0x00, 0x00, 0x06, // message expiry interval 6
      0x03, 0x00, 0x01, 0x74, // content type "t"
      0x08, 0x00, 0x02, 0x72, 0x2f, // response topic "r/"
      0x09, 0x00, 0x03, 0x00, 0xff, 0x80, // correlation data 00 ff 80
      0x00, 0x01, 0x77, // will topic "w"
      0x00, 0x00, // will message, empty
    ],
    message: {
      operation: 1, version: 5, clean: true, keepAlive: 10, id: "id", user: undefined, password: undefined,
      properties: {
        sessionExpiryInterval: 1234, receiveMaximum: 432, maximumPacketSize: 100, topicAliasMaximum: 456,
        requestResponseInformation: true, requestProblemInformation: false, userProperties: [["a", "b"], ["a", "c"]],
        authenticationMethod: "S", authenticationData: Uint8Array.of(1, 2),
      },
      will: {
        topic: "w", message: new Uint8Array(0), QoS: 2, retain: false,
        properties: {
          willDelayInterval: 5, payloadFormatIndicator: 1, messageExpiryInterval: 6, contentType: "t", responseTopic: "r/",
          correlationData: Uint8Array.of(0, 255, 128),
        },
      },
    },
    encode: () =>
      encodeConnect({
        version: 5, clean: true, keepAlive: 10, id: "id", user: undefined, password: undefined,
        properties: {
          sessionExpiryInterval: 1234, receiveMaximum: 432, maximumPacketSize: 100, topicAliasMaximum: 456,
          requestResponseInformation: true, requestProblemInformation: false, userProperties: [["a", "b"], ["a", "c"]],
          authenticationMethod: "S", authenticationData: Uint8Array.of(1, 2),
        },
        will: {
          topic: "w", QoS: 2,
          properties: {
            willDelayInterval: 5, payloadFormatIndicator: 1, messageExpiryInterval: 6, contentType: "t", responseTopic: "r/",
            correlationData: Uint8Array.of(0, 255, 128),
          },
        },
      }),
  },
  fromServer(
    "CONNACK 3.1.1",
    4,
    [
      0x20, 0x02, // CONNACK, remaining length 2
      0x01, // session present
      0x00, // accepted
    ],
    { operation: 2, sessionPresent: true, returnCode: 0, reasonCode: 0, ...none },
  ),
  fromServer(
    "CONNACK 5.0 with all its properties",
    5,
    [
      0x20, 0x58, // CONNACK, remaining length 88
      0x00, // no session present
      0x00, // success
      0x55, // properties: 85 bytes
      0x11, 0xff, 0xff, 0xff, 0xff, // session expiry interval: never
      0x21, 0x00, 0x0a, // receive maximum 10
      0x24, 0x01, // maximum QoS 1
      0x25, 0x00, // retain available: no
      0x27, 0x00, 0x01, 0x00, 0x00, // maximum packet size 65536
      0x12, 0x00, 0x01, 0x78, // assigned client identifier "x"
      0x22, 0x00, 0x05, // topic alias maximum 5
      0x1f, 0x00, 0x02, 0x6f, 0x6b, // reason string "ok"
      0x26, 0x00, 0x01, 0x6b, 0x00, 0x01, 0x76, // user property k = v
      0x28, 0x00, // wildcard subscription available: no
      0x29, 0x00, // subscription identifiers available: no
      0x2a, 0x01, // shared subscription available
      0x13, 0x00, 0x3c, // server keep alive 60
      0x1a, 0x00, 0x03, 0x72, 0x2f, 0x31, // response information "r/1"
      0x1c, 0x00, 0x09, 0x62, 0x2e, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, // server reference "b.example"
      0x15, 0x00, 0x0d, 0x53, 0x43, 0x52, 0x41, 0x4d, 0x2d, 0x53, 0x48, 0x41, 0x2d, 0x32, 0x35, // authentication method "SCRAM-SHA-25"...
      0x36, // ... "6"
      0x16, 0x00, 0x03, 0x76, 0x3d, 0x31, // authentication data "v=1"
    ],
    {
      operation: 2, sessionPresent: false, returnCode: 0, reasonCode: 0,
      properties: {
        sessionExpiryInterval: 0xffffffff, receiveMaximum: 10, maximumQoS: 1, retainAvailable: false, maximumPacketSize: 65536,
        assignedClientIdentifier: "x", topicAliasMaximum: 5, reasonString: "ok", userProperties: [["k", "v"]],
        wildcardSubscriptionAvailable: false, subscriptionIdentifiersAvailable: false, sharedSubscriptionAvailable: true,
        serverKeepAlive: 60, responseInformation: "r/1", serverReference: "b.example", authenticationMethod: "SCRAM-SHA-256",
        authenticationData: toUTF8("v=1"),
      },
    },
  ),
  {
    name: "PUBLISH 3.1.1 QoS 0 with an empty payload",
    version: 4,
    role: "client",
    bytes: [
      0x31, 0x05, // PUBLISH, retain, remaining length 5
      0x00, 0x03, 0x61, 0x2f, 0x62, // topic "a/b"
    ],
    message: {
      operation: 3, topic: "a/b", QoS: 0, retain: true, duplicate: false, id: 0, byteLength: 0, more: false, ...none,
      payload: new Uint8Array(0),
    },
    encode: () => encodePublish(4, { topic: "a/b", retain: true, payload: new Uint8Array(0) }),
  },
  {
    name: "PUBLISH 3.1.1 QoS 2, sent again, with a topic of two-, three- and four-byte characters",
    version: 4,
    role: "client",
    bytes: [
      0x3c, 0x0f, // PUBLISH, DUP, QoS 2, remaining length 15
      0x00, 0x09, 0xc2, 0xa3, 0xe2, 0x82, 0xac, 0xf0, 0x90, 0x8d, 0x88, // topic "£€𐍈"
      0x12, 0x34, // packet identifier 0x1234
      0x00, 0xff, // payload
    ],
    message: {
      operation: 3, topic: "£€𐍈", QoS: 2, retain: false, duplicate: true, id: 0x1234, byteLength: 2, more: false, ...none,
      payload: Uint8Array.of(0, 255),
    },
    encode: () =>
      encodePublish(4, { topic: "£€𐍈", QoS: 2, duplicate: true, id: 0x1234, payload: Uint8Array.of(0, 255) }),
  },
  {
    name: "PUBLISH 5.0 QoS 1 with properties",
    version: 5,
    role: "client",
    bytes: [
      0x32, 0x27, // PUBLISH, QoS 1, remaining length 39
      0x00, 0x01, 0x74, // topic "t"
      0x00, 0x07, // packet identifier 7
      0x20, // properties: 32 bytes
      0x01, 0x00, // payload format indicator: bytes
      0x02, 0x00, 0x00, 0x0e, 0x10, // message expiry interval 3600
      0x08, 0x00, 0x01, 0x72, // response topic "r"
      0x09, 0x00, 0x02, 0xc0, 0x80, // correlation data c0 80
      0x26, 0x00, 0x00, 0x00, 0x00, // user property, both empty
      0x0b, 0x01, // subscription identifier 1
      0x0b, 0xff, 0xff, 0xff, 0x7f, // subscription identifier 268,435,455
      0x03, 0x00, 0x01, 0x63, // content type "c"
      0x21, // payload "!"
    ],
    message: {
      operation: 3, topic: "t", QoS: 1, retain: false, duplicate: false, id: 7, byteLength: 1, more: false,
      properties: {
        payloadFormatIndicator: 0, messageExpiryInterval: 3600, responseTopic: "r", correlationData: Uint8Array.of(0xc0, 0x80),
        userProperties: [["", ""]], subscriptionIdentifiers: [1, 268435455], contentType: "c",
      },
      payload: Uint8Array.of(0x21),
    },
    encode: () =>
      encodePublish(5, {
        topic: "t", QoS: 1, id: 7, payload: Uint8Array.of(0x21),
        properties: {
          payloadFormatIndicator: 0, messageExpiryInterval: 3600, responseTopic: "r", correlationData: Uint8Array.of(0xc0, 0x80),
          userProperties: [["", ""]], subscriptionIdentifiers: [1, 268435455], contentType: "c",
        },
      }),
  },
  fromServer("PUBACK", 4, [0x40, 0x02, 0xff, 0xff], { operation: 4, id: 65535, reasonCode: 0, ...none }),
  fromServer("PUBREC", 4, [0x50, 0x02, 0x00, 0x01], { operation: 5, id: 1, reasonCode: 0, ...none }),
  fromServer("PUBREL", 4, [0x62, 0x02, 0x00, 0x01], { operation: 6, id: 1, reasonCode: 0, ...none }),
  fromServer("PUBCOMP", 5, [0x70, 0x02, 0x00, 0x01], { operation: 7, id: 1, reasonCode: 0, ...none }),
  fromServer("PUBACK 5.0 with a reason", 5, [0x40, 0x03, 0x00, 0x01, 0x10], { operation: 4, id: 1, reasonCode: 0x10, ...none }),
  {
    name: "PUBREC 5.0 with a reason and properties",
    version: 5,
    role: "client",
    bytes: [
      0x50, 0x09, // PUBREC, remaining length 9
      0x00, 0x02, // packet identifier 2
      0x97, // quota exceeded
      0x05, // properties: 5 bytes
      0x1f, 0x00, 0x02, 0x6e, 0x6f, // reason string "no"
    ],
    message: { operation: 5, id: 2, reasonCode: 0x97, properties: { reasonString: "no" } },
    encode: () => encodeAcknowledgement(0x50, 2, 0x97, { reasonString: "no" }),
  },
  {
    name: "SUBSCRIBE 3.1.1",
    version: 4,
    role: "server",
    bytes: [
      0x82, 0x0c, // SUBSCRIBE, remaining length 12
      0x00, 0x0a, // packet identifier 10
      0x00, 0x03, 0x61, 0x2f, 0x23, 0x01, // "a/#", QoS 1
      0x00, 0x01, 0x2b, 0x02, // "+", QoS 2
    ],
    message: { operation: 8, id: 10, items: [{ topic: "a/#", QoS: 1 }, { topic: "+", QoS: 2 }], ...none },
    encode: () => encodeRequest(8, 4, 10, [{ topic: "a/#", QoS: 1 }, { topic: "+", QoS: 2 }], undefined),
  },
  {
    name: "SUBSCRIBE 5.0 with options and identifier",
    version: 5,
    role: "server",
    bytes: [
      0x82, 0x1b, // SUBSCRIBE, remaining length 27
      0x00, 0x01, // packet identifier 1
      0x03, // properties: 3 bytes
      0x0b, 0x80, 0x01, // subscription identifier 128
      0x00, 0x03, 0x61, 0x2f, 0x62, 0x2c, // "a/b": QoS 0, no local, retain as published, retain handling 2
      0x00, 0x0c, 0x24, 0x73, 0x68, 0x61, 0x72, 0x65, 0x2f, 0x67, 0x2f, 0x74, 0x2f, 0x23, 0x02, // "$share/g/t/#", QoS 2
    ],
    message: {
      operation: 8, id: 1, properties: { subscriptionIdentifier: 128 },
      items: [
        { topic: "a/b", QoS: 0, noLocal: true, retainAsPublished: true, retainHandling: 2 },
        { topic: "$share/g/t/#", QoS: 2, noLocal: false, retainAsPublished: false, retainHandling: 0 },
      ],
    },
    encode: () =>
      encodeRequest(8, 
        5,
        1,
        [{ topic: "a/b", noLocal: true, retainAsPublished: true, retainHandling: 2 }, { topic: "$share/g/t/#", QoS: 2 }],
        { subscriptionIdentifier: 128 },
      ),
  },
  // A refusal in a code of 5.0, as ejabberd 23 sends it over 3.1.1.
  fromServer("SUBACK 3.1.1 with a code of 5.0", 4, [0x90, 0x03, 0x00, 0x0a, 0x8f], {
    operation: 9,
    id: 10,
    reasonCodes: [0x8f],
    payload: [0x8f],
    ...none,
  }),
  fromServer("SUBACK 3.1.1", 4, [0x90, 0x05, 0x00, 0x0a, 0x01, 0x80, 0x00], {
    operation: 9, id: 10, reasonCodes: [1, 0x80, 0], payload: [1, 0x80, 0], ...none,
  }),
  fromServer(
    "SUBACK 5.0",
    5,
    [
      0x90, 0x05, // SUBACK, remaining length 5
      0x00, 0x01, // packet identifier 1
      0x00, // no properties
      0x02, // granted QoS 2
      0x87, // not authorised
    ],
    { operation: 9, id: 1, reasonCodes: [2, 0x87], payload: [2, 0x87], ...none },
  ),
  {
    name: "UNSUBSCRIBE",
    version: 5,
    role: "server",
    bytes: [
      0xa2, 0x06, // UNSUBSCRIBE, remaining length 6
      0x00, 0x02, // packet identifier 2
      0x00, // no properties
      0x00, 0x01, 0x23, // "#"
    ],
    message: { operation: 10, id: 2, items: [{ topic: "#" }], ...none },
    encode: () => encodeRequest(10, 5, 2, [{ topic: "#" }], undefined),
  },
  fromServer("UNSUBACK 3.1.1", 4, [0xb0, 0x02, 0x00, 0x02], { operation: 11, id: 2, reasonCodes: [], payload: [], ...none }),
  fromServer("UNSUBACK 5.0", 5, [0xb0, 0x04, 0x00, 0x02, 0x00, 0x11], {
    operation: 11, id: 2, reasonCodes: [0x11], payload: [0x11], ...none,
  }),
  { name: "PINGREQ", version: 4, role: "server", bytes: [0xc0, 0x00], message: { operation: 12 }, encode: () => Uint8Array.of(0xc0, 0) },
  fromServer("PINGRESP", 4, [0xd0, 0x00], { operation: 13 }),
  fromServer("DISCONNECT 5.0, normal", 5, [0xe0, 0x00], { operation: 14, reasonCode: 0, ...none }),
  {
    name: "DISCONNECT 5.0 by the server",
    version: 5,
    role: "client",
    bytes: [
      0xe0, 0x0b, // DISCONNECT, remaining length 11
      0x9d, // server moved
      0x09, // properties: 9 bytes
      0x1c, 0x00, 0x06, 0x62, 0x3a, 0x31, 0x38, 0x38, 0x33, // server reference "b:1883"
    ],
    message: { operation: 14, reasonCode: 0x9d, properties: { serverReference: "b:1883" } },
    encode: () => encodeReason(14, 0x9d, { serverReference: "b:1883" }),
  },
  {
    name: "AUTH",
    version: 5,
    role: "client",
    bytes: [
      0xf0, 0x0a, // AUTH, remaining length 10
      0x18, // continue authentication
      0x08, // properties: 8 bytes
      0x15, 0x00, 0x01, 0x53, // authentication method "S"
      0x16, 0x00, 0x01, 0x00, // authentication data 00
    ],
    message: {
      operation: 15, reasonCode: 0x18, properties: { authenticationMethod: "S", authenticationData: Uint8Array.of(0) },
    },
    encode: () => encodeReason(15, 0x18, { authenticationMethod: "S", authenticationData: Uint8Array.of(0) }),
  },
];
