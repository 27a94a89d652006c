/**
 * A device that takes sealed commands over a link without TLS: `node sealed-receiver.js FOLDER PORT TOGETHER [FAULT]`. Says what it has handled, what it refuses,
 * what it stores, and when it is subscribed. It handles so many commands at once, TOGETHER, and one that says "marker" alone; each ends in a turn of its own, those
 * handled together out of order. FAULT is a `StorageFault` as JSON: the process kills itself at that write.
 */
import { writeSync } from "node:fs";
import { createPlatform } from "../../../hosts/node/index.js";
import type { StorageFault } from "../../../hosts/node/storage.js";
import { Device } from "../../../src/index.js";
import { Sealing } from "../../../src/sealing/index.js";
import type { Platform } from "../../../src/platform.js";

const [folder, port, together, fault] = process.argv.slice(2);
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
/** What ends the handlers of the commands that are being handled. */
let handling: (() => void)[] = [];
let turn = Promise.resolve();

function endAll(): void {
  const odd = handling.filter((_, i) => i % 2 === 1);
  const even = handling.filter((_, i) => i % 2 === 0);
  handling = [];
  for (const end of [...odd.reverse(), ...even])
    turn = turn.then(() => new Promise((resolve) => setTimeout(resolve, 10))).then(end);
}

const subscribed = device.subscribe(
  "%c/commands",
  ({ payload }) => {
    const text = Buffer.from(payload).toString();
    return new Promise<void>((resolve) => {
      handling.push(() => {
        say(`handled ${text}`);
        resolve();
      });
      if (text.startsWith("marker") || handling.length === Number(together)) endAll();
    });
  },
  { qos: 1 },
);
await device.start();
await subscribed;
say("subscribed");
