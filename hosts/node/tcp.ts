/**
 * The ECMA-419 TCP socket class pattern over `node:net`.
 *
 * At most 64 K wait in either direction: node's socket is paused while the firmware does not read, and `write()` takes no more
 * than what is left. What is written in one turn of the event loop leaves in one system call. When the peer closes, what it sent
 * before can still be read; `onError` follows the last byte.
 */
import { isIP, Socket } from "node:net";
import { SealwireError } from "../../src/errors.js";
import { toBytes } from "../../src/bytes.js";
import type { BufferLike, Transport, TransportConstructor, TransportOptions } from "../../src/platform.js";
import { ByteQueue } from "./byte-queue.js";
import type { ConnectionStatistics, NetworkConnection, SimulatedNetwork } from "./network.js";

const bound = 65_536;
/** What is written in a turn is gathered in buffers of this size at first; one that has to grow has room for all that may wait. */
const smallBuffer = 2_048;

/** Makes the TCP class of one device. */
export function createTCP(network: SimulatedNetwork): TransportConstructor {
  return class TCP extends TCPConnection {
    constructor(options: TransportOptions) {
      super(options, network);
    }
  };
}

/** Node's socket, which knows whose it is: so its listeners are made once, not once for each connection. */
class OwnedSocket extends Socket {
  owner!: TCPConnection;
}

/** For the end of a turn. */
let flush: (connection: TCPConnection) => void;
/** For the next turn. */
let dispatch: (connection: TCPConnection) => void;
let listenTo: (socket: OwnedSocket) => void;

class TCPConnection implements Transport, NetworkConnection {
  readonly #options: TransportOptions;
  readonly #network: SimulatedNetwork;
  readonly #socket: OwnedSocket;
  readonly #received = new ByteQueue();
  /** Written in this turn, not yet handed to the socket. */
  #gathered: Buffer | undefined;
  #gatheredLength = 0;
  readonly #startedAt = performance.now();
  #connected = false;
  /** What `onError` will say once everything was read; set once. */
  #end: SealwireError | undefined;
  #done = false;
  #scheduled = false;
  #readableDue = false;
  #writableDue = false;

  constructor(options: TransportOptions, network: SimulatedNetwork) {
    const { address, port, noDelay } = options;
    if (address === undefined || isIP(address) === 0)
      throw new SealwireError("INVALID_ARGUMENT", "TCP needs the peer's IP address; find it with the resolver.");
    if (port === undefined || !Number.isInteger(port) || port < 1 || port > 65_535)
      throw new SealwireError("INVALID_ARGUMENT", "TCP needs the peer's port, 1 to 65535.");
    this.#options = options;
    this.#network = network;
    // One read of the socket at most, so that what waits stays below twice the bound.
    this.#socket = new OwnedSocket({ readableHighWaterMark: bound } as object);
    this.#socket.owner = this;
    this.#socket.setNoDelay(noDelay ?? false);
    listenTo(this.#socket);
    if (network.up) {
      network.begin(this);
      this.#socket.connect({ host: address, port });
    } else this.#fail(down());
  }

  get statistics(): ConnectionStatistics {
    return {
      startedAt: this.#startedAt,
      bytesIn: this.#socket.bytesRead,
      bytesOut: this.#socket.bytesWritten,
      open: !this.#socket.destroyed,
    };
  }

  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  read(target?: number | BufferLike): ArrayBuffer | number | undefined {
    const available = this.#received.byteLength;
    if (available === 0) return undefined;
    if (typeof target === "object") return this.#take(toBytes(target));
    if (target !== undefined && !(target >= 0))
      throw new SealwireError("INVALID_ARGUMENT", "count must not be negative.");
    const buffer = new ArrayBuffer(Math.min(Math.floor(target ?? available), available));
    this.#take(new Uint8Array(buffer));
    return buffer;
  }

  write(buffer: BufferLike): number {
    const bytes = toBytes(buffer);
    // The connection has ended and `onError` is about to say so: what is written meanwhile is lost, like what was on the wire.
    if (this.#connected && this.#end !== undefined && !this.#done) return 0;
    if (bytes.byteLength > this.#writable)
      throw new SealwireError(
        "INVALID_ARGUMENT",
        `${bytes.byteLength} bytes cannot be written now; ${this.#writable} can.`,
      );
    if (bytes.byteLength > 0) this.#gather(bytes);
    return this.#writable;
  }

  close(): void {
    if (this.#done) return;
    this.#done = true;
    this.#received.clear();
    this.#flush();
    // What was written is still sent, as a TCP stack does; nothing is waited for.
    if (this.#connected && !this.#socket.destroyed) this.#socket.resume().destroySoon();
    else this.#socket.destroy();
    this.#network.end(this);
  }

  interrupt(): void {
    if (this.#connected) this.#socket.resetAndDestroy();
    this.#fail(down());
  }

  get #writable(): number {
    if (!this.#connected || this.#done || this.#end !== undefined) return 0;
    return Math.max(0, bound - this.#gatheredLength - this.#socket.writableLength);
  }

  /** Keeps a copy of what was written; it leaves at the end of this turn, after what its promises still write. */
  #gather(bytes: Uint8Array): void {
    if (this.#gathered === undefined) process.nextTick(flush, this);
    const length = this.#gatheredLength + bytes.byteLength;
    if (this.#gathered === undefined || length > this.#gathered.byteLength) {
      const larger = Buffer.allocUnsafe(length > smallBuffer ? bound : smallBuffer);
      if (this.#gathered) larger.set(this.#gathered.subarray(0, this.#gatheredLength));
      this.#gathered = larger;
    }
    this.#gathered.set(bytes, this.#gatheredLength);
    this.#gatheredLength = length;
  }

  static {
    flush = (connection) => connection.#flush();
    dispatch = (connection) => {
      connection.#scheduled = false;
      connection.#dispatch();
    };
    const onError = function (this: OwnedSocket, error: NodeJS.ErrnoException): void {
      this.owner.#fail(toConnectionError(error, this.owner.#options));
    };
    const onConnect = function (this: OwnedSocket): void {
      this.owner.#connected = true;
      this.owner.#signalWritable();
    };
    const onData = function (this: OwnedSocket, bytes: Uint8Array): void {
      this.owner.#onData(bytes);
    };
    const onDrain = function (this: OwnedSocket): void {
      this.owner.#signalWritable();
    };
    const onEnd = function (this: OwnedSocket): void {
      this.owner.#onEnd();
    };
    const onClose = function (this: OwnedSocket): void {
      this.owner.#fail(lost("The connection was closed."));
      this.owner.#network.end(this.owner);
    };
    listenTo = (socket) =>
      void socket
        .on("error", onError)
        .on("connect", onConnect)
        .on("data", onData)
        .on("drain", onDrain)
        .on("end", onEnd)
        .on("close", onClose);
  }

  #flush(): void {
    const gathered = this.#gathered?.subarray(0, this.#gatheredLength);
    this.#gathered = undefined;
    this.#gatheredLength = 0;
    if (gathered === undefined || this.#socket.destroyed) return;
    // Node tells by "drain" only of writes that fill its own buffer; the contract wants to hear of every one.
    this.#socket.write(gathered, (error) => error ?? this.#signalWritable());
  }

  #take(target: Uint8Array): number {
    const count = this.#received.read(target);
    if (this.#received.byteLength < bound && this.#socket.isPaused()) this.#socket.resume();
    if (this.#end !== undefined) this.#schedule();
    return count;
  }

  #onData(bytes: Uint8Array): void {
    if (this.#done || this.#end !== undefined) return;
    this.#received.push(bytes);
    if (this.#received.byteLength >= bound) this.#socket.pause();
    this.#readableDue = true;
    // Node calls this from its event loop, never from inside a method of ours: no need to wait for the next turn.
    this.#dispatch();
  }

  #onEnd(): void {
    if (this.#done || this.#end !== undefined) return;
    this.#end = lost("The peer closed the connection.");
    this.#schedule();
  }

  #signalWritable(): void {
    if (this.#writable === 0) return;
    this.#writableDue = true;
    this.#schedule();
  }

  #fail(error: SealwireError): void {
    if (this.#done || this.#end !== undefined) return;
    this.#received.clear();
    this.#end = error;
    this.#socket.destroy();
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#done) return;
    this.#scheduled = true;
    setImmediate(dispatch, this);
  }

  #dispatch(): void {
    const { onReadable, onWritable, onError } = this.#options;
    if (this.#writableDue && !this.#done) {
      this.#writableDue = false;
      if (this.#writable > 0) onWritable?.(this.#writable);
    }
    if (this.#readableDue && !this.#done) {
      this.#readableDue = false;
      if (this.#received.byteLength > 0) onReadable?.(this.#received.byteLength);
    }
    if (this.#end === undefined || this.#done || this.#received.byteLength > 0) return;
    const error = this.#end;
    this.close();
    onError?.(error);
  }
}

function toConnectionError(error: NodeJS.ErrnoException, { address, port }: TransportOptions): SealwireError {
  const cause = error;
  switch (error.code) {
    case "ECONNREFUSED":
      return new SealwireError(
        "CONNECTION_REFUSED",
        `Nothing accepts connections at ${address ?? ""}, port ${port ?? 0}.`,
        {
          cause,
        },
      );
    case "ENETDOWN":
      return new SealwireError("NETWORK_DOWN", "The network interface is down.", { cause });
    default:
      return lost(`The connection failed (${error.code ?? error.message}).`, cause);
  }
}

function lost(message: string, cause?: unknown): SealwireError {
  return new SealwireError("CONNECTION_LOST", message, { cause });
}

function down(): SealwireError {
  return new SealwireError("NETWORK_DOWN", "The network interface is down.");
}
