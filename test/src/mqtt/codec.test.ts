import { fromHex } from "../../../src/bytes.js";
import { SealwireError, type ErrorCode } from "../../../src/errors.js";
import { deepEqual, ok, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";
import { createDecoder, decodeAll, type DecodeOptions } from "../../support/mqtt-decode.js";
import { fixtures } from "./fixtures.js";

/** Packets that must be refused: bytes, code, reason code, and what is wrong. */
type Refusal = readonly [hex: string, code: ErrorCode, reasonCode: number, why: string, options?: DecodeOptions];

const refusedBy4: readonly Refusal[] = [
  ["0000", "MQTT_MALFORMED_PACKET", 0x81, "packet type 0"],
  ["f000", "MQTT_MALFORMED_PACKET", 0x81, "packet type 15 in 3.1.1"],
  ["d08080808001", "MQTT_MALFORMED_PACKET", 0x81, "remaining length of five bytes"],
  ["d100", "MQTT_MALFORMED_PACKET", 0x81, "reserved flags of PINGRESP"],
  ["60020001", "MQTT_MALFORMED_PACKET", 0x81, "PUBREL without flags 0010 [MQTT-3.6.1-1]"],
  ["d00100", "MQTT_MALFORMED_PACKET", 0x81, "PINGRESP with a body"],
  ["3605000161000131", "MQTT_MALFORMED_PACKET", 0x81, "QoS 3 [MQTT-3.3.1-4]"],
  ["3803000161", "MQTT_MALFORMED_PACKET", 0x81, "DUP with QoS 0 [MQTT-3.3.1-2]"],
  ["3002 0000", "MQTT_MALFORMED_PACKET", 0x81, "empty topic [MQTT-4.7.3-1]"],
  ["3005 0003 612b62", "MQTT_MALFORMED_PACKET", 0x90, "wildcard + in a topic name [MQTT-3.3.2-2]"],
  ["3005 0003 612f23", "MQTT_MALFORMED_PACKET", 0x90, "wildcard # in a topic name [MQTT-3.3.2-2]"],
  ["3005 0003 610062", "MQTT_MALFORMED_PACKET", 0x81, "U+0000 [MQTT-1.5.3-2]"],
  ["3005 0003 eda080", "MQTT_MALFORMED_PACKET", 0x81, "surrogate [MQTT-1.5.3-1]"],
  ["3004 0002 c080", "MQTT_MALFORMED_PACKET", 0x81, "overlong UTF-8"],
  ["3006 0004 f4908080", "MQTT_MALFORMED_PACKET", 0x81, "beyond U+10FFFF"],
  ["3003 0001 80", "MQTT_MALFORMED_PACKET", 0x81, "continuation byte alone"],
  ["3003 0002 61", "MQTT_MALFORMED_PACKET", 0x81, "topic beyond the packet"],
  ["3204 0001 61 00", "MQTT_MALFORMED_PACKET", 0x81, "packet identifier beyond the packet"],
  ["3205 0001 61 0000", "MQTT_PROTOCOL_ERROR", 0x82, "packet identifier 0 [MQTT-2.3.1-1]"],
  ["40020000", "MQTT_PROTOCOL_ERROR", 0x82, "PUBACK with packet identifier 0"],
  ["4003000100", "MQTT_MALFORMED_PACKET", 0x81, "PUBACK of 3.1.1 with more than an identifier"],
  ["400100", "MQTT_MALFORMED_PACKET", 0x81, "PUBACK cut short"],
  ["20020200", "MQTT_MALFORMED_PACKET", 0x81, "reserved flags of CONNACK"],
  ["20020105", "MQTT_PROTOCOL_ERROR", 0x82, "session present in a refusal [MQTT-3.2.2-4]"],
  ["9003000103", "MQTT_PROTOCOL_ERROR", 0x82, "unknown SUBACK code [MQTT-3.9.3-2]"],
  ["90020001", "MQTT_PROTOCOL_ERROR", 0x82, "SUBACK without codes"],
  ["b003000100", "MQTT_MALFORMED_PACKET", 0x81, "UNSUBACK of 3.1.1 with codes"],
  ["e000", "MQTT_PROTOCOL_ERROR", 0x82, "DISCONNECT from a server of 3.1.1"],
  ["c000", "MQTT_PROTOCOL_ERROR", 0x82, "PINGREQ from a server"],
  ["100c00044d5154540402003c0000", "MQTT_PROTOCOL_ERROR", 0x82, "CONNECT from a server"],
  ["82060001000161 00", "MQTT_PROTOCOL_ERROR", 0x82, "SUBSCRIBE from a server"],
  ["3005 0003 616263", "MQTT_PACKET_TOO_LARGE", 0x95, "topic beyond the limit", { topicLength: 2 }],
  ["9005 0001 010101", "MQTT_PACKET_TOO_LARGE", 0x95, "control packet beyond the limit", { controlPacketSize: 6 }],
];

const refusedBy5: readonly Refusal[] = [
  ["d08000", "MQTT_MALFORMED_PACKET", 0x81, "remaining length longer than needed [MQTT-1.5.5-1]"],
  ["3004 0001 61 01", "MQTT_MALFORMED_PACKET", 0x81, "properties beyond the packet"],
  ["3003 0001 61", "MQTT_MALFORMED_PACKET", 0x81, "no property length"],
  ["3008 0001 61 808080 8001", "MQTT_MALFORMED_PACKET", 0x81, "property length of five bytes"],
  ["3004 0000 00 61", "MQTT_PROTOCOL_ERROR", 0x82, "neither topic nor alias"],
  ["3006 0000 03 230001", "MQTT_PROTOCOL_ERROR", 0x94, "topic alias though none is allowed [MQTT-3.3.2-9]"],
  ["3006 0000 03 230001", "MQTT_PROTOCOL_ERROR", 0x82, "topic alias that is not known", { topicAliasMaximum: 2 }],
  ["3007 0001 61 03 230000", "MQTT_PROTOCOL_ERROR", 0x94, "topic alias 0 [MQTT-3.3.2-8]", { topicAliasMaximum: 2 }],
  ["3008 0001 61 04 01010100", "MQTT_PROTOCOL_ERROR", 0x82, "payload format indicator twice"],
  ["3006 0001 61 02 0102", "MQTT_PROTOCOL_ERROR", 0x82, "payload format indicator 2"],
  ["3006 0001 61 02 0b00", "MQTT_PROTOCOL_ERROR", 0x82, "subscription identifier 0"],
  ["3008 0001 61 04 0800012b", "MQTT_PROTOCOL_ERROR", 0x82, "response topic with a wildcard [MQTT-3.3.2-14]"],
  ["3009 0001 61 05 1100000001", "MQTT_PROTOCOL_ERROR", 0x82, "property of another packet"],
  ["3005 0001 61 01 7f", "MQTT_MALFORMED_PACKET", 0x81, "property that does not exist"],
  ["3007 0001 61 03 030002", "MQTT_MALFORMED_PACKET", 0x81, "string beyond the properties"],
  ["3008 0001 61 04 030001 00", "MQTT_MALFORMED_PACKET", 0x81, "U+0000 in a property [MQTT-1.5.4-2]"],
  ["2003 0000 01", "MQTT_MALFORMED_PACKET", 0x81, "CONNACK with properties beyond the packet"],
  ["2002 0000", "MQTT_MALFORMED_PACKET", 0x81, "CONNACK of 3.1.1 that accepts a client of 5.0"],
  ["2003 0006 00", "MQTT_PROTOCOL_ERROR", 0x82, "CONNACK with an unknown reason"],
  ["2006 0000 03 210000", "MQTT_PROTOCOL_ERROR", 0x82, "receive maximum 0"],
  ["2005 0000 02 2402", "MQTT_PROTOCOL_ERROR", 0x82, "maximum QoS 2 in CONNACK"],
  ["4003 0001 92", "MQTT_PROTOCOL_ERROR", 0x82, "PUBACK with a reason of PUBREL [MQTT-3.4.2-1]"],
  ["6203 0001 80", "MQTT_PROTOCOL_ERROR", 0x82, "PUBREL with a reason of PUBREC [MQTT-3.6.2-1]"],
  ["4005 0001 00 00 00", "MQTT_MALFORMED_PACKET", 0x81, "bytes behind the properties"],
  ["9004 0001 00 03", "MQTT_PROTOCOL_ERROR", 0x82, "SUBACK with QoS 3"],
  ["b003 0001 00", "MQTT_PROTOCOL_ERROR", 0x82, "UNSUBACK without reasons"],
  ["e001 04", "MQTT_PROTOCOL_ERROR", 0x82, "DISCONNECT with a reason of clients"],
  ["f001 19", "MQTT_PROTOCOL_ERROR", 0x82, "AUTH with a reason of clients"],
  [
    "400a 0001 00 06 1f0003 616263",
    "MQTT_PROTOCOL_ERROR",
    0x82,
    "problem information [MQTT-3.1.2-29]",
    { problemInformation: false },
  ],
  ["3008 0001 61 04 03000161", "MQTT_PACKET_TOO_LARGE", 0x95, "properties beyond the limit", { propertiesLength: 3 }],
  [
    "300e 0001 61 0a 2600000000 2600000000",
    "MQTT_PACKET_TOO_LARGE",
    0x95,
    "user properties beyond the limit",
    { userProperties: 1 },
  ],
  [
    "3005 0001 61 00 21",
    "MQTT_PACKET_TOO_LARGE",
    0x95,
    "packet beyond the announced maximum",
    { maximumPacketSize: 6 },
  ],
];

describe("MQTT codec", () => {
  for (const { name, version, role, bytes, message, encode } of fixtures) {
    const title = `${name} (${version === 4 ? "3.1.1" : "5.0"})`;
    it(`parses ${title}`, () => deepEqual(decodeAll(version, bytes, { role }), [message]));
    it(`parses ${title}, a byte at a time`, () =>
      deepEqual(decodeAll(version, bytes, { role, fragment: 1 }), [message]));
    it(`generates ${title}`, () => deepEqual(encode(), Uint8Array.from(bytes)));
    it(`waits for the last byte of ${title}`, () =>
      deepEqual(decodeAll(version, bytes.slice(0, -1), { role, fragment: 3 }), []));
  }

  it("parses packets that come joined, cut at every place", () => {
    const ours = fixtures.filter(({ version, role }) => version === 5 && role === "client");
    const stream = ours.flatMap(({ bytes }) => bytes);
    const expected = ours.map(({ message }) => message);
    for (let fragment = 1; fragment <= 70; fragment++)
      deepEqual(decodeAll(5, stream, { fragment }), expected, `${fragment}`);
  });

  for (const [version, refusals] of [
    [4, refusedBy4],
    [5, refusedBy5],
  ] as const)
    for (const [hex, code, reasonCode, why, options] of refusals)
      it(`refuses ${why} (${version === 4 ? "3.1.1" : "5.0"})`, () => {
        const bytes = fromHex(hex.replaceAll(" ", ""));
        for (const fragment of [1, 100]) {
          const error = throws(() => decodeAll(version, bytes, { ...options, fragment }), code);
          strictEqual(error.reasonCode, reasonCode, error.message);
        }
      });

  it("refuses a topic by its length, before its bytes came", () => {
    throws(() => decodeAll(4, [0x30, 0xff, 0xff, 0x7f, 0xff, 0xff], { topicLength: 1000 }), "MQTT_PACKET_TOO_LARGE");
  });

  it("refuses a control packet by its length, before its bytes came", () => {
    throws(() => decodeAll(4, [0x90, 0xff, 0xff, 0xff, 0x7f], { controlPacketSize: 2048 }), "MQTT_PACKET_TOO_LARGE");
  });

  it("refuses properties by their length, before their bytes came", () => {
    const header = [0x30, 0xff, 0xff, 0x03, 0x00, 0x01, 0x61, 0xff, 0x7f];
    throws(() => decodeAll(5, header, { propertiesLength: 1024 }), "MQTT_PACKET_TOO_LARGE");
  });

  it("refuses a packet of a wrong type by its first bytes", () => {
    const decoder = createDecoder(4);
    decoder.expected = 1 << 2;
    throws(() => decodeAll(4, [0x30, 0x7f], {}, decoder), "MQTT_PROTOCOL_ERROR");
  });

  it("never gathers a payload", () => {
    const decoder = createDecoder(4, { windowLength: 64 });
    const space = decoder.space();
    space.set([0x30, 0xff, 0xff, 0xff, 0x7f, 0x00, 0x01, 0x61]);
    decoder.filled(8);
    strictEqual(decoder.next(), 3);
    strictEqual(decoder.message?.byteLength, 268_435_455 - 3);
    strictEqual(decoder.space().byteLength, 64);
  });

  it("learns, uses and replaces topic aliases", () => {
    const stream = [
      ...[0x30, 0x08, 0x00, 0x01, 0x61, 0x03, 0x23, 0x00, 0x01, 0x31], // topic "a" is alias 1
      ...[0x30, 0x07, 0x00, 0x00, 0x03, 0x23, 0x00, 0x01, 0x32], // alias 1
      ...[0x30, 0x08, 0x00, 0x01, 0x62, 0x03, 0x23, 0x00, 0x01, 0x33], // topic "b" is alias 1 now
      ...[0x30, 0x07, 0x00, 0x00, 0x03, 0x23, 0x00, 0x01, 0x34], // alias 1
    ];
    const messages = decodeAll(5, stream, { topicAliasMaximum: 1, fragment: 1 });
    deepEqual(
      messages.map((message) => (message.operation === 3 ? [message.topic, message.properties] : [])),
      [
        ["a", undefined],
        ["a", undefined],
        ["b", undefined],
        ["b", undefined],
      ],
    );
  });

  it("hands over a topic that changes by one character", () => {
    const stream = [0x61, 0x61, 0x62, 0x61].flatMap((last) => [0x30, 0x05, 0x00, 0x03, 0x78, 0x2f, last]);
    const topics = decodeAll(4, stream).map((message) => (message.operation === 3 ? message.topic : ""));
    deepEqual(topics, ["x/a", "x/a", "x/b", "x/a"]);
  });

  it("names what is wrong in a sentence", () => {
    const error = throws(() => decodeAll(4, [0x36, 0x05]), "MQTT_MALFORMED_PACKET");
    ok(error instanceof SealwireError && error.message.includes("QoS 3"), error.message);
  });
});
