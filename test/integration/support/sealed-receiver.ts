/**
 * A device that takes sealed commands over a link without TLS: `node sealed-receiver.js FOLDER PORT [FAULT]`. Says what it handles, what it refuses,
 * what it stores, and when it is subscribed. FAULT is a `StorageFault` as JSON: the process kills itself at that write.
 */
import { writeSync } from "node:fs";
import { createPlatform } from "../../../hosts/node/index.js";
import type { StorageFault } from "../../../hosts/node/storage.js";
import { Device } from "../../../src/index.js";
import { Sealing } from "../../../src/sealing/index.js";
import type { Platform } from "../../../src/platform.js";

const [folder, port, fault] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);
const host = createPlatform({
  folder: folder!,
  hosts: { localhost: "127.0.0.1" },
  storage: { fault: fault === undefined ? undefined : (JSON.parse(fault) as StorageFault) },
  log: () => undefined,
});
const storage = host.storage!;
const platform: Platform = {
  ...host,
  storage: {
    maximumKeyLength: storage.maximumKeyLength,
    maximumValueLength: storage.maximumValueLength,
    capacity: storage.capacity,
    read: (key) => storage.read(key),
    write: (key, value) => {
      storage.write(key, value);
      say(`stored ${key}`);
    },
    delete: (key) => storage.delete(key),
    [Symbol.iterator]: () => storage[Symbol.iterator](),
  },
};
const device = new Device({
  platform,
  clientIdentifier: "device",
  unencrypted: true,
  sealing: new Sealing(),
  reconnectSpread: [50],
  credentials: {
    broker: { host: "localhost", port: Number(port) },
    trustAnchors: [],
    payloadSecrets: new Map([[0, platform.crypto.importKey("secret", new Uint8Array(32).fill(7))]]),
  },
  onSecurity: ({ kind, code }) => say(`${kind} ${code ?? ""}`),
});
const subscribed = device.subscribe("%c/commands", ({ payload }) => say(`handled ${Buffer.from(payload).toString()}`), {
  qos: 1,
});
await device.start();
await subscribed;
say("subscribed");
