/** Transports and names: the ECMA-419 class patterns of sections 12 and 21. */
import type { SealwireError } from "../errors.js";

/** Bytes handed to a host. A host copies what it keeps: the caller may reuse the memory once the call returns. */
export type BufferLike = ArrayBuffer | Uint8Array;

/** Options of every {@link Transport}; a transport may have more of its own. */
export interface TransportOptions {
  /** IP address of the peer, when it is known already. */
  readonly address?: string;
  /** Name of the peer, for protocols that carry it (TLS server name, HTTP host). */
  readonly host?: string;
  /** Port of the peer, 1 to 65535. */
  readonly port?: number;
  /** TCP only: sends small segments at once. */
  readonly noDelay?: boolean;
  /**
   * Bytes arrived. `count` is the number of bytes that can be read now, those left unread before included. Not called again
   * for unread bytes until more arrive.
   */
  readonly onReadable?: ((count: number) => void) | undefined;
  /** The transport is connected, or took what was written: `count` bytes can be written now. */
  readonly onWritable?: ((count: number) => void) | undefined;
  /**
   * The connection failed or ended; nothing can be read or written any more. Called at most once, and after a proper end only when
   * everything that arrived before it was read.
   */
  readonly onError?: ((error?: SealwireError) => void) | undefined;
}

/** A byte stream to one peer: the ECMA-419 TCP socket class pattern, with `format` fixed to `"buffer"`. */
export interface Transport {
  /**
   * Reads at most `count` bytes (all that is there when left out), or as many as fit into the given buffer.
   * @returns the bytes; for a given buffer the number of bytes put there; `undefined` when there is nothing to read
   */
  read(count?: number): ArrayBuffer | undefined;
  read(buffer: BufferLike): number | undefined;
  /**
   * Writes all of `buffer`.
   * @returns the number of bytes that can be written now
   * @throws SealwireError `INVALID_ARGUMENT` when `buffer` is larger than what is writable
   */
  write(buffer: BufferLike): number;
  /** Ends the connection at once. Safe inside every callback and more than once. */
  close(): void;
}

/** A class of transports. */
export type TransportConstructor<O extends TransportOptions = TransportOptions> = new (options: O) => Transport;

/** How ECMA-419 hands a transport class to a protocol: the class as `io`, beside the options it shall be made with. */
export interface TransportDescriptor {
  // What a class wants beside TransportOptions is between it and whoever writes the descriptor.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly io: new (options: any) => Transport;
  readonly [option: string]: unknown;
}

/** One request to a {@link Resolver}. */
export interface ResolveOptions {
  readonly host: string;
  /** `address` is a numeric IPv4 or IPv6 address. */
  readonly onResolved: (host: string, address: string) => void;
  readonly onError?: ((error?: SealwireError) => void) | undefined;
}

/** Finds the address of a name: the ECMA-419 DNS resolver class pattern. */
export interface Resolver {
  resolve(options: ResolveOptions): void;
  close(): void;
}

export type ResolverConstructor = new (options: object) => Resolver;

/** How ECMA-419 hands a resolver class to a protocol. */
export interface ResolverDescriptor {
  readonly io: ResolverConstructor;
  readonly [option: string]: unknown;
}
