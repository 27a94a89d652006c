/**
 * TLS connections to a server whose words are changed on the way, with options, sessions and certificates that are changed as well, and
 * little memory at times; and hostile arguments for the native functions. Arguments: the port, a folder with DER files, a seed, how many
 * connections. Whatever comes, each connection opens or fails with a SealwireError, and nothing is left of it.
 */
import { platform } from "../../../hosts/xs/index.js";
import { capMemory, memory } from "../../../hosts/mbedtls/library.js";
import { NativeTLS } from "../../../hosts/mbedtls/tls-native.js";
import * as file from "../../../hosts/xs/native/file.js";
import { argument, collect, print, setTimer } from "../../../hosts/xs/native/system.js";
import { SealwireError } from "../../../src/errors.js";
import type { Key, RevocationMode, TLSEngine, TLSSessionData, TLSVersion } from "../../../src/platform.js";
import { TLSSocket } from "../../../src/transport/index.js";

const port = Number(argument(0));
const folder = argument(1)!;
const count = Number(argument(3));
/** Milliseconds after which a connection that hangs is closed: the server may wait for what it never gets. */
const patience = 150;

let state = Number(argument(2)) | 1;
function below(limit: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % limit;
}
const pick = <T>(values: readonly T[]): T => values[below(values.length)]!;
const read = (name: string): Uint8Array => new Uint8Array(file.read(`${folder}/${name}.der`)!);
const [root, issuing, device, key, list] = ["root", "issuing", "device", "key", "list"].map(read) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

/** The bytes, and one time in `rarity` with a few changes. */
function changed(bytes: Uint8Array, rarity: number): Uint8Array {
  if (below(rarity) > 0) return bytes;
  let copy = bytes.slice(0, below(3) === 0 ? below(bytes.byteLength + 1) : bytes.byteLength);
  for (let i = below(4); i > 0 && copy.byteLength > 0; i--)
    copy[below(copy.byteLength)] = pick([below(256), 0, 0x7f, 0x80, 0xff]);
  if (below(8) === 0) copy = new Uint8Array(pick([0, 1, 300, 5000]));
  return copy;
}

/** Something that a native function may be handed. */
function something(): unknown {
  return pick<() => unknown>([
    () => undefined,
    () => null,
    () => pick([0, 1, -1, 1.5, NaN, Infinity, 2 ** 31, 2 ** 53]),
    () => pick(["", "localhost", "\n", "a".repeat(300), "::1"]),
    (): unknown[] => [],
    () => [root, undefined],
    () => [[], {}],
    () => Array.from({ length: 40 }, () => root),
    () => new Uint8Array(pick([0, 1, 5, 300, 5000])),
    () => new Uint8Array(8).subarray(4),
    () => new DataView(new ArrayBuffer(9), 3),
    () => new Float64Array(3),
    () => ({ byteLength: 1e6, length: 1e6 }),
    () => new Proxy(new Uint8Array(4), {}),
    // What runs JavaScript while the native function reads its arguments: it closes the engine, or moves memory.
    (): unknown => Object.defineProperty([root, issuing], 1, { get: () => (disturb(), issuing) }),
    (): unknown => new Proxy([root], { get: (target, name) => (disturb(), Reflect.get(target, name) as unknown) }),
    () => new Proxy(new Uint8Array(4), { getPrototypeOf: () => (disturb(), Uint8Array.prototype) }),
    () => ({ toString: () => (disturb(), "localhost"), valueOf: () => (disturb(), 3) }),
    (): unknown => Object.create(Uint8Array.prototype),
    () => {
      const bytes = new Uint8Array(300);
      (bytes.buffer as ArrayBuffer & { transfer(): ArrayBuffer }).transfer();
      return bytes;
    },
    () => NativeTLS.prototype,
    () => new ArrayBuffer(7),
    () => platform,
    () => platform.crypto.sha256(),
    () => platform.crypto.importKey("secret", root),
  ])();
}

/** Of the engine that is under attack. */
let victim: NativeTLS | undefined;
function disturb(): void {
  if (below(2) === 0) victim?.close();
  else collect();
}

/** One time in six, an array that closes the connection or moves memory while the engine reads it in the middle of a handshake. */
function disturbing<T>(items: T[], close: () => void): T[] {
  if (below(6) > 0) return items;
  return new Proxy(items, {
    get: (target, name) => {
      const what = below(24);
      if (what === 0) close();
      else if (what < 6) collect();
      return Reflect.get(target, name) as unknown;
    },
  });
}

let calls = 0;
/** A TypeError, or the like, may come of arguments that are none; nothing else. */
function hostile(native: NativeTLS | undefined): void {
  const methods = Object.getOwnPropertyNames(NativeTLS.prototype).filter((name) => name !== "constructor");
  const Class = NativeTLS as unknown as new (...parameters: unknown[]) => NativeTLS;
  victim = native;
  for (let i = 0; i < 6; i++) {
    calls++;
    const parameters = Array.from({ length: below(17) }, something);
    try {
      if (below(3) === 0) {
        const made = new Class(...parameters);
        made.step([root], [], []);
        made.close();
        made.feed(root);
      } else {
        const self = below(4) === 0 ? something() : native;
        const body = Reflect.get(NativeTLS.prototype, pick(methods)) as (...all: unknown[]) => unknown;
        if (self !== undefined) Reflect.apply(body, self, parameters);
      }
    } catch (error) {
      // XS calls it a syntax error when `this` is none of its objects.
      const known = error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError;
      if (!known) throw error;
    }
  }
}

const sessions: TLSSessionData[] = [];
const outcomes = new Map<string, number>();
let opened = 0;

function note(code: string): void {
  outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
}

function connection(): Promise<void> {
  return new Promise((resolve) => {
    const failures = memory(3);
    let own: Key | undefined;
    let engine: TLSEngine | undefined;
    let starving = false;
    const mutual = below(3) > 0;
    if (mutual) own = platform.crypto.importKey("private", key);
    const protocol = pick<TLSVersion>(["TLSv1.2", "TLSv1.3"]);
    const past = below(2) === 0 && sessions.length > 0 ? pick(sessions) : undefined;
    const socket: TLSSocket = new TLSSocket({
      address: "127.0.0.1",
      port,
      socket: { io: platform.tcp },
      timer: platform.timer,
      secure: () => ({
        createTLSEngine: (options) => {
          starving = below(6) === 0;
          if (starving) capMemory(memory(0)! + below(18_000));
          return (engine = platform.createTLSEngine(options));
        },
        serverName: pick(["localhost", "localhost", "localhost", "127.0.0.1", "elsewhere"]),
        time: { earliest: platform.time()!.now, latest: platform.time()!.now },
        minimumVersion: pick<TLSVersion>(["TLSv1.2", protocol]),
        maximumVersion: protocol,
        inputBuffer: pick([512, 1024, 4096, 16_384]),
        maximumFragmentLength: pick([undefined, 512, 1024, 2048, 4096]),
        trustAnchors: disturbing([changed(root, 12)], () => engine?.close()),
        revocation: pick<RevocationMode>(["off", "off", "leaf", "chain"]),
        revocationLists: below(2) === 0 ? [changed(list, 4)] : [],
        certificateChain: mutual ? [changed(device, 12), issuing] : [],
        privateKey: own,
        session: past && { ...past, bytes: changed(past.bytes, 3) },
        applicationProtocols: pick([[], ["mqtt"]]),
        onOpen: () => {
          opened++;
          if (below(12) === 0) socket.close();
        },
        onSession: (session) => {
          if (sessions.length < 16) sessions.push(session);
          else sessions[below(16)] = session;
          if (below(12) === 0) socket.close();
        },
      }),
      onReadable: () => {
        socket.read(1 + below(2000));
        if (below(4) === 0) socket.close();
      },
      onWritable: (room) => {
        if (below(3) > 0) socket.write(new Uint8Array(Math.min(room, 1 + below(1500))));
      },
      onError: (error) => {
        if (!(error instanceof SealwireError)) throw new Error("An error of another kind", { cause: error });
        if (error.code === "TLS_OUT_OF_MEMORY" && !starving) throw error;
        note(error.code);
        end();
      },
      onReleased: () => end(),
    });
    let over = false;
    const timeout = setTimer(() => {
      note("closed");
      end();
    }, patience);
    const end = (): void => {
      if (over) return;
      over = true;
      capMemory(0);
      if (starving && memory(3) !== failures) note("starved");
      platform.timer.clear(timeout);
      // Not from within its own callback.
      setTimer(() => {
        socket.close();
        own?.close();
        resolve();
      }, 0);
    };
  });
}

for (let i = 0; i < count; i++) {
  await connection();
  if (below(4) === 0) hostile(undefined);
  const lone = new NativeTLS("x", "", 0, 2, 3, 4096, 0, 0, NaN, undefined, undefined, false, true, [root], [], []);
  lone.feed(changed(issuing, 1));
  hostile(lone);
  lone.close();
}
sessions.length = 0;
// What was closed goes on for a moment: a goodbye is still sent.
setTimer(() => {
  collect();
  collect();
  const list = [...outcomes].map(([code, times]) => `${code} ${times}`).join(", ");
  print(`${count} connections, ${opened} opened, ${calls} calls, ${memory(2)} blocks left; ${list}`);
  platform.restart();
}, 1200);
