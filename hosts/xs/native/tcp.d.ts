import type { SealwireError } from "../../../src/errors.js";

/** What a native socket is made with. */
export interface SocketOptions {
  readonly address: string;
  readonly port: number;
  readonly noDelay: boolean;
  readonly onReadable: ((count: number) => void) | undefined;
  readonly onWritable: ((count: number) => void) | undefined;
  /** Called with what {@link Socket.describe} makes of the reason. */
  readonly onError: ((error?: SealwireError) => void) | undefined;
}

/** A TCP connection. */
export class Socket {
  /** @throws RangeError when `address` is no IP address */
  constructor(options: SocketOptions);
  read(count?: number): ArrayBuffer | undefined;
  read(buffer: ArrayBuffer | Uint8Array): number | undefined;
  /** Writes everything. @returns what is still writable; or, when the buffer is too large, -1 less that number */
  write(buffer: ArrayBuffer | Uint8Array): number;
  close(): void;
  /** @param reason an errno, 0 when the peer closed properly */
  protected describe(reason: number): SealwireError;
}
