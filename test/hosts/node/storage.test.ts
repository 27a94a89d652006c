import { deepEqual, equal, notDeepEqual, ok, throws } from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createPlatform, type NodePlatformOptions } from "../../../hosts/node/index.js";
import { FolderStorage, type StorageFault } from "../../../hosts/node/storage.js";
import { removeTemporaryFolders, temporaryFolder } from "./support/folder.js";

const writeLoop = fileURLToPath(new URL("./firmware/write-loop.js", import.meta.url));
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

function value(storage: FolderStorage, key: string): number[] | undefined {
  const found = storage.read(key);
  return found === undefined ? undefined : [...new Uint8Array(found)];
}

describe("node host: storage", () => {
  after(removeTemporaryFolders);

  it("keeps values across openings, whatever characters a key has", () => {
    const folder = temporaryFolder();
    const keys = ["a", "A", "..", "a/b", "%41", "x.value", "con", "~!@#$%^&*()_+"];
    const storage = new FolderStorage(folder);
    keys.forEach((key, index) => storage.write(key, bytes(index, 255)));
    const again = new FolderStorage(folder);
    deepEqual([...again].sort(), [...keys].sort());
    keys.forEach((key, index) => deepEqual(value(again, key), [index, 255], key));
    equal(again.delete("A"), true);
    equal(again.delete("A"), false);
    equal(again.read("A"), undefined);
    deepEqual(value(again, "a"), [0, 255]);
    equal(readdirSync(join(folder, "..")).includes("b.value"), false);
  });

  it("gives a fresh copy, and keeps an empty value apart from none", () => {
    const storage = new FolderStorage(temporaryFolder());
    storage.write("empty", bytes());
    equal(storage.read("empty")?.byteLength, 0);
    storage.write("one", bytes(1).buffer as ArrayBuffer);
    new Uint8Array(storage.read("one")!)[0] = 9;
    deepEqual(value(storage, "one"), [1]);
  });

  it("refuses keys and values that a chip would refuse, and keeps the old value", () => {
    const storage = new FolderStorage(temporaryFolder(), { capacity: 1000, maximumValueLength: 600 });
    for (const key of ["", "x".repeat(16), "ü", "a\0", "a b"])
      throws(() => storage.write(key, bytes(1)), { code: "INVALID_ARGUMENT" }, key);
    storage.write("k", bytes(1));
    throws(() => storage.write("k", new Uint8Array(601)), { code: "STORAGE_VALUE_TOO_LARGE" });
    storage.write("other", new Uint8Array(600));
    throws(() => storage.write("k", new Uint8Array(400)), { code: "STORAGE_FAILED" });
    deepEqual(value(storage, "k"), [1]);
    storage.write("other", new Uint8Array(10));
    storage.write("k", new Uint8Array(400));
  });

  it("clears away what an interrupted write left", () => {
    const folder = temporaryFolder();
    new FolderStorage(folder).write("k", bytes(1));
    writeFileSync(join(folder, "k.value.tmp"), "half");
    const storage = new FolderStorage(folder);
    deepEqual([...storage], ["k"]);
    deepEqual(readdirSync(folder), ["k.value"]);
  });

  it("fails with a sentence where the folder or a value cannot be read", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "file"), "");
    throws(() => new FolderStorage(join(folder, "file")), { code: "STORAGE_FAILED" });
    throws(() => createPlatform({ folder: join(folder, "file", "below") }), { code: "STORAGE_FAILED" });
    mkdirSync(join(folder, "k.value"));
    const storage = new FolderStorage(folder);
    throws(() => storage.read("k"), { code: "STORAGE_FAILED" });
    throws(() => storage.write("k", bytes(1)), { code: "STORAGE_FAILED" });
    deepEqual(
      readdirSync(folder).filter((name) => name.endsWith(".tmp")),
      [],
    );
  });

  it("fails the write that a test chose, and only that", () => {
    const folder = temporaryFolder();
    const storage = new FolderStorage(folder, { fault: { atWrite: 2, action: "fail" } });
    storage.write("k", bytes(1));
    throws(() => storage.write("k", bytes(2)), { code: "STORAGE_FAILED" });
    deepEqual(value(storage, "k"), [1]);
    storage.write("k", bytes(3));
    deepEqual(value(storage, "k"), [3]);
  });

  async function run(folder: string, options: object, killAfter?: number): Promise<NodeJS.Signals | null> {
    const child = spawn(process.execPath, [writeLoop, folder, JSON.stringify(options)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on("close", (_, signal) => resolve(signal)));
    if (killAfter !== undefined) child.stdout.once("data", () => setTimeout(() => child.kill("SIGKILL"), killAfter));
    return ended;
  }

  const moments: [StorageFault["action"], number][] = [
    ["kill-before", 1],
    ["kill-between", 1],
    ["kill-after", 2],
  ];
  for (const [action, expected] of moments)
    it(`has the ${expected === 1 ? "old" : "new"} value after ${action}`, async () => {
      const folder = temporaryFolder();
      equal(await run(folder, { fault: { atWrite: 3, action } }), "SIGKILL");
      const storage = new FolderStorage(folder);
      deepEqual(value(storage, "value"), Array<number>(3000).fill(expected));
      deepEqual(readdirSync(folder), ["value.value"]);
    });

  it("has one whole value after kill -9 at any moment of a write", async function () {
    this.timeout(20_000);
    const folder = temporaryFolder();
    for (let round = 0; round < 8; round++) {
      equal(await run(folder, {}, 10 + round * 3), "SIGKILL");
      const found = value(new FolderStorage(folder), "value")!;
      equal(found.length, 3000);
      equal(new Set(found).size, 1);
    }
  });
});

describe("node host: what a device keeps", () => {
  const create = (folder: string, options: Partial<NodePlatformOptions> = {}) => createPlatform({ folder, ...options });
  const content = (platform: ReturnType<typeof create>): Uint8Array => {
    const buffer = new Uint8Array(platform.retainedMemory!.byteLength);
    platform.retainedMemory!.read(0, buffer);
    return buffer;
  };

  it("keeps retained memory through deep sleep and restart, and has random bytes after a power cut", () => {
    const folder = temporaryFolder();
    const downs: unknown[] = [];
    const powerDown = (down: unknown) => downs.push(down);
    const first = create(folder, { powerDown });
    equal(first.wakeCause, "power");
    ok(new Set(content(first)).size > 100, "not random");
    first.retainedMemory!.write(10, bytes(1, 2, 3));
    const before = content(first);
    deepEqual([...before.subarray(10, 13)], [1, 2, 3]);
    first.sleep(5000);
    const second = create(folder, { powerDown });
    equal(second.wakeCause, "sleep");
    deepEqual(content(second), before);
    second.restart();
    const third = create(folder);
    equal(third.wakeCause, "restart");
    deepEqual(content(third), before);
    deepEqual(downs, [
      { cause: "sleep", milliseconds: 5000 },
      { cause: "restart", milliseconds: 0 },
    ]);
    // No word before the end: its power was cut.
    const fourth = create(folder);
    equal(fourth.wakeCause, "power");
    notDeepEqual(content(fourth), before);
  });

  it("has as much retained memory as was asked for, and guards its bounds", () => {
    equal(create(temporaryFolder(), { retainedBytes: 0 }).retainedMemory, undefined);
    const { retainedMemory: memory } = create(temporaryFolder(), { retainedBytes: 512 });
    equal(memory!.byteLength, 512);
    for (const [offset, length] of [
      [510, 3],
      [-1, 1],
      [0.5, 1],
      [513, 0],
    ] as const) {
      throws(() => memory!.write(offset, new Uint8Array(length)), { code: "INVALID_ARGUMENT" });
      throws(() => memory!.read(offset, new Uint8Array(length)), { code: "INVALID_ARGUMENT" });
    }
    throws(() => create(temporaryFolder(), { retainedBytes: -1 }), { code: "INVALID_ARGUMENT" });
  });

  it("has a MAC address of its own that stays, unicast and locally administered", () => {
    const folder = temporaryFolder();
    const mac = create(folder).mac();
    equal(mac.byteLength, 6);
    equal(mac[0]! & 3, 2);
    deepEqual(create(folder).mac(), mac);
    notDeepEqual(create(temporaryFolder()).mac(), mac);
  });

  it("has a root of trust that stays and is outside of the storage, or none", () => {
    const folder = temporaryFolder();
    const platform = create(folder);
    const tag = platform.rootOfTrust!.hmac(bytes(1));
    equal(tag.byteLength, 32);
    for (const key of platform.storage!) platform.storage!.delete(key);
    deepEqual(create(folder).rootOfTrust!.hmac(bytes(1)), tag);
    notDeepEqual(create(temporaryFolder()).rootOfTrust!.hmac(bytes(1)), tag);
    equal(create(folder, { rootOfTrust: false }).rootOfTrust, undefined);
  });

  it("has a counter when asked for, which never goes back", () => {
    const folder = temporaryFolder();
    equal(create(folder).counter, undefined);
    const { counter } = create(folder, { counter: true });
    equal(counter!.read(), 0);
    equal(counter!.increment(), 1);
    equal(counter!.increment(), 2);
    equal(create(folder, { counter: true }).counter!.read(), 2);
    writeFileSync(join(folder, "counter"), "rubbish");
    throws(() => counter!.read(), { code: "STORAGE_CORRUPT" });
  });

  it("destroys the provisioning record when told to", () => {
    const folder = temporaryFolder();
    const { provisioning } = create(folder);
    equal(provisioning!.read(), undefined);
    provisioning!.erase();
    writeFileSync(join(folder, "provisioning.bin"), bytes(1, 2, 3));
    deepEqual(provisioning!.read(), bytes(1, 2, 3));
    provisioning!.erase();
    equal(provisioning!.read(), undefined);
    equal(readdirSync(folder).includes("provisioning.bin"), false);
  });

  it("takes a damaged note of the last sleep for none", () => {
    const folder = temporaryFolder();
    for (const text of ["", "{", "null", '{"cause":"magic"}', "\xff"]) {
      writeFileSync(join(folder, "wake"), text);
      equal(create(folder).wakeCause, "power", text);
    }
    throws(() => readFileSync(join(folder, "wake")));
  });
});
