/** ClientHello and ServerHello, read from the bytes of the wire (RFC 5246 section 7.4.1). */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** The extension in which a ticket is offered, or announced (RFC 5077 section 3.2). */
export const ticketExtension = 35;

export interface Hello {
  readonly sessionID: Buffer;
  /** What each extension holds, and where its code lies in the bytes that were read. */
  readonly extensions: ReadonlyMap<number, { readonly begin: number; readonly content: Buffer }>;
}

/** @param flight the first bytes of one side, which begin with the record that holds all of its hello */
export function helloOf(flight: Buffer): Hello {
  const isClient = flight[5] === 1;
  if (flight[0] !== 22 || (!isClient && flight[5] !== 2)) throw new Error("These bytes begin with no hello.");
  // Record (5), message (4), version and random (34); session ID; suites and compression methods, or one of each; then the extensions.
  const sessionID = flight.subarray(44, 44 + flight[43]!);
  let offset = 44 + sessionID.byteLength;
  if (isClient) {
    offset += 2 + flight.readUInt16BE(offset);
    offset += 1 + flight[offset]!;
  } else offset += 3;
  const extensions = new Map<number, { begin: number; content: Buffer }>();
  const end = 9 + flight.readUIntBE(6, 3);
  for (offset += 2; offset < end; offset += 4 + flight.readUInt16BE(offset + 2)) {
    const content = flight.subarray(offset + 4, offset + 4 + flight.readUInt16BE(offset + 2));
    extensions.set(flight.readUInt16BE(offset), { begin: offset, content });
  }
  return { sessionID, extensions };
}

/** What passed on one connection. */
export interface Recording {
  sent: Buffer;
  received: Buffer;
}

/** A proxy that keeps what passes, per connection, and changes nothing. */
export class Recorder {
  readonly connections: Recording[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  /** @param target the port that connections go to */
  constructor(target: () => number) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      const far = connect({ port: target(), host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
      const recording: Recording = { sent: Buffer.alloc(0), received: Buffer.alloc(0) };
      this.connections.push(recording);
      near.on("data", (bytes: Buffer) => (recording.sent = Buffer.concat([recording.sent, bytes])));
      far.on("data", (bytes: Buffer) => (recording.received = Buffer.concat([recording.received, bytes])));
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.pipe(to);
        from.on("error", () => to.destroy()).on("close", () => this.#sockets.delete(from));
      }
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  start(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
