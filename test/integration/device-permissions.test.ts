/** New permissions by a sealed message: a back end seals them, the device applies and keeps them, and refuses whatever else comes that way. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createPlatform, type NodePlatform } from "../../hosts/node/index.js";
import { toUTF8 } from "../../src/bytes.js";
import { Device, type DeviceOptions, type SealwireError, type SecurityEvent } from "../../src/index.js";
import { type PermissionEntry, Permissions } from "../../src/permissions/index.js";
import type { WakeCause } from "../../src/platform.js";
import { Sealing } from "../../src/sealing/index.js";
import { Vault } from "../../src/vault/index.js";
import { MosquittoBroker } from "../../tools/brokers/index.js";
import { type Credentials as Issued, DevelopmentPKI } from "../../tools/pki/index.js";
import { requireMosquitto } from "../tools/support/mosquitto.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";
import { eventually } from "./support/eventually.js";
import { type Faults, faultyPlatform } from "./support/faulty-platform.js";

const topic = "device/permissions";
/** Different for each number. */
const secretOf = (number: number): Uint8Array =>
  new Uint8Array(createHash("sha256").update(`secret ${number}`).digest().subarray(0, 16));

const everything: PermissionEntry = { topic: "#", operation: "both" };

describe("A device's permissions by a sealed message", function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  let pki: DevelopmentPKI;
  let issued: Issued;
  let broker: MosquittoBroker;
  let backEnd: Device;
  let backEndIssued: Issued;
  let sealing: Sealing;
  let device: Device;
  let vault: Vault;
  let faults: Faults;
  let security: SecurityEvent[];
  let errors: SealwireError[];
  let heard: { topic: string; sealed: boolean }[];
  let count = 0;

  before(async function () {
    requireMosquitto(this);
    pki = await DevelopmentPKI.open({ folder: folder.join("pki"), names: ["localhost"] });
    issued = await pki.device("device");
    backEndIssued = await pki.device("back-end");
  });

  beforeEach(async () => {
    count++;
    security = [];
    errors = [];
    heard = [];
    faults = { resolvable: true, storageFails: false, wall: undefined };
    broker = new MosquittoBroker({
      server: pki.server,
      root: pki.root,
      versions: { minimum: "TLSv1.2", maximum: "TLSv1.3" },
    });
    await broker.start();
    const platform = platformOf("back-end", "power");
    backEnd = new Device({
      platform,
      clientIdentifier: "back-end",
      credentials: {
        broker: { host: "localhost", port: broker.port },
        trustAnchors: [pki.root],
        certificateChain: backEndIssued.certificateChain,
        privateKey: platform.crypto.importKey("private", backEndIssued.privateKey),
      },
    });
    sealing = sealer("back-end", 7);
    await backEnd.start();
  });

  afterEach(async () => {
    await (device as Device | undefined)?.stop();
    (vault as Vault | undefined)?.close();
    await backEnd.stop();
    await broker.stop();
  });

  function platformOf(name: string, wakeCause: WakeCause): NodePlatform {
    return createPlatform({
      folder: folder.join(`${name}-${count}`),
      wakeCause,
      hosts: { localhost: "127.0.0.1" },
      log: () => undefined,
      powerDown: () => undefined,
    });
  }

  /** Seals as a holder of the secret does that these bytes make. */
  function sealer(sender: string, secret: number): Sealing {
    const { crypto } = platformOf("sealer", "power");
    const made = new Sealing({ sender });
    const secrets = new Map([[1, crypto.importKey("secret", secretOf(secret))]]);
    made.open({ crypto, secrets, clientIdentifier: sender });
    return made;
  }

  function boot(wakeCause: WakeCause, options: Partial<DeviceOptions> = {}): Device {
    const platform = faultyPlatform(platformOf("device", wakeCause), faults, () => broker.port);
    vault = Vault.open({ ...platform, storage: platform.storage!, clock: { now: () => Date.now() } });
    if (wakeCause === "power" && vault.status.integrity === "empty")
      vault.provision({
        broker: { host: "localhost", port: 1 },
        clientIdentifier: "device",
        trustAnchors: [pki.root],
        certificateChain: issued.certificateChain,
        privateKey: issued.privateKey.slice(),
        payloadSecrets: new Map([[1, secretOf(7)]]),
        permissions: new Permissions([{ topic: "%c/up", operation: "publish" }]).toBytes(),
      });
    device = new Device({
      platform,
      vault,
      sealing: new Sealing(),
      reconnectSpread: [100],
      permissions: (json) => Permissions.parse(json),
      permissionsTopic: "%c/permissions",
      onSecurity: (event) => security.push(event),
      onError: (error) => errors.push(error),
      onMessage: (message) => void heard.push(message),
      ...options,
    });
    return device;
  }

  /** What a program that ends, and a chip that starts again, leave behind: the folder. */
  async function restart(wakeCause: WakeCause): Promise<void> {
    if (wakeCause === "sleep") await device.sleep(0);
    else await device.stop();
    vault.close();
    await boot(wakeCause).start();
  }

  const file = (version: number | undefined, ...permissions: PermissionEntry[]): string =>
    JSON.stringify(version === undefined ? permissions : { version, permissions });

  /** @param as the topic that it was sealed for */
  async function send(text: string, { by = sealing, as = topic } = {}): Promise<Uint8Array> {
    const bytes = by.seal(as, toUTF8(text)).slice();
    await backEnd.publish(topic, bytes, { qos: 1 });
    return bytes;
  }

  const inForce = (version: number): Promise<void> =>
    eventually(() => device.permissions?.version === version, `permissions of version ${version}`);

  async function allows(to: string): Promise<boolean> {
    return device.publish(to, "x", { qos: 1 }).then(
      () => true,
      (error: unknown) => {
        assert.equal((error as SealwireError).code, "PERMISSION_DENIED");
        return false;
      },
    );
  }

  /** Everything that was sent before was received, too. */
  async function settled(): Promise<void> {
    const version = (device.permissions?.version ?? 0) + 1;
    await send(file(version, { topic: "%c/down", operation: "publish" }));
    await inForce(version);
  }

  it("is applied at once, kept in the vault, and survives a sleep, a power cut, and further messages", async () => {
    await boot("power").start();
    assert.deepEqual([await allows("device/up"), await allows("device/down")], [true, false]);
    await send(file(1, { topic: "%c/down", operation: "publish" }));
    await inForce(1);
    for (const cause of ["sleep", "power"] as const) {
      assert.deepEqual([await allows("device/up"), await allows("device/down")], [false, true]);
      assert.equal(device.permissions?.version, 1);
      // The vault has given its keys new handles: sealing must go on.
      await device.publish("%c/down", "sealed", { qos: 1, seal: true });
      await restart(cause);
    }
    await send(file(2, { topic: "%c/up", operation: "publish" }));
    await inForce(2);
    assert.deepEqual([await allows("device/up"), await allows("device/down")], [true, false]);
    assert.deepEqual(errors, []);
    assert.deepEqual([...new Set(security.map(({ kind }) => kind))], ["permission-refused"]);
  });

  it("arrives at a device that slept meanwhile", async () => {
    await boot("power").start();
    await device.sleep(0);
    vault.close();
    await send(file(5, { topic: "%c/down", operation: "publish" }));
    await boot("sleep").start();
    await inForce(5);
  });

  it("is off by default: the same message is a message like any other", async () => {
    boot("power", { permissionsTopic: undefined, permissions: (json) => Permissions.parse(json) });
    device.permissions = new Permissions([everything]);
    const subscribed = device.subscribe("%c/#", (message) => void heard.push(message), { qos: 1, sealed: true });
    await device.start();
    await subscribed;
    await send(file(1, { topic: "%c/down", operation: "publish" }));
    await eventually(() => heard.length === 1, "the message");
    assert.equal(device.permissions.version, undefined);
    assert.equal(await allows("device/up"), true);
  });

  it("is refused when it is not sealed, sealed by others, for others, or elsewhere; and what is in force stays", async () => {
    await boot("power").start();
    await send(file(3, { topic: "%c/up", operation: "publish" }));
    await inForce(3);
    const text = file(9, everything);
    const strangers: (() => Promise<unknown>)[] = [
      () => backEnd.publish(topic, text, { qos: 1 }),
      () => send(text, { by: sealer("back-end", 8) }),
      () => send(text, { as: "device/commands" }),
      // The device itself holds the secret: what it sealed could be sent back to it.
      () => send(text, { by: sealer("device", 7) }),
      async () => {
        const bytes = sealing.seal(topic, toUTF8(text)).slice();
        bytes[bytes.byteLength - 1]! ^= 1;
        await backEnd.publish(topic, bytes, { qos: 1 });
      },
    ];
    for (const [number, stranger] of strangers.entries()) {
      await stranger();
      await eventually(() => security.length === number + 1, `the refusal of ${number}`);
      assert.equal(security[number]?.kind, "payload-rejected");
    }
    assert.equal(device.permissions?.version, 3);
    assert.equal(await allows("anything"), false);
  });

  it("is refused when it is older, also after all that was received before was forgotten; one that comes twice changes nothing", async () => {
    await boot("power").start();
    const old = await send(file(3, everything));
    await inForce(3);
    await send(file(4, { topic: "%c/up", operation: "publish" }));
    await inForce(4);
    // Somebody on the way, or the broker, sends again what was good once.
    await backEnd.publish(topic, old, { qos: 1 });
    await eventually(() => security.length === 1, "the replay");
    assert.equal(security[0]?.code, "SEALED_REPLAYED");
    // The back end itself, in the wrong order.
    await send(file(2, everything));
    await eventually(() => security.length === 2, "the older version");
    assert.deepEqual([security[1]?.kind, security[1]?.code], ["payload-rejected", "PERMISSIONS_ROLLED_BACK"]);
    await send(file(4, everything));
    await restart("power");
    await send(file(3, everything));
    await eventually(() => security.length === 3, "the older version after the restart");
    assert.equal(device.permissions?.version, 4);
    assert.equal(await allows("anything"), false);
    assert.deepEqual(errors, []);
  });

  it("is refused with the reason when it is no permissions file, or has no version", async () => {
    await boot("power").start();
    const before = await allows("device/up");
    for (const text of ["", "{}", "[", file(undefined, everything), '{"version":0,"permissions":[]}', "\u0000"]) {
      const seen = errors.length;
      await send(text);
      await eventually(() => errors.length > seen, JSON.stringify(text));
      assert.equal(errors.at(-1)?.code, "PERMISSIONS_INVALID", text);
    }
    await send(JSON.stringify({ version: 1, permissions: [{ topic: "a/#/b", operation: "both" }] }));
    await eventually(() => errors.length === 7, "the entry");
    assert.match(errors[6]!.message, /^Permission 1 /);
    assert.deepEqual([before, await allows("device/up")], [true, true]);
  });

  it("cannot lock the device out: its own topic stays open whatever the permissions say", async () => {
    await boot("power").start();
    await send(file(1));
    await inForce(1);
    assert.equal(await allows("device/up"), false);
    await assert.rejects(device.unsubscribe("%c/permissions"), { code: "INVALID_ARGUMENT" });
    device.permissions = new Permissions([everything]);
    await assert.rejects(
      device.subscribe("%c/permissions", () => undefined),
      { code: "INVALID_ARGUMENT" },
    );
    await send(file(2));
    await inForce(2);
    await restart("power");
    assert.equal(await allows("device/up"), false);
    await send(file(3, { topic: "%c/up", operation: "publish" }));
    await inForce(3);
    assert.equal(await allows("device/up"), true);
  });

  it("is given to nobody else, not even to one who subscribed to everything", async () => {
    await boot("power").start();
    device.permissions = new Permissions([everything]);
    await device.subscribe("#", (message) => void heard.push(message), { qos: 1 });
    await send(file(1, everything));
    await inForce(1);
    await backEnd.publish("device/other", "x", { qos: 1 });
    await eventually(() => heard.length > 0, "another message");
    assert.deepEqual(
      heard.map((message) => message.topic),
      ["device/other"],
    );
  });

  it("is not brought back by what the program sets: the version stays", async () => {
    await boot("power").start();
    await send(file(7, { topic: "%c/up", operation: "publish" }));
    await inForce(7);
    device.permissions = new Permissions([{ topic: "%c/own", operation: "publish" }]);
    await restart("power");
    assert.equal(device.permissions.version, 7);
    assert.deepEqual([await allows("device/own"), await allows("device/up")], [true, false]);
    await send(file(6, everything));
    await eventually(() => security.some(({ code }) => code === "PERMISSIONS_ROLLED_BACK"), "the older version");
    assert.equal(await allows("anything"), false);
  });

  it("leaves the old ones in force when flash is full, says so, and can be sent again", async () => {
    await boot("power").start();
    faults.storageFails = true;
    await send(file(1, everything));
    await eventually(() => errors.some(({ code }) => code === "STORAGE_FAILED"), "the failure");
    assert.equal(device.permissions?.version, undefined);
    assert.equal(await allows("anything"), false);
    faults.storageFails = false;
    await settled();
    // Nothing that the failed attempt left is in the way of the next connection.
    await restart("power");
    assert.equal(await allows("device/down"), true);
  });

  it("waits while credentials are being replaced", async () => {
    await boot("power").start();
    const rotating = device.rotate({ username: "device", password: secretOf(1) });
    await send(file(1, { topic: "%c/down", operation: "publish" }));
    await rotating;
    await inForce(1);
    await restart("power");
    assert.equal(device.permissions?.version, 1);
    assert.equal(await allows("device/down"), true);
  });

  it("needs all that makes it safe", () => {
    boot("power");
    for (const missing of ["sealing", "vault"] as const)
      assert.throws(() => boot("power", { [missing]: undefined }), {
        code: "INVALID_ARGUMENT",
        message: /permissionsTopic needs the options sealing and vault/,
      });
    assert.throws(() => boot("power", { permissions: new Permissions([]) }), { code: "INVALID_ARGUMENT" });
  });
});
