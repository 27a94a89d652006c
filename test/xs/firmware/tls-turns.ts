/**
 * When the TLS engine asks for a turn of the event loop: as often as it has something to tell, and not while it can only wait. Its timers are
 * counted, and what it sends is held back at will. Arguments: the port of a server that echoes, the file of its trust anchor (DER), a version.
 */
import { platform } from "../../../hosts/xs/index.js";
import { MbedTLSEngine } from "../../../hosts/mbedtls/tls-engine.js";
import * as file from "../../../hosts/xs/native/file.js";
import { argument, print } from "../../../hosts/xs/native/system.js";
import { toUTF8 } from "../../../src/bytes.js";
import type { PlatformTimer, TLSVersion, Transport } from "../../../src/platform.js";

let turns = 0;
const timer: PlatformTimer = {
  set: (callback, delay) => {
    turns++;
    return platform.timer.set(callback, delay);
  },
  clear: (handle) => platform.timer.clear(handle),
};

let room = 0;
let isHeld = false;
let input = new Uint8Array(0);
let wake: (() => void) | undefined;
const told = { open: 0, readable: 0, writable: 0 };

function tell(what: keyof typeof told): void {
  told[what]++;
  wake?.();
}

const version = argument(2) as TLSVersion;
const now = platform.time()!.now;
const engine = new MbedTLSEngine(
  {
    serverName: "localhost",
    time: { earliest: now, latest: now },
    minimumVersion: version,
    maximumVersion: version,
    trustAnchors: [new Uint8Array(file.read(argument(1)!)!)],
    onOpen: () => tell("open"),
    onReadable: () => tell("readable"),
    onWritable: () => tell("writable"),
    onDrainable: pumpOut,
    onClose: () => print("closed"),
    onError: (error) => print(`failed: ${error.message}`),
  },
  timer,
);

const transport: Transport = new platform.tcp({
  address: "127.0.0.1",
  port: Number(argument(0)),
  noDelay: true,
  onReadable: pumpIn,
  onWritable: (count) => {
    room = count;
    pumpOut();
    if (told.open === 0) pumpIn();
  },
  onError: (error) => print(`lost: ${error?.message}`),
});

function pumpOut(): void {
  const buffer = new Uint8Array(512);
  while (!isHeld && room > 0) {
    const count = engine.drain(buffer.subarray(0, room));
    if (count === 0) break;
    room = transport.write(buffer.subarray(0, count));
  }
}

function pumpIn(): void {
  for (;;) {
    if (input.byteLength === 0) {
      const bytes = transport.read(engine.feedSize);
      if (bytes !== undefined) input = new Uint8Array(bytes);
    }
    const taken = engine.feed(input);
    input = input.subarray(taken);
    // As TLSSocket does it: a step, and the next one in another turn.
    const more = engine.step();
    pumpOut();
    if (more) platform.timer.set(pumpIn, 0);
    if (taken === 0 || more) break;
  }
}

/** @returns whether it was told within half a second */
async function until(what: keyof typeof told, count: number): Promise<boolean> {
  const end = platform.ticks() + 500;
  while (told[what] < count && platform.ticks() < end)
    await new Promise<void>((resolve) => {
      wake = resolve;
      platform.timer.set(resolve, 20);
    });
  return told[what] >= count;
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => void platform.timer.set(() => resolve(), milliseconds));

/** How many turns it asks for in a third of a second. */
async function countTurns(title: string): Promise<void> {
  // What is due of before.
  await pause(50);
  turns = 0;
  await pause(300);
  print(`${title}: ${turns} turns`);
}

/** Reads until no more has come for a tenth of a second. */
async function readAll(): Promise<void> {
  const buffer = new Uint8Array(256);
  for (let quiet = 0; quiet < 5; quiet++) {
    while (engine.read(buffer) > 0) quiet = 0;
    pumpIn();
    await pause(20);
  }
}

async function echo(): Promise<void> {
  const { readable } = told;
  engine.write(toUTF8("question"));
  pumpOut();
  await until("readable", readable + 1);
}

await until("open", 1);
await countTurns("idle");
await echo();
print(`unread: ${engine.readable > 0}`);
await countTurns("unread");
// An answer that must be on its way before the question is read.
const { writable } = told;
engine.write(toUTF8("answer"));
pumpOut();
print(`told of room while something is unread: ${(await until("writable", writable + 1)) && engine.readable > 0}`);
for (const isUnread of [true, false]) {
  if (!isUnread) await readAll();
  isHeld = true;
  const before = told.writable;
  engine.write(new Uint8Array(1000));
  print(`blocked: ${engine.unsent && engine.writable === 0}, unread: ${engine.readable > 0}`);
  await countTurns("blocked");
  print(`told of room: ${told.writable > before}`);
  isHeld = false;
  pumpOut();
  print(`told of room once it was sent: ${await until("writable", before + 1)}`);
}
await readAll();
// The rest of a record does not come.
for (const [title, ...bytes] of [
  ["a part of a header", 23, 3, 3],
  ["a part of a body", 0, 40, 1, 2, 3],
] as const) {
  engine.feed(Uint8Array.from(bytes));
  await countTurns(title);
}
engine.close();
transport.close();
