import assert from "node:assert/strict";
import { Output } from "../../tools/output.js";
import type { Connect } from "../../tools/simulate/connects.js";
import {
  problemsOf,
  rotationline,
  saving,
  showTable,
  storyline,
  type StoryResult,
  toJSON,
} from "../../tools/simulate/report.js";

/** A story as it should be: TLS 1.3, first full, then resumed. */
function story(
  change: (connects: Connect[]) => void = () => undefined,
  others: Partial<StoryResult> = {},
): StoryResult {
  const reasons = others.rotates ? [...storyline, ...rotationline] : storyline;
  const connects = reasons.map((reason, i): Connect => {
    const full = i === 0 || reason === "rotation";
    const [bytesOut, bytesIn] = full ? [1900, 1700] : [800, 400];
    return {
      reason,
      protocol: "TLSv1.3",
      resumed: !full,
      bytesOut,
      bytesIn,
      milliseconds: 30.4,
      brokerResumed: !full,
      tapped: { protocol: "TLSv1.3", bytesOut, bytesIn },
    };
  });
  change(connects);
  return {
    broker: "Broker 1",
    engine: "node",
    tls: { minimum: "TLSv1.2", maximum: "TLSv1.3" },
    firmware: "firmware",
    connects,
    rotates: false,
    readings: { sent: 4, received: 4 },
    payloads: { sealed: true, refused: [] },
    ...others,
  };
}

function changed(index: number, change: Partial<Connect>): StoryResult {
  return story((connects) => (connects[index] = { ...connects[index]!, ...change }));
}

describe("The judgement of a story", () => {
  const judge = (result: StoryResult, mayResumeFirst = false): string[] => problemsOf(result, { mayResumeFirst });

  it("is content with one full connect, three resumed ones, confirmed by the broker's side", () => {
    assert.deepEqual(judge(story()), []);
  });

  it("wants the first connect to be full, unless broker and device may know each other", () => {
    const known = changed(0, { resumed: true, brokerResumed: true });
    assert.match(judge(known).join(), /^The connect after "power on" resumed a session/);
    assert.deepEqual(judge(known, true), []);
  });

  it("wants each later connect to be resumed", () => {
    for (const i of [1, 2, 3])
      assert.match(judge(changed(i, { resumed: false, brokerResumed: false })).join(), /was a full handshake/);
  });

  it("does not believe the device alone", () => {
    assert.match(judge(changed(1, { brokerResumed: false })).join(), /resumed session for the device but a full/);
    assert.match(judge(changed(0, { brokerResumed: true })).join(), /full handshake for the device but a resumed/);
    assert.match(judge(changed(2, { brokerResumed: undefined })).join(), /could not be confirmed/);
  });

  it("wants the network to have counted the same bytes and seen the same version", () => {
    const tapped = { protocol: "TLSv1.3", bytesOut: 800, bytesIn: 400 };
    for (const wrong of [{ bytesOut: 801 }, { bytesIn: 399 }])
      assert.match(
        judge(changed(1, { tapped: { ...tapped, ...wrong } })).join(),
        /800 bytes out and 400 in for the device/,
      );
    assert.match(judge(changed(1, { tapped: { ...tapped, protocol: "TLSv1.2" } })).join(), /TLSv1\.2 on the network/);
  });

  it("asks nothing of a network that could not be watched", () => {
    assert.deepEqual(judge(changed(1, { tapped: undefined, brokerResumed: undefined })), []);
  });

  it("wants a TLS version that was allowed", () => {
    const only = (version: "TLSv1.2" | "TLSv1.3"): StoryResult =>
      story(undefined, { tls: { minimum: version, maximum: version } });
    assert.deepEqual(judge(only("TLSv1.3")), []);
    assert.match(judge(only("TLSv1.2")).join(), /used TLSv1\.3, which was not allowed/);
  });

  it("wants every connect of the story", () => {
    assert.match(judge(story((connects) => connects.splice(2, 1))).join(), /did not connect after: deep sleep\./);
    assert.match(judge(story((connects) => connects.splice(0))).join(), /power on, network cut, deep sleep, power cut/);
  });

  describe("with a rotation", () => {
    const rotation = { version: 2, outcome: "committed", oldCertificate: "4a", newCertificate: "4b" };
    const rotated = (change?: (connects: Connect[]) => void, others: Partial<StoryResult> = {}): string =>
      judge(story(change, { rotates: true, rotation, ...others })).join();

    it("is content with a full connect by the new certificate, and a resumed one after it", () => {
      assert.equal(rotated(), "");
    });

    it("wants both connects, and the first one to be full: a resumed session proves nothing", () => {
      assert.match(
        rotated((connects) => connects.splice(4)),
        /did not connect after: rotation, sleep, renewed\./,
      );
      assert.match(
        rotated((connects) => (connects[4] = { ...connects[4]!, resumed: true, brokerResumed: true })),
        /The connect after "rotation" resumed a session/,
      );
      assert.match(
        rotated((connects) => (connects[5] = { ...connects[5]!, resumed: false, brokerResumed: false })),
        /"sleep, renewed" was a full handshake/,
      );
    });

    it("wants the new certificate to be in force, and to be another one", () => {
      assert.match(rotated(undefined, { rotation: undefined }), /is not in force/);
      assert.match(rotated(undefined, { rotation: { ...rotation, outcome: "rolled back" } }), /is not in force/);
      assert.match(rotated(undefined, { rotation: { ...rotation, newCertificate: "4a" } }), /is the old one/);
    });
  });

  it("wants readings, and every one that was acknowledged", () => {
    assert.match(judge(story(undefined, { readings: { sent: 0, received: 0 } })).join(), /published no readings/);
    assert.match(judge(story(undefined, { readings: { sent: 4, received: 3 } })).join(), /4 readings, but only 3/);
  });

  it("wants every sealed payload to be what the device sealed", () => {
    const payloads = { sealed: true, refused: ["SEALED_TAMPERED: It was changed.", "another"] };
    assert.match(
      judge(story(undefined, { payloads })).join(),
      /refused payloads \(2\), first: SEALED_TAMPERED: It was/,
    );
  });
});

describe("The figures of a story", () => {
  it("are one object, with what the broker said as true, false or null", () => {
    const json = toJSON(changed(3, { brokerResumed: undefined }), undefined) as {
      connects: Record<string, unknown>[];
      ok: boolean;
    };
    assert.deepEqual(Object.keys(json), [
      "broker",
      "engine",
      "tls",
      "firmware",
      "connects",
      "rotation",
      "readings",
      "payloads",
      "ok",
    ]);
    assert.deepEqual(json.connects[0], {
      protocol: "TLSv1.3",
      resumed: false,
      bytesOut: 1900,
      bytesIn: 1700,
      milliseconds: 30.4,
      brokerResumed: false,
      reason: "power-on",
    });
    assert.deepEqual(
      json.connects.map(({ brokerResumed }) => brokerResumed),
      [false, true, true, null],
    );
    assert.equal(json.ok, true);
  });

  it("hold the failure when there was one", () => {
    const error = { code: "TIMEOUT", message: "It took too long." };
    const json = toJSON(story(), error) as { ok: boolean; error: unknown };
    assert.deepEqual([json.ok, json.error], [false, error]);
  });

  it("tell the share of bytes that resumption saved", () => {
    assert.equal(saving(story().connects), 1 - 1200 / 3600);
    assert.equal(saving(story().connects.slice(0, 1)), undefined);
    assert.equal(saving(story().connects.slice(1)), undefined);
  });

  it("are a table with aligned columns", () => {
    const lines: string[] = [];
    showTable(new Output({ write: (text) => lines.push(text) }), story().connects);
    assert.deepEqual(lines, [
      "connect after  protocol  handshake  bytes out  bytes in  ms  broker's side\n",
      "-------------  --------  ---------  ---------  --------  --  -------------\n",
      "power on       TLSv1.3   full           1,900     1,700  30  full\n",
      "network cut    TLSv1.3   resumed          800       400  30  resumed\n",
      "deep sleep     TLSv1.3   resumed          800       400  30  resumed\n",
      "power cut      TLSv1.3   resumed          800       400  30  resumed\n",
    ]);
  });
});
