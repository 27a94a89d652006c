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
/** What is written in a turn is gathered in a buffer of this size; once it is full it is handed to the socket before the turn ends. */
const gatherLength = 16_384;

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

/** Where all sockets put what arrives: it is taken or copied before the next one is read. */
const arrived = new Uint8Array(bound);
/** How much of it is there, and how much of that was read: while `onReadable` runs, else 0. */
let arrivedLength = 0;
let arrivedOffset = 0;
/** Whose it is. */
let arrivedFor: object | undefined;
/** A buffer to gather in that no socket holds. One is enough: the next connection that writes in the same turn makes its own. */
let spare: Buffer | undefined;
let socketOptions: object;

/** For the end of a turn. */
let flush: (connection: TCPConnection) => void;
/** For the next turn. */
let dispatch: (connection: TCPConnection) => void;
let listenTo: (socket: OwnedSocket) => void;

class TCPConnection implements Transport, NetworkConnection {
  // Not the options as a whole: they would be most of what a connection keeps.
  readonly #address: string;
  readonly #port: number;
  readonly #onReadable: TransportOptions["onReadable"];
  readonly #onWritable: TransportOptions["onWritable"];
  readonly #onError: TransportOptions["onError"];
  readonly #network: SimulatedNetwork;
  readonly #socket: OwnedSocket;
  /** What was left unread when the socket's buffer was needed again; not there before the first time. */
  #received: ByteQueue | undefined;
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
  #flushDue = false;

  constructor(options: TransportOptions, network: SimulatedNetwork) {
    const { address, port, noDelay } = options;
    if (address === undefined || isIP(address) === 0)
      throw new SealwireError("INVALID_ARGUMENT", "TCP needs the peer's IP address; find it with the resolver.");
    if (port === undefined || !Number.isInteger(port) || port < 1 || port > 65_535)
      throw new SealwireError("INVALID_ARGUMENT", "TCP needs the peer's port, 1 to 65535.");
    this.#address = address;
    this.#port = port;
    this.#onReadable = options.onReadable;
    this.#onWritable = options.onWritable;
    this.#onError = options.onError;
    this.#network = network;
    this.#socket = new OwnedSocket(socketOptions);
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
    const available = this.#available;
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
    this.#forget();
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

  /** Bytes that can be read. */
  get #available(): number {
    return (this.#received?.byteLength ?? 0) + this.#fresh;
  }

  /** Bytes in the shared buffer. */
  get #fresh(): number {
    return arrivedFor === this ? arrivedLength - arrivedOffset : 0;
  }

  /** Keeps a copy of what was written; it leaves at the end of this turn at the latest, after what its promises still write. */
  #gather(bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.byteLength;) {
      if (this.#gathered === undefined) {
        this.#gathered = spare ?? Buffer.allocUnsafeSlow(gatherLength);
        spare = undefined;
      }
      const count = Math.min(bytes.byteLength - offset, gatherLength - this.#gatheredLength);
      this.#gathered.set(
        count === bytes.byteLength ? bytes : bytes.subarray(offset, offset + count),
        this.#gatheredLength,
      );
      this.#gatheredLength += count;
      offset += count;
      if (this.#gatheredLength === gatherLength) this.#flush();
    }
    if (this.#gathered === undefined || this.#flushDue) return;
    this.#flushDue = true;
    process.nextTick(flush, this);
  }

  static {
    flush = (connection) => {
      connection.#flushDue = false;
      connection.#flush();
    };
    dispatch = (connection) => {
      connection.#scheduled = false;
      connection.#dispatch();
    };
    const onError = function (this: OwnedSocket, error: NodeJS.ErrnoException): void {
      this.owner.#fail(toConnectionError(error, this.owner.#address, this.owner.#port));
    };
    const onConnect = function (this: OwnedSocket): void {
      this.owner.#connected = true;
      this.owner.#signalWritable();
    };
    const onData = function (this: OwnedSocket, count: number): void {
      this.owner.#onData(count);
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
    socketOptions = {
      // Node calls it with the socket as `this`, which its types do not say.
      onread: { buffer: arrived, callback: onData },
      // "drain" then follows every write that the kernel took, not only those that filled a buffer of Node's own.
      writableHighWaterMark: 1,
    };
    listenTo = (socket) =>
      void socket
        .on("error", onError)
        .on("connect", onConnect)
        .on("drain", onDrain)
        .on("end", onEnd)
        .on("close", onClose);
  }

  #flush(): void {
    const gathered = this.#gathered;
    if (gathered === undefined) return;
    const length = this.#gatheredLength;
    this.#gathered = undefined;
    this.#gatheredLength = 0;
    if (!this.#socket.destroyed) this.#socket.write(gathered.subarray(0, length));
    // The kernel took all of it: the memory is free again. Else it belongs to the socket.
    if (this.#socket.writableLength === 0) spare = gathered;
  }

  #take(target: Uint8Array): number {
    let count = this.#received?.read(target) ?? 0;
    const fresh = Math.min(target.byteLength - count, this.#fresh);
    if (fresh > 0) {
      target.set(arrived.subarray(arrivedOffset, arrivedOffset + fresh), count);
      arrivedOffset += fresh;
      count += fresh;
    }
    if (this.#socket.isPaused() && this.#available < bound) this.#socket.resume();
    if (this.#end !== undefined) this.#schedule();
    return count;
  }

  #onData(count: number): void {
    if (this.#done || this.#end !== undefined) return;
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- whose bytes lie in the shared buffer
    arrivedFor = this;
    arrivedLength = count;
    arrivedOffset = 0;
    this.#readableDue = true;
    try {
      // Node calls this from its event loop, never from inside a method of ours: no need to wait for the next turn.
      this.#dispatch();
    } finally {
      this.#keep();
    }
  }

  /** Copies what was not read: the buffer is shared. */
  #keep(): void {
    const rest = this.#fresh > 0 ? arrived.slice(arrivedOffset, arrivedLength) : undefined;
    arrivedFor = undefined;
    if (!rest) return;
    const received = (this.#received ??= new ByteQueue());
    received.push(rest);
    if (received.byteLength >= bound) this.#socket.pause();
  }

  #forget(): void {
    this.#received?.clear();
    if (arrivedFor === this) arrivedFor = undefined;
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
    this.#forget();
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
    if (this.#writableDue && !this.#done) {
      this.#writableDue = false;
      if (this.#writable > 0) call(this.#onWritable, this.#writable);
    }
    if (this.#readableDue && !this.#done) {
      this.#readableDue = false;
      if (this.#available > 0) call(this.#onReadable, this.#available);
    }
    if (this.#end === undefined || this.#done || this.#available > 0) return;
    const error = this.#end;
    this.close();
    call(this.#onError, error);
  }
}

/** Calls back, with no `this`. */
function call<T>(callback: ((value: T) => void) | undefined, value: T): void {
  callback?.(value);
}

function toConnectionError(error: NodeJS.ErrnoException, address: string, port: number): SealwireError {
  const cause = error;
  switch (error.code) {
    case "ECONNREFUSED":
      return new SealwireError("CONNECTION_REFUSED", `Nothing accepts connections at ${address}, port ${port}.`, {
        cause,
      });
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
