/** What a device does when it finds that what it stored of sealed messages is damaged. */
import assert from "node:assert/strict";
import { createPlatform, type NodePlatform } from "../../hosts/node/index.js";
import { toUTF8 } from "../../src/bytes.js";
import { Device } from "../../src/index.js";
import { Sealing } from "../../src/sealing/index.js";
import type { Key } from "../../src/platform.js";
import { STORAGE_KEY } from "../../src/storage/index.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";

describe("A device whose mark of received messages is damaged", () => {
  const folder = temporaryFolder();
  const topic = "device/commands";
  let platform: NodePlatform;
  let count = 0;

  const secretsOf = (epoch: number): ReadonlyMap<number, Key> =>
    new Map([[epoch, platform.crypto.importKey("secret", new Uint8Array(32).fill(epoch))]]);

  beforeEach(() => {
    platform = createPlatform({
      folder: folder.join(`device-${count++}`),
      wakeCause: "power",
      log: () => undefined,
      powerDown: () => undefined,
    });
  });

  /** A start of the device, which does not connect. */
  async function life(epoch: number, use: (sealing: Sealing, errors: string[]) => void): Promise<void> {
    const sealing = new Sealing();
    const errors: string[] = [];
    const device = new Device({
      platform,
      clientIdentifier: "device",
      unencrypted: true,
      sealing,
      onError: ({ code }) => errors.push(code),
      credentials: {
        broker: { host: "localhost", port: 1 },
        trustAnchors: [],
        payloadSecrets: secretsOf(epoch),
      },
    });
    use(sealing, errors);
    await device.stop();
  }

  function command(epoch: number): Uint8Array {
    const backEnd = new Sealing();
    backEnd.open({ crypto: platform.crypto, secrets: secretsOf(epoch), clientIdentifier: "backend" });
    return backEnd.seal(topic, toUTF8("x"));
  }

  it("opens nothing of that epoch any more, and everything of the next, however often it starts", async () => {
    platform.storage!.write(STORAGE_KEY.mqttInbound, toUTF8("rubbish"));
    await life(1, (sealing, errors) => {
      assert.deepEqual(errors, ["STORAGE_CORRUPT"]);
      assert.equal(sealing.unseal(topic, command(1), { qos: 1 }).outcome, "refused");
    });
    await life(1, (sealing, errors) => {
      assert.deepEqual(errors, []);
      assert.equal(sealing.unseal(topic, command(1), { qos: 1 }).outcome, "refused");
    });
    for (const start of ["rotated", "started again", "and again"])
      await life(2, (sealing, errors) => {
        assert.deepEqual(errors, [], start);
        assert.equal(sealing.unseal(topic, command(2), { qos: 1 }).outcome, "delivered", start);
      });
  });
});
