import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { PlainMosquitto } from "../../tools/brokers/index.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { BrokerConduct } from "./broker-conduct.js";
import { damages } from "./damage.js";
import { InboundLedger } from "./inbound-ledger.js";
import { brokerSettings, mosquittoLeg } from "./mosquitto-leg.js";
import { modelLeg } from "./model-leg.js";
import { type Numbered, decode, encode } from "./numbered.js";
import { OutboundLedger } from "./outbound-ledger.js";
import { Violations } from "./violations.js";

describe("The storm", function () {
  this.timeout(60_000);

  for (const version of [4, 5] as const)
    for (const manual of [false, true])
      it(`finds nothing lost over MQTT ${version === 4 ? "3.1.1" : "5.0"} with ${manual ? "manual" : "automatic"} acknowledgement`, async () => {
        const result = await modelLeg({ messages: 300, seed: 7, version, manual });
        assert.deepEqual(result.violations, []);
        for (const qos of [1, 2] as const) {
          assert.equal(result.outbound[qos].delivered, 300);
          assert.equal(result.inbound[qos].recorded, 300);
        }
        assert.ok(
          result.cuts > 20 && result.crashes > 5,
          `${result.cuts} cuts and ${result.crashes} crashes are no storm`,
        );
      });

  it("finds nothing lost with Mosquitto, over real connections that are cut", async function () {
    requireMosquitto(this);
    const broker = new PlainMosquitto({ persistence: true, settings: brokerSettings });
    await broker.start();
    try {
      const result = await mosquittoLeg({ broker, messages: 500, seed: 5, version: 5, manual: true });
      assert.deepEqual(result.violations, []);
      assert.deepEqual([result.outbound[2].delivered, result.inbound[2].recorded], [500, 500]);
      assert.ok(result.cuts > 3, `${result.cuts} cuts are no storm`);
    } finally {
      await broker.stop();
    }
  });

  it("comes again with its seed", async () => {
    const once = await modelLeg({ messages: 100, seed: 3, version: 5, manual: true });
    assert.deepEqual(await modelLeg({ messages: 100, seed: 3, version: 5, manual: true }), once);
    assert.notDeepEqual(await modelLeg({ messages: 100, seed: 4, version: 5, manual: true }), once);
  });

  for (const damage of damages)
    it(`tells when storage fails: ${damage}`, async () => {
      const result = await modelLeg({ messages: 500, seed: 1, version: 5, manual: false, damage });
      assert.notEqual(result.violationCount, 0);
    });

  it("exits with 1 when something was lost, with 0 when nothing was, and says its counts last", () => {
    const program = fileURLToPath(new URL("main.js", import.meta.url));
    const run = (...more: string[]): { status: number | null; last: string } => {
      const { status, stdout } = spawnSync(
        process.execPath,
        [program, "--messages", "200", "--seed", "2", "--broker", "model", ...more],
        { encoding: "utf8" },
      );
      return { status, last: stdout.trimEnd().split("\n").at(-1) ?? "" };
    };
    const sound = run();
    assert.equal(sound.status, 0);
    assert.match(
      sound.last,
      /^seed 2: stored 400 QoS 1 \+ 400 QoS 2; delivered 400 QoS 1 \+ 400 QoS 2; .*; 0 violations; \d/,
    );
    const broken = run("--break", "releases");
    assert.equal(broken.status, 1);
    assert.match(broken.last, /^seed 2: .*; [1-9]\d* violations; /);
  });
});

const message = (qos: 1 | 2, number: number): Numbered => ({ qos, number });

describe("The storm's subscriber", () => {
  const ledgerWith = (qos: 1 | 2, stored: number): { ledger: OutboundLedger; violations: Violations } => {
    const violations = new Violations();
    const ledger = new OutboundLedger(violations, true);
    for (let number = 1; number <= stored; number++) ledger.store(message(qos, number));
    return { ledger, violations };
  };

  it("takes each stored message once, and QoS 1 again", () => {
    const { ledger, violations } = ledgerWith(1, 3);
    for (const number of [1, 2, 1, 2, 3]) ledger.deliver(message(1, number), 1);
    ledger.finish();
    assert.deepEqual(violations.list, []);
    assert.deepEqual(ledger.counts(1), { stored: 3, delivered: 3, repeated: 2 });
  });

  for (const [what, qos, stored, delivered, expected] of [
    ["a lost message", 1, 3, [1, 3], /message 3 overtook 2, or that is lost/],
    ["a lost last message", 2, 3, [1, 2], /3 were stored, the last one delivered is 2/],
    ["a message that was overtaken", 2, 2, [2, 1], /message 2 overtook 1/],
    ["a QoS 2 message that comes twice", 2, 2, [1, 2, 2], /message 2 was delivered again/],
    ["a message that was never stored", 1, 1, [1, 2], /message 2 came, but was never stored/],
  ] as const)
    it(`tells of ${what}`, () => {
      const { ledger, violations } = ledgerWith(qos, stored);
      for (const number of delivered) ledger.deliver(message(qos, number), qos);
      ledger.finish();
      assert.match(violations.list.join("\n"), expected);
    });

  it("tells of bytes that were changed, of another QoS, and of an acknowledgement that came too early", () => {
    const { ledger, violations } = ledgerWith(2, 2);
    const bytes = encode(message(2, 1));
    bytes[bytes.byteLength - 1]! ^= 1;
    ledger.deliver(decode(bytes), 2);
    ledger.acknowledged(message(2, 1));
    ledger.deliver(message(2, 1), 1);
    assert.match(
      violations.list.join("\n"),
      /bytes that nobody published[^]*message 1 was acknowledged[^]*came with QoS 1/,
    );
  });
});

describe("The storm's application", () => {
  const make = (manual = false): { ledger: InboundLedger; violations: Violations } => {
    const violations = new Violations();
    const ledger = new InboundLedger(violations, manual);
    for (const qos of [1, 2] as const) ledger.publish(message(qos, 5));
    ledger.begin(0);
    return { ledger, violations };
  };
  const hand = (ledger: InboundLedger, qos: 1 | 2, number: number, redelivered = false): number =>
    ledger.handOut({ message: message(qos, number), qos, redelivered });

  it("takes one marked repeat of the message in whose handling a crash came", () => {
    const { ledger, violations } = make();
    hand(ledger, 2, 1);
    const turn = hand(ledger, 2, 2);
    ledger.begin(turn - 1);
    hand(ledger, 2, 2, true);
    assert.deepEqual(violations.list, []);
  });

  it("tells of a repeat without a mark", () => {
    const { ledger, violations } = make();
    hand(ledger, 1, 1);
    hand(ledger, 1, 1);
    assert.match(violations.list.join("\n"), /handed out again without a mark/);
  });

  it("tells of a QoS 2 message that comes again though it is stored as handled", () => {
    const { ledger, violations } = make();
    const turn = hand(ledger, 2, 1);
    ledger.begin(turn);
    hand(ledger, 2, 1, true);
    assert.match(violations.list.join("\n"), /though it was stored as handled/);
  });

  it("tells of a QoS 2 message that comes twice in one life", () => {
    const { ledger, violations } = make(true);
    hand(ledger, 2, 1);
    hand(ledger, 2, 1, true);
    assert.match(violations.list.join("\n"), /twice in one life/);
  });

  it("tells of more than one message in hand when a plain callback crashes, and of a mark that goes back", () => {
    const { ledger, violations } = make();
    hand(ledger, 2, 1);
    hand(ledger, 2, 2);
    ledger.begin(0);
    assert.match(violations.list.join("\n"), /within the handling of 2 messages/);
    hand(ledger, 2, 3);
    ledger.begin(3);
    ledger.begin(1);
    assert.match(violations.list.join("\n"), /went back from 3 to 1/);
  });

  it("tells of lost and overtaken messages and of entries that are there twice", () => {
    const { ledger, violations } = make();
    hand(ledger, 1, 2);
    ledger.record(message(1, 2));
    ledger.record(message(1, 2));
    ledger.finish();
    assert.match(
      violations.list.join("\n"),
      /message 2 overtook 1[^]*message 2 is twice in the ledger[^]*QoS 1: 5 were published, 2 entries are in the ledger, 4 are missing/,
    );
  });

  it("excuses only what the wire shows", () => {
    const { ledger, violations } = make();
    ledger.excuseRepeated(message(2, 1));
    ledger.excuseEarly(message(1, 2));
    hand(ledger, 2, 1);
    hand(ledger, 2, 1);
    hand(ledger, 1, 2);
    assert.deepEqual(violations.list, []);
    hand(ledger, 1, 4);
    assert.equal(violations.count, 1);
  });
});

describe("The storm's view of the wire", () => {
  /** PUBLISH of MQTT 3.1.1 on the topic "t". */
  const publish = (qos: 1 | 2, number: number, id: number, duplicate = false): Buffer => {
    const payload = encode(message(qos, number));
    const length = 5 + payload.byteLength;
    return Buffer.concat([
      Buffer.of(0x30 | (duplicate ? 8 : 0) | (qos << 1)),
      length < 128 ? Buffer.of(length) : Buffer.of((length & 127) | 128, length >> 7),
      Buffer.of(0, 1, 0x74, id >> 8, id & 255),
      payload,
    ]);
  };
  const release = (id: number): Buffer => Buffer.of(0x62, 2, id >> 8, id & 255);
  const watch = (): { conduct: BrokerConduct; faults: string[] } => {
    const faults: string[] = [];
    const conduct = new BrokerConduct(4, {
      repeated: ({ number }) => faults.push(`repeated ${number}`),
      early: ({ number }) => faults.push(`early ${number}`),
    });
    return { conduct, faults };
  };

  it("sees PUBLISH after PUBREL across connections, however the bytes are split", () => {
    const { conduct, faults } = watch();
    let feed = conduct.connection();
    const bytes = Buffer.concat([publish(2, 1, 7), publish(2, 1, 7, true), release(7)]);
    for (const byte of bytes) feed(Buffer.of(byte));
    assert.deepEqual(faults, []);
    feed = conduct.connection();
    feed(publish(2, 1, 7, true));
    assert.deepEqual(faults, ["repeated 1"]);
  });

  it("sees a message before its turn, and no fault in a new message under an old identifier", () => {
    const { conduct, faults } = watch();
    const feed = conduct.connection();
    feed(Buffer.concat([publish(2, 1, 7), release(7), publish(2, 2, 7), publish(1, 1, 8), publish(1, 3, 9)]));
    assert.deepEqual(faults, ["early 3"]);
  });
});
