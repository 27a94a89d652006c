/**
 * A device may be ended at any moment of anything: whatever was under way is settled, nothing is called back later, and nothing is left open. What happens, and
 * when, is drawn; the seed is in the title of what fails.
 */
import assert from "node:assert/strict";
import { createPlatform, type NodePlatform } from "../../hosts/node/index.js";
import { Device } from "../../src/index.js";
import { Monitor } from "../../src/monitor/index.js";
import { Permissions } from "../../src/permissions/index.js";
import type { Platform, TimerHandle } from "../../src/platform.js";
import { Sealing } from "../../src/sealing/index.js";
import { Vault } from "../../src/vault/index.js";
import { type Broker, EmbeddedBroker } from "../../tools/brokers/index.js";
import { type Credentials as Issued, DevelopmentPKI } from "../../tools/pki/index.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { Random } from "../storm/random.js";
import { FaultProxy } from "./support/fault-proxy.js";

const RUNS = 60;

/** Milliseconds in which everything that was under way must be settled once the device has ended. */
const SOON = 500;

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

describe("A device that is ended at a random moment", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  let pki: DevelopmentPKI;
  let issued: Issued;
  let broker: Broker;
  let proxy: FaultProxy;

  before(async () => {
    pki = await DevelopmentPKI.open({ folder: folder.join("pki"), names: ["localhost"] });
    issued = await pki.device("device");
    broker = new EmbeddedBroker({
      server: pki.server,
      root: pki.root,
      versions: { minimum: "TLSv1.2", maximum: "TLSv1.3" },
    });
    await broker.start();
    proxy = new FaultProxy(() => broker.port);
    await proxy.start();
  });

  after(async () => {
    await proxy.stop();
    await broker.stop();
  });

  /** The host, and the timers that are set on it. */
  function hostOf(name: string): { real: NodePlatform; platform: Platform; timers: Set<TimerHandle> } {
    const real = createPlatform({
      folder: folder.join(name),
      wakeCause: "power",
      hosts: { localhost: "127.0.0.1" },
      log: () => undefined,
      powerDown: () => undefined,
    });
    const timers = new Set<TimerHandle>();
    const platform: Platform = {
      ...real,
      timer: {
        set: (callback, milliseconds) => {
          const timer: TimerHandle = real.timer.set(() => {
            timers.delete(timer);
            callback();
          }, milliseconds);
          timers.add(timer);
          return timer;
        },
        clear: (timer) => {
          timers.delete(timer);
          real.timer.clear(timer);
        },
      },
    };
    return { real, platform, timers };
  }

  function provisioned(platform: Platform, clientIdentifier: string): Vault {
    const vault = Vault.open({
      ...platform,
      storage: platform.storage!,
      clock: { now: () => Date.now() },
      renewal: { fraction: 1e-9, jitter: 0 },
    });
    vault.provision({
      broker: { host: "localhost", port: proxy.port },
      clientIdentifier,
      trustAnchors: [pki.root],
      certificateChain: issued.certificateChain,
      privateKey: issued.privateKey.slice(),
      payloadSecrets: new Map([[1, crypto.getRandomValues(new Uint8Array(16))]]),
    });
    return vault;
  }

  async function live(seed: number): Promise<void> {
    const random = new Random(seed);
    const { real, platform, timers } = hostOf(`device-${seed}`);
    const vault = provisioned(platform, `device-${seed}`);
    const monitor = new Monitor({ health: { interval: 40, eventInterval: 1000 } });
    const promises: Promise<unknown>[] = [];
    const told: string[] = [];
    let ending: Promise<unknown> | undefined;
    let inCallback = random.below(4) === 0;
    const end = (): Promise<unknown> => {
      ending ??= [
        () => device.stop(),
        () => device.sleep(1000),
        () => Promise.all([device.sleep(0), device.stop()]),
        () => Promise.all([device.stop(), device.wipe()]),
        () => device.wipe(),
      ][random.below(5)]!();
      return ending;
    };
    const tell = (what: string) => (): undefined => {
      told.push(what);
      // A program that has had enough may say so anywhere.
      if (inCallback && random.below(3) === 0) {
        inCallback = false;
        void end().catch(() => undefined);
      }
    };
    const device = new Device({
      platform,
      vault,
      monitor,
      sealing: new Sealing(),
      permissions: (json) => Permissions.parse(json),
      permissionsTopic: "%c/permissions",
      reconnectSpread: [20],
      stablePeriod: 1,
      connectTimeout: 300,
      onConnected: tell("connected"),
      onDisconnected: tell("disconnected"),
      onMessage: tell("message"),
      onSecurity: tell("security"),
      onError: tell("error"),
      onRenewalDue: tell("renewal"),
    });
    const keep = (promise: Promise<unknown>): void => {
      promise.catch(() => undefined);
      promises.push(promise);
    };
    const acts: readonly (() => void)[] = [
      () => keep(device.start(random.below(2) === 0 ? {} : { timeout: random.below(60) })),
      () => keep(device.publish("%c/t", new Uint8Array(random.below(3000)), { qos: random.below(3) as 0 | 1 | 2 })),
      () => keep(device.publish("%c/s", "x", { qos: 1, seal: true })),
      () => keep(device.subscribe("%c/#", tell("message"), { qos: 2 })),
      () => keep(device.subscribe("%c/s", tell("message"), { qos: 1, sealed: true })),
      () => keep(device.unsubscribe("%c/#")),
      () => keep(device.rotate({ username: "device" }, { timeout: 100 })),
      () => keep(monitor.publish()),
      () => (device.permissions = new Permissions([{ topic: "#", operation: "both" }])),
      () => proxy.reset(),
      () => (proxy.frozen = !proxy.frozen),
      () => real.network.set(false),
      () => real.network.set(true),
      () => assert.notEqual(device.status.state, "stopped"),
    ];
    keep(device.start());
    const length = random.below(30);
    for (let i = 0; i < length && ending === undefined; i++) {
      try {
        acts[random.below(acts.length)]!();
      } catch {
        // Some are refused, such as permissions while credentials are being replaced.
      }
      if (random.below(2) === 0) await pause(random.below(12));
    }
    await end();
    await device.stop();
    const atEnd = told.length;
    const late = pause(SOON).then(() => "late");
    assert.notEqual(await Promise.race([Promise.allSettled(promises), late]), "late", `${seed}: a promise is pending`);
    proxy.thaw();
    proxy.frozen = false;
    await pause(60);
    assert.deepEqual(told.slice(atEnd), [], `${seed}: called back after the end`);
    assert.equal(timers.size, 0, `${seed}: timers are left`);
    assert.notEqual(real.newestConnection?.open, true, `${seed}: a connection is left`);
    assert.equal(device.connected, false);
    assert.equal(device.status.state, "stopped");
    for (const after of [device.start(), device.publish("t", ""), device.subscribe("t", () => undefined)])
      await assert.rejects(after, { code: "CLOSED" }, String(seed));
    vault.close();
  }

  for (const callback of ["onConnected", "onRenewalDue", "onDisconnected", "onError", "onSecurity"] as const)
    it(`leaves nothing behind when it is stopped in ${callback}`, async () => {
      const { real, platform, timers } = hostOf(callback);
      const vault = provisioned(platform, callback);
      let stopped: Promise<void> | undefined;
      let after = 0;
      const stop = (): undefined => {
        if (stopped) after++;
        stopped ??= device.stop();
      };
      const device = new Device({
        platform,
        vault,
        monitor: new Monitor({ health: { interval: 1000 } }),
        permissions: (json) => Permissions.parse(json),
        issueCertificate: () => Promise.reject(new Error("the authority is closed")),
        [callback]: stop,
      });
      void device.start().catch(() => undefined);
      const denied = (): void => {
        device.permissions = new Permissions([]);
        void device.publish("t", "").catch(() => undefined);
      };
      for (let i = 0; i < 500 && stopped === undefined; i++) {
        await pause(4);
        if (callback === "onSecurity" && i === 0) denied();
        if (callback === "onDisconnected") proxy.reset();
      }
      assert.ok(stopped, "it was called");
      await stopped;
      await pause(60);
      assert.deepEqual([after, timers.size, real.newestConnection?.open ?? false], [0, 0, false]);
      vault.close();
    });

  it(`leaves nothing behind, ${RUNS} times`, async () => {
    for (let seed = 1; seed <= RUNS; seed++) await live(seed);
  });
});
