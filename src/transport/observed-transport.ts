/** A transport whose bytes somebody watches. */
import { toBytes } from "../bytes.js";
import type {
  BufferLike,
  Transport,
  TransportConstructor,
  TransportDescriptor,
  TransportOptions,
} from "../platform.js";

export interface TransportObserver {
  /** Bytes that were read or written. They are not the observer's: it must neither keep nor change them. It must not throw. */
  readonly onRead?: ((bytes: Uint8Array) => void) | undefined;
  readonly onWritten?: ((bytes: Uint8Array) => void) | undefined;
}

/** @returns a class of transports like that of `descriptor`, with its options, that tell `observer` what goes through them */
export function observeTransport(descriptor: TransportDescriptor, observer: TransportObserver): TransportConstructor {
  const { io, ...own } = descriptor;
  return class ObservedTransport implements Transport {
    readonly #transport: Transport;

    constructor(options: TransportOptions) {
      this.#transport = new io({ ...own, ...options });
    }

    read(count?: number): ArrayBuffer | undefined;
    read(buffer: BufferLike): number | undefined;
    read(into?: number | BufferLike): ArrayBuffer | number | undefined {
      if (typeof into === "object") {
        const count = this.#transport.read(into);
        if (count) observer.onRead?.(toBytes(into).subarray(0, count));
        return count;
      }
      const bytes = this.#transport.read(into);
      if (bytes) observer.onRead?.(new Uint8Array(bytes));
      return bytes;
    }

    write(buffer: BufferLike): number {
      const writable = this.#transport.write(buffer);
      observer.onWritten?.(toBytes(buffer));
      return writable;
    }

    close(): void {
      this.#transport.close();
    }
  };
}
