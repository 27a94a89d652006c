/** A device's life in every order: what an application may call when, and what it is told. */
import assert from "node:assert/strict";
import { createPlatform, type NodePlatform } from "../../hosts/node/index.js";
import { Device, type DeviceOptions, type SealwireError } from "../../src/index.js";
import type { KeyValueStorage, Platform, WakeCause } from "../../src/platform.js";
import { encodeProvisioningRecord } from "../../src/vault/index.js";
import { type Broker, EmbeddedBroker } from "../../tools/brokers/index.js";
import { type Credentials as Issued, DevelopmentPKI } from "../../tools/pki/index.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { eventually } from "./support/eventually.js";

describe("A device's life", function () {
  this.timeout(20_000);
  const folder = temporaryFolder();
  let pki: DevelopmentPKI;
  let broker: Broker;
  let issued: Issued;
  let count = 0;
  let home: string;
  let devices: Device[];
  let errors: SealwireError[];
  let slept: number;

  before(async () => {
    pki = await DevelopmentPKI.open({ folder: folder.join("pki"), names: ["localhost"] });
    issued = await pki.device("device");
    broker = new EmbeddedBroker({
      server: pki.server,
      root: pki.root,
      versions: { minimum: "TLSv1.2", maximum: "TLSv1.3" },
    });
    await broker.start();
  });

  after(() => broker.stop());

  beforeEach(() => {
    home = folder.join(`device-${count++}`);
    devices = [];
    errors = [];
    slept = 0;
  });

  afterEach(() => Promise.all(devices.map((device) => device.stop())));

  function platformOf(wakeCause: WakeCause = "power"): NodePlatform {
    return createPlatform({
      folder: home,
      wakeCause,
      hosts: { localhost: "127.0.0.1" },
      log: () => undefined,
      powerDown: () => slept++,
    });
  }

  function boot(options: Partial<DeviceOptions> = {}): Device {
    const platform = options.platform ?? platformOf();
    const device = new Device({
      credentials: {
        broker: { host: "localhost", port: broker.port },
        trustAnchors: [pki.root],
        certificateChain: issued.certificateChain,
        privateKey: platform.crypto.importKey("private", issued.privateKey),
      },
      clientIdentifier: "device",
      reconnectSpread: [100],
      onError: (error) => errors.push(error),
      ...options,
      platform,
    });
    devices.push(device);
    return device;
  }

  const closed = { code: "CLOSED" };

  it("refuses everything after its end, and may be stopped again", async () => {
    for (const end of [(device: Device) => device.stop(), (device: Device) => device.sleep(0)]) {
      const device = boot();
      await end(device);
      await assert.rejects(device.start(), closed);
      await assert.rejects(device.publish("t", "p"), closed);
      await assert.rejects(
        device.subscribe("t", () => undefined),
        closed,
      );
      await assert.rejects(device.sleep(0), closed);
      await device.stop();
    }
    assert.equal(slept, 1);
  });

  it("settles every promise when it stops or sleeps, connected or not", async () => {
    for (const connected of [true, false])
      for (const end of ["stop", "sleep"] as const) {
        const device = boot({ broker: { host: "localhost", port: connected ? broker.port : 1 } });
        if (connected) await device.start();
        const promises = [
          connected ? Promise.reject(new Error("CLOSED")) : device.start(),
          ...(connected ? [] : [device.start({ timeout: 60_000 })]),
          device.publish("t", new Uint8Array(10), { qos: 2 }),
          device.subscribe("t", () => undefined),
        ];
        const settled = Promise.allSettled(promises);
        await (end === "stop" ? device.stop() : device.sleep(0));
        for (const { status } of await settled) assert.equal(status, "rejected", `${end}, connected: ${connected}`);
      }
  });

  it("may be ended at any moment of connecting", async () => {
    for (let turns = 0; turns < 24; turns++) {
      const device = boot();
      const started = device.start().catch((error: unknown) => error);
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setTimeout(resolve, i % 4));
      const ending = turns % 2 ? device.sleep(0) : device.stop();
      await Promise.all([ending, device.stop(), started]);
      assert.equal(device.connected, false);
    }
    assert.deepEqual(errors, []);
  });

  it("sleeps once when it is stopped meanwhile, and the stop waits for the goodbye", async () => {
    const device = boot();
    await device.start();
    const sleeping = device.sleep(0);
    const stopped = device.stop();
    await Promise.all([sleeping, stopped]);
    assert.equal(slept, 1);
  });

  it("may be stopped inside each of its callbacks", async () => {
    for (const where of ["onConnected", "onDisconnected", "handler"]) {
      const ended: Promise<void>[] = [];
      const stop = (name: string) => (): void => {
        if (name === where) ended.push(device.stop());
      };
      const device: Device = boot({
        ...(where === "onDisconnected" && { broker: { host: "localhost", port: 1 } }),
        onConnected: stop("onConnected"),
        onDisconnected: stop("onDisconnected"),
      });
      const subscribed = device.subscribe("%c/x", stop("handler"));
      void subscribed.then(() => device.publish("%c/x", "")).catch(() => undefined);
      await device.start().catch(() => undefined);
      await eventually(() => ended.length > 0, where);
      await Promise.all(ended);
    }
    assert.deepEqual(errors, []);
  });

  it("reports what the application's callbacks throw, and goes on even when the report itself throws", async () => {
    let connects = 0;
    let losses = 0;
    const platform = platformOf();
    const device = boot({
      platform,
      onConnected: () => {
        connects++;
        throw new Error("onConnected");
      },
      onDisconnected: () => {
        losses++;
        throw new Error("onDisconnected");
      },
      onError: (error) => {
        errors.push(error);
        throw new Error("onError");
      },
    });
    await device.start();
    platform.network.set(false);
    platform.network.set(true);
    await eventually(() => connects === 2, "the next connection");
    assert.equal(losses, 1);
    for (const { code } of errors) assert.equal(code, "CALLBACK_FAILED");
    assert.deepEqual(
      errors.map(({ cause }) => (cause as Error).message),
      ["onConnected", "onDisconnected", "onConnected"],
    );
  });

  it("does not send again after a reset what it sent after the wake", async () => {
    const received: string[] = [];
    const watcher = boot({ clientIdentifier: "watcher", platform: otherPlatform() });
    await watcher.start();
    await watcher.subscribe("%c/x", ({ payload }) => void received.push(Buffer.from(payload).toString()), { qos: 1 });
    const sleeper = boot();
    const kept = sleeper.publish("watcher/x", "once", { qos: 1 });
    await Promise.all([sleeper.sleep(0), assert.rejects(kept, closed)]);
    const woken = boot({ platform: platformOf("sleep") });
    await woken.start();
    await eventually(() => received.length === 1, "the message");
    await woken.publish("watcher/x", "after", { qos: 1 });
    // A watchdog's reset: no goodbye, nothing kept, retained memory as it was.
    await woken.stop();
    const reset = boot({ platform: platformOf("watchdog") });
    await reset.start();
    await reset.publish("watcher/x", "end", { qos: 1 });
    await eventually(() => received.includes("end"), "the end");
    assert.deepEqual(received, ["once", "after", "end"]);
  });

  it("connects without keeping anything when its storage fails", async () => {
    const fail = (): never => {
      throw new Error("worn out");
    };
    const storage = { read: fail, write: fail, delete: fail } as unknown as KeyValueStorage;
    const platform: Platform = { ...platformOf(), rootOfTrust: undefined, storage };
    const device = boot({ platform });
    assert.equal(errors[0]?.code, "STORAGE_FAILED");
    await device.start();
    await device.sleep(0);
    assert.equal(slept, 1);
  });

  it("leaves a private key that it was given to its owner, and closes one that it read itself", async () => {
    const platform = platformOf();
    const privateKey = platform.crypto.importKey("private", issued.privateKey);
    const credentials = {
      broker: { host: "localhost", port: broker.port },
      trustAnchors: [pki.root],
      certificateChain: issued.certificateChain,
      privateKey,
    };
    for (let i = 0; i < 2; i++) {
      const device = boot({ platform, credentials });
      await device.start();
      await device.stop();
    }
    const imported: { close(): void }[] = [];
    let closes = 0;
    const record = encodeProvisioningRecord({ ...credentials, privateKey: issued.privateKey });
    const provisioned: Platform = {
      ...platform,
      provisioning: { read: () => record.slice(), erase: () => undefined },
      crypto: {
        ...platform.crypto,
        importKey: (type, bytes) => {
          const key = platform.crypto.importKey(type, bytes);
          if (type === "private") imported.push(key);
          return key;
        },
      },
    };
    const device = boot({ platform: provisioned, credentials: undefined });
    const close = imported.at(-1)!.close.bind(imported.at(-1));
    imported.at(-1)!.close = () => {
      closes++;
      close();
    };
    await device.start();
    await device.stop();
    assert.equal(closes, 1);
  });

  it("takes a client identifier literally in topics, and refuses one that would widen a filter", async () => {
    const received: string[] = [];
    const device = boot({ clientIdentifier: "a$&b" });
    await device.start();
    await device.subscribe("%c/x", ({ topic }) => void received.push(topic));
    await device.publish("%c/x", "");
    await eventually(() => received.length > 0, "the message");
    assert.deepEqual(received, ["a$&b/x"]);
    const wide = boot({ clientIdentifier: "+" });
    await assert.rejects(
      wide.subscribe("%c/x", () => undefined),
      { code: "INVALID_ARGUMENT" },
    );
  });

  it("refuses to sleep for what is not a time, and stays awake", async () => {
    const device = boot();
    await device.start();
    for (const time of [-1, Number.NaN, Number.POSITIVE_INFINITY])
      await assert.rejects(device.sleep(time), { code: "INVALID_ARGUMENT" });
    assert.equal(device.connected, true);
  });

  function otherPlatform(): NodePlatform {
    const platform = home;
    home = folder.join(`device-${count++}`);
    try {
      return platformOf();
    } finally {
      home = platform;
    }
  }
});
