/**
 * Hands the native functions of the cryptography what they do not expect. Arguments: a file with inputs, a line of hexadecimal each, and
 * a seed. Whatever comes in, a native function answers: it neither throws nor ends the process, and when memory runs out it says so.
 */
import { platform } from "../../../hosts/xs/index.js";
import * as natives from "../../../hosts/mbedtls/crypto.js";
import { capMemory, memory } from "../../../hosts/mbedtls/library.js";
import * as file from "../../../hosts/xs/native/file.js";
import { argument, collect, print } from "../../../hosts/xs/native/system.js";
import { fromHex, fromUTF8, toHex } from "../../../src/bytes.js";
import { SealwireError } from "../../../src/errors.js";
import type { Key } from "../../../src/platform.js";

const outOfMemory = -7;
const worstStatus = -10;
const { crypto } = platform;

let state = Number(argument(1)) | 1;
function below(limit: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % limit;
}
const pick = <T>(values: readonly T[]): T => values[below(values.length)]!;

type Native = (...parameters: unknown[]) => unknown;
const { NativeKey, NativeHash, pbkdf2, ...rest } = natives;
const functions = Object.entries(rest) as unknown as [string, Native][];
const methods = [NativeKey.prototype, NativeHash.prototype].flatMap((prototype) =>
  Object.getOwnPropertyNames(prototype)
    .filter((name) => name !== "constructor")
    .map((name): [string, Native] => [name, (prototype as unknown as Record<string, Native>)[name]!]),
);

interface Resizable {
  readonly buffer: ArrayBuffer & { resize(length: number): void };
}
const ResizableBuffer = ArrayBuffer as unknown as new (length: number, options: object) => Resizable["buffer"];

function leftBehind(): Uint8Array {
  const buffer = new ResizableBuffer(64, { maxByteLength: 128 });
  const view = new Uint8Array(buffer, 16, 32);
  buffer.resize(below(48));
  return view;
}

function detached(): Uint8Array {
  const view = new Uint8Array(32);
  (view.buffer as ArrayBuffer & { transfer(): ArrayBuffer }).transfer();
  return view;
}

const keys: Key[] = [];
function someKey(input: Uint8Array): Key {
  if (keys.length < 8 || below(8) === 0) {
    const made =
      below(4) === 0 ? crypto.generateKey() : crypto.importKey("secret", input.slice(0, pick([0, 1, 16, 32, 64])));
    if (keys.length >= 24) keys.splice(below(keys.length), 1)[0]!.close();
    keys.push(made);
    if (made.type === "private") keys.push(crypto.importKey("public", crypto.publicKey(made)));
  }
  return pick(keys);
}

/** Something that a native function may be handed. */
function something(input: Uint8Array): unknown {
  switch (below(24)) {
    case 0:
      return pick([undefined, null, true, "text", 12n, Symbol.iterator, () => 1]);
    case 1:
      return pick([0, 1, 2, -1, 1.5, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53, 8160, 8161]);
    case 2:
      return pick([{}, [], { byteLength: 1e6 }, new Date(0), new Map()]);
    case 3:
      return leftBehind();
    case 4:
      return detached();
    case 5:
      return pick([new Float64Array(4), new Uint16Array(8), new DataView(new ArrayBuffer(16)), new Int8Array(16)]);
    case 6:
      // A trap runs while a native function reads its arguments: it moves memory.
      return new Proxy(
        pick<object>([new Uint8Array(16), someKey(input)]),
        pick([{}, { getPrototypeOf: () => (collect(), Uint8Array.prototype) }]),
      );
    case 7:
      return Object.create(pick<object>([new Uint8Array(16), someKey(input), Uint8Array.prototype])) as unknown;
    case 8:
      return Object.setPrototypeOf(
        { byteLength: 1e6 },
        pick<object>([Uint8Array.prototype, ArrayBuffer.prototype]),
      ) as unknown;
    case 9: {
      const closed = crypto.generateKey();
      closed.close();
      return closed;
    }
    case 10:
      return pick([new NativeHash(), crypto.sha256(), NativeKey.prototype]);
    case 11:
      return new NativeKey();
    case 12:
      return input.buffer;
    case 13:
      return input;
    case 14:
      return input.slice(below(input.byteLength + 1));
    case 15:
    case 16:
      return new Uint8Array(pick([0, 7, 8, 12, 13, 16, 32, 64, 65, 91, 300, 4096]));
    case 17:
      return pick([0, 1, 2, 16]);
    default:
      return someKey(input);
  }
}

let calls = 0;
let starved = 0;

/** One call, sometimes with little memory. */
function call(name: string, body: () => unknown): void {
  const cap = below(4) === 0;
  const failures = memory(3)!;
  if (cap) capMemory(memory(0)! + below(600));
  let result: unknown;
  try {
    result = body();
  } catch (error) {
    throw new Error(`${name} threw ${String(error)}`, { cause: error });
  } finally {
    capMemory(0);
  }
  calls++;
  const status = typeof result === "number" ? result : 0;
  if (memory(3) !== failures) {
    starved++;
    if (status !== outOfMemory && status !== 0) throw new Error(`${name} hides that memory ran out: ${status}`);
  }
  if (result !== undefined && !(result instanceof ArrayBuffer) && !(status <= 0 && status >= worstStatus))
    throw new Error(`${name} answered a ${typeof result}, status ${status}`);
}

/** The class around the natives: nothing but a SealwireError comes out of it. */
function throughClass(input: Uint8Array): void {
  const uses: (() => unknown)[] = [
    () => crypto.certificate(input),
    () => crypto.importKey("private", input),
    () => crypto.importKey("public", input),
    () =>
      crypto.decrypt(
        {
          algorithm: pick(["AES-GCM", "AES-CCM"]),
          key: someKey(input),
          nonce: input.slice(0, 12),
          data: input.slice(),
        },
        new Uint8Array(pick([8, 16])),
      ),
    () => crypto.verify(something(input) as Key, input, something(input) as Uint8Array),
    () => crypto.hmac(something(input) as Key, something(input) as Uint8Array),
  ];
  for (const use of uses)
    try {
      use();
    } catch (error) {
      if (!(error instanceof SealwireError)) throw error;
    }
}

const text = fromUTF8(new Uint8Array(file.read(argument(0)!)!))!;
let input: Uint8Array = new Uint8Array(0);
try {
  for (const line of text.split("\n")) {
    input = fromHex(line);
    throughClass(input);
    call("certificate", () => natives.certificate(input));
    const [into, type] = [new NativeKey(), 1 + below(2)];
    call("importKey", () => natives.importKey(into, type, input));
    const stretched = [something(input), something(input), something(input), 1 + below(3), below(80)];
    call("pbkdf2", () => (pbkdf2 as Native)(...stretched));
    for (let i = 0; i < 8; i++) {
      const [name, native] = pick(functions);
      const parameters = Array.from({ length: below(8) }, () => something(input));
      call(name, () => native(...parameters));
      const [method, body] = pick(methods);
      const [self, parameter] = [something(input), something(input)];
      call(method, () => Reflect.apply(body, self, [parameter]));
    }
  }
} catch (error) {
  print(`FAILED: ${error instanceof Error ? String(error.stack) : String(error)}
  at ${toHex(input)}`);
  throw error;
}
for (const key of keys) key.close();
keys.length = 0;
collect();
collect();
print(`${calls} calls, ${starved} without memory, ${memory(2)} blocks left`);
