/** The Node host, with the faults that a test asks for. */
import type { NodePlatform } from "../../../hosts/node/index.js";
import { SealwireError } from "../../../src/errors.js";
import type { Platform, ResolveOptions, TransportOptions, WallTime } from "../../../src/platform.js";

/** They may be changed at any time. */
export interface Faults {
  /** Whether names are found. */
  resolvable: boolean;
  /** Whether writes to storage fail. */
  storageFails: boolean;
  /** Changes what the wall clock says. */
  wall: ((wall: WallTime | undefined) => WallTime | undefined) | undefined;
}

/** @param port where all connections go */
export function faultyPlatform(real: NodePlatform, faults: Faults, port: () => number): Platform {
  const TCP = real.tcp;
  const RealResolver = real.resolver;
  const storage = real.storage!;
  return {
    ...real,
    storage: {
      maximumKeyLength: storage.maximumKeyLength,
      maximumValueLength: storage.maximumValueLength,
      capacity: storage.capacity,
      read: (key) => storage.read(key),
      write: (key, value) => {
        if (faults.storageFails) throw new SealwireError("STORAGE_FAILED", "The storage is full.");
        storage.write(key, value);
      },
      delete: (key) => storage.delete(key),
      [Symbol.iterator]: () => storage[Symbol.iterator](),
    },
    time: () => (faults.wall ? faults.wall(real.time()) : real.time()),
    tcp: class extends TCP {
      constructor(options: TransportOptions) {
        super({ ...options, port: port() });
      }
    },
    resolver: class extends RealResolver {
      override resolve(options: ResolveOptions): void {
        if (faults.resolvable) super.resolve(options);
        else setImmediate(() => options.onError?.(new SealwireError("NAME_NOT_RESOLVED", "The name is gone.")));
      }
    },
  };
}
