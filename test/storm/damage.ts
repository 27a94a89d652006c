/** Bad storage, to prove that the storm tells. */
import type { BufferLike, KeyValueStorage } from "../../src/platform.js";

export const damages = ["writes", "inbound", "releases", "removals"] as const;

/**
 * What the storage does though it says that all is well. `writes`: it loses one of fifty. `inbound`: it keeps no inbound state. `releases`: it
 * keeps a publication as it was when it was stored first. `removals`: it removes nothing.
 */
export type Damage = (typeof damages)[number];

export function damaged(storage: KeyValueStorage, damage: Damage): KeyValueStorage {
  let writes = 0;
  const loses = (key: string): boolean => {
    switch (damage) {
      case "writes":
        return ++writes % 50 === 0;
      case "inbound":
        return key === "sw.mq.in";
      case "releases":
        return key.startsWith("sw.mq.o") && storage.read(key) !== undefined;
      case "removals":
        return false;
    }
  };
  return {
    maximumKeyLength: storage.maximumKeyLength,
    maximumValueLength: storage.maximumValueLength,
    capacity: storage.capacity,
    read: (key) => storage.read(key),
    write: (key: string, value: BufferLike) => {
      if (!loses(key)) storage.write(key, value);
    },
    delete: (key) => (damage === "removals" ? storage.read(key) !== undefined : storage.delete(key)),
    [Symbol.iterator]: () => storage[Symbol.iterator](),
  };
}
