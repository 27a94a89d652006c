/** A real TLS server, and the engine under test joined to it by a socket. */
import { connect, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type TlsOptions, type TLSSocket } from "node:tls";
import type { SealwireError } from "../../../../src/errors.js";
import type { TLSEngine, TLSEngineOptions, TLSNegotiated, TLSSessionData } from "../../../../src/platform.js";
import { NodeTLSEngine } from "../../../../hosts/node/tls/tls-engine.js";
import type { Issued } from "./pki.js";

export interface TestServer {
  readonly port: number;
  /** What clients wrote, as text. */
  readonly received: string[];
  readonly sockets: TLSSocket[];
  readonly server: Server;
  close(): Promise<void>;
}

const servers = new Set<TestServer>();

/** Closes every server that a test left open. */
export async function closeServers(): Promise<void> {
  await Promise.all([...servers].map((server) => server.close()));
}

/** A server that answers every message with `echo:` and the message. */
export async function startServer(options: TlsOptions, chain?: readonly Issued[]): Promise<TestServer> {
  const received: string[] = [];
  const sockets: TLSSocket[] = [];
  const raw = new Set<Socket>();
  const own = chain && { cert: chain.map(({ pem }) => pem).join("\n"), key: chain[0]!.keyPEM };
  const server: Server = createServer({ ...own, ...options }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => {
      received.push(bytes.toString());
      socket.write(`echo:${bytes.toString()}`);
    });
  });
  server.on("tlsClientError", () => undefined);
  server.on("connection", (socket: Socket) => {
    raw.add(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const started: TestServer = {
    port: (server.address() as AddressInfo).port,
    received,
    sockets,
    server,
    close: () => {
      servers.delete(started);
      for (const socket of raw) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  servers.add(started);
  return started;
}

/** Has a server remember its sessions, as servers other than Node's do by themselves. @returns them, by ID in hexadecimal */
export function rememberSessions({ server }: TestServer): Map<string, Buffer> {
  const sessions = new Map<string, Buffer>();
  server.on("newSession", (id: Buffer, data: Buffer, done: () => void) => {
    sessions.set(id.toString("hex"), data);
    done();
  });
  server.on("resumeSession", (id: Buffer, done: (error: null, data: Buffer | null) => void) =>
    done(null, sessions.get(id.toString("hex")) ?? null),
  );
  return sessions;
}

/** Changes what comes from the server before the engine is fed. */
export type Tamper = (bytes: Buffer) => Buffer[];

export interface Client {
  readonly engine: TLSEngine;
  readonly sessions: TLSSessionData[];
  readonly errors: SealwireError[];
  readonly callbacks: string[];
  /** While true nothing is read. */
  holding: boolean;
  text(): string;
  /** The last piece of ciphertext that was drained. */
  lastSent(): Uint8Array;
  /** Resolves at onOpen, rejects at onError. */
  readonly opened: Promise<TLSNegotiated>;
  /** Resolves at onError. */
  readonly failed: Promise<SealwireError>;
  readonly closedByPeer: Promise<void>;
  until(condition: () => boolean, what: string): Promise<void>;
  close(): void;
}

type Options = Omit<TLSEngineOptions, "onOpen" | "onReadable" | "onWritable" | "onDrainable" | "onClose" | "onError">;

/** Connects an engine. Its ciphertext goes through a socket in pieces of at most `piece` bytes. */
export function startClient(port: number, options: Options, tamper?: Tamper, piece = 4096): Client {
  const sessions: TLSSessionData[] = [];
  const errors: SealwireError[] = [];
  const callbacks: string[] = [];
  let text = "";
  let sent = new Uint8Array(0);
  const buffer = new Uint8Array(piece);
  const socket = connect(port, "127.0.0.1");
  let waiting: Buffer[] = [];
  let open: (negotiated: TLSNegotiated) => void;
  let refuse: (error: SealwireError) => void;
  let fail: (error: SealwireError) => void;
  let end: () => void;
  const opened = new Promise<TLSNegotiated>((resolve, reject) => {
    open = resolve;
    refuse = reject;
  });
  opened.catch(() => undefined);
  const failed = new Promise<SealwireError>((resolve) => (fail = resolve));
  const closedByPeer = new Promise<void>((resolve) => (end = resolve));
  const pump = (): void => {
    while (waiting.length > 0) {
      const next = waiting[0]!;
      const taken = engine.feed(next);
      if (taken < next.byteLength) {
        waiting[0] = next.subarray(taken);
        return;
      }
      waiting.shift();
    }
  };
  const drain = (): void => {
    for (let count = engine.drain(buffer); count > 0; count = engine.drain(buffer))
      socket.write((sent = buffer.slice(0, count)));
  };
  const engine: TLSEngine = new NodeTLSEngine({
    ...options,
    onOpen: (negotiated) => {
      callbacks.push("open");
      open(negotiated);
    },
    onReadable: () => {
      callbacks.push("readable");
      if (client.holding) return;
      for (let count = engine.read(buffer); count > 0; count = engine.read(buffer))
        text += Buffer.from(buffer.subarray(0, count)).toString("latin1");
      pump();
    },
    onWritable: () => callbacks.push("writable"),
    onDrainable: () => {
      callbacks.push("drainable");
      drain();
    },
    onSession: (session) => {
      callbacks.push("session");
      sessions.push(session);
      options.onSession?.(session);
    },
    onClose: () => {
      callbacks.push("close");
      end();
    },
    onError: (error) => {
      callbacks.push("error");
      errors.push(error);
      drain();
      refuse(error);
      fail(error);
    },
  });
  socket.on("error", () => undefined);
  socket.on("data", (bytes: Buffer) => {
    waiting.push(...(tamper ? tamper(bytes) : [bytes]));
    pump();
  });
  socket.on("end", () => engine.feedEnd());
  const client: Client = {
    holding: false,
    engine,
    sessions,
    errors,
    callbacks,
    text: () => text,
    lastSent: () => sent,
    opened,
    failed,
    closedByPeer,
    until: (condition, what) => until(condition, what),
    close: () => {
      waiting = [];
      engine.close();
      socket.destroy();
    },
  };
  return client;
}

/** Waits until something holds, at most two seconds. */
export async function until(condition: () => boolean, what: string, milliseconds = 2000): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A time about which nothing is in doubt. */
export function at(milliseconds: number): { earliest: number; latest: number } {
  return { earliest: milliseconds, latest: milliseconds };
}
