/**
 * Fixture: TLS connections as a test commands them. The test listens on the port that is the first argument; what it wants comes as lines
 * of JSON, what happens goes back the same way. Certificates and sessions are hexadecimal.
 */
import { createPlatform } from "../../../hosts/xs/index.js";
import { capMemory, failAllocation, memory, resetMemoryPeak } from "../../../hosts/mbedtls/library.js";
import { argument, collect, measure, resetPeaks } from "../../../hosts/xs/native/system.js";
import { fromHex, fromUTF8, toHex, toUTF8 } from "../../../src/bytes.js";
import type { SealwireError } from "../../../src/errors.js";
import type { Key, TLSSessionData, Transport } from "../../../src/platform.js";
import { TLSSocket } from "../../../src/transport/index.js";

interface Options {
  readonly [name: string]: unknown;
  readonly trustAnchors: readonly string[];
  readonly revocationLists?: readonly string[];
  readonly certificateChain?: readonly string[];
  readonly privateKey?: string;
  readonly session?: WrittenSession;
  /** Offers the session that the storage has under this key, and writes there each that is issued. */
  readonly kept?: string;
  /** What `certificateChain` holds as soon as the engine was made with it. */
  readonly exchanged?: readonly string[];
}

type WrittenSession = Omit<TLSSessionData, "bytes"> & { readonly bytes: string };

interface Command {
  readonly op: "start" | "write" | "end" | "memory" | "cap" | "fail" | "measure";
  readonly id: number;
  readonly port?: number;
  readonly options?: Options;
  readonly text?: string;
  readonly bytes?: number;
}

const platform = createPlatform({ folder: argument(1)! });
const sockets = new Map<number, TLSSocket>();
const outbox: Uint8Array[] = [];
let room = 0;
let input = "";

const control: Transport = new platform.tcp({
  address: "127.0.0.1",
  port: Number(argument(0)),
  noDelay: true,
  onReadable: () => {
    const bytes = control.read();
    if (bytes === undefined) return;
    input += fromUTF8(new Uint8Array(bytes)) ?? "";
    for (let end = input.indexOf("\n"); end >= 0; end = input.indexOf("\n")) {
      const line = input.slice(0, end);
      input = input.slice(end + 1);
      obey(JSON.parse(line) as Command);
    }
  },
  onWritable: (count) => {
    room = count;
    flush();
  },
  onError: () => undefined,
});

function flush(): void {
  while (room > 0 && outbox.length > 0) {
    const next = outbox.shift()!;
    const part = next.subarray(0, room);
    if (part.byteLength < next.byteLength) outbox.unshift(next.subarray(part.byteLength));
    room = control.write(part);
  }
}

function tell(id: number, event: string, details: object = {}): void {
  outbox.push(toUTF8(`${JSON.stringify({ id, event, ...details })}\n`));
  flush();
}

const list = (values: readonly string[] = []): Uint8Array[] => values.map((value) => fromHex(value));

function tellError(id: number, error: SealwireError): void {
  const cause = error.cause instanceof Error ? error.cause.message : undefined;
  tell(id, "error", { code: error.code, message: error.message, cause });
}

function start(id: number, port: number, options: Options): void {
  const { trustAnchors, revocationLists, certificateChain, privateKey, kept, exchanged, ...others } = options;
  const stored = kept === undefined ? undefined : platform.storage!.read(kept);
  const session = stored ? (JSON.parse(fromUTF8(new Uint8Array(stored))!) as WrittenSession) : options.session;
  const key: Key | undefined = privateKey ? platform.crypto.importKey("private", fromHex(privateKey)) : undefined;
  const chain = list(certificateChain);
  const socket = new TLSSocket({
    address: "127.0.0.1",
    port,
    socket: { io: platform.tcp },
    timer: platform.timer,
    secure: () => ({
      createTLSEngine: (engineOptions) => {
        try {
          const engine = platform.createTLSEngine(engineOptions);
          if (exchanged) chain.splice(0, chain.length, ...list(exchanged));
          tell(id, "engine", { early: engine.write(toUTF8("too early")) });
          return engine;
        } finally {
          key?.close();
        }
      },
      ...(others as { serverName: string; time: { earliest: number; latest: number | undefined } }),
      trustAnchors: list(trustAnchors),
      // As most firmwares: what is not there is left out.
      ...(revocationLists && { revocationLists: list(revocationLists) }),
      ...(certificateChain && { certificateChain: chain }),
      privateKey: key,
      session: session && { ...session, bytes: fromHex(session.bytes) },
      onOpen: (negotiated) => tell(id, "open", { negotiated }),
      onSession: (given) => {
        const written = { ...given, bytes: toHex(given.bytes) };
        if (kept !== undefined) platform.storage!.write(kept, toUTF8(JSON.stringify(written)));
        tell(id, "session", { session: written });
      },
    }),
    onReadable: () => {
      // Small pieces: long strings are slow on this engine.
      for (let bytes = socket.read(1024); bytes; bytes = socket.read(1024))
        tell(id, "text", { text: fromUTF8(new Uint8Array(bytes)) });
    },
    onWritable: (count) => tell(id, "writable", { count }),
    onError: (error) => tellError(id, error!),
    onReleased: () => {
      sockets.delete(id);
      tell(id, "released");
    },
  });
  sockets.set(id, socket);
}

function obey({ op, id, port, options, text, bytes }: Command): void {
  try {
    switch (op) {
      case "start":
        start(id, port!, options!);
        break;
      case "write":
        sockets.get(id)?.write(toUTF8(text!));
        break;
      case "end":
        sockets.get(id)?.close();
        break;
      case "memory":
        collect();
        tell(id, "memory", { now: memory(0), peak: memory(1), blocks: memory(2) });
        resetMemoryPeak();
        break;
      case "cap":
        tell(id, "capped", { before: capMemory(bytes!) });
        break;
      case "fail":
        tell(id, "failing", { left: failAllocation(bytes!, text === "stays") });
        break;
      case "measure":
        measure(text!);
        resetPeaks();
        tell(id, "measured");
        break;
    }
  } catch (error) {
    if (op === "start") tellError(id, error as SealwireError);
    else tell(id, "threw", { message: (error as Error).message });
  }
}
