/** The ECMA-419 TCP socket class pattern over the host program's native socket. */
import { toBytes } from "../../src/bytes.js";
import { SealwireError } from "../../src/errors.js";
import type { BufferLike, Transport, TransportOptions } from "../../src/platform.js";
import { Socket } from "./native/tcp.js";

/** Linux's numbers. */
const refused = 111;
const networkDown = 100;

export class TCP extends Socket implements Transport {
  /** @throws SealwireError `INVALID_ARGUMENT` */
  constructor({ address, port, noDelay, onReadable, onWritable, onError }: TransportOptions) {
    if (port === undefined || !Number.isInteger(port) || port < 1 || port > 65_535)
      throw new SealwireError("INVALID_ARGUMENT", "TCP needs the peer's port, 1 to 65535.");
    if (address === undefined || !/^[0-9a-fA-F.:]+$/.test(address))
      throw new SealwireError("INVALID_ARGUMENT", "TCP needs the peer's IP address; find it with the resolver.");
    super({
      address,
      port,
      noDelay: noDelay ?? false,
      onReadable,
      onWritable,
      onError,
    });
  }

  /** A method that the native socket asks: a closure around each `onError` would cost the heap. */
  protected override describe(reason: number): SealwireError {
    return toConnectionError(reason);
  }

  override write(buffer: BufferLike): number {
    const writable = super.write(buffer);
    if (writable < 0)
      throw new SealwireError(
        "INVALID_ARGUMENT",
        `${toBytes(buffer).byteLength} bytes cannot be written now; ${-1 - writable} can.`,
      );
    return writable;
  }
}

function toConnectionError(reason: number): SealwireError {
  if (reason === 0) return new SealwireError("CONNECTION_LOST", "The peer closed the connection.");
  if (reason === refused)
    return new SealwireError("CONNECTION_REFUSED", "Nothing accepts connections at that address and port.");
  if (reason === networkDown) return new SealwireError("NETWORK_DOWN", "The network interface is down.");
  return new SealwireError("CONNECTION_LOST", `The connection failed (errno ${reason}).`);
}
