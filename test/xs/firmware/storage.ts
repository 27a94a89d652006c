/** Fixture: writes two keys again and again, with the fault that the command line names. */
import { createPlatform } from "../../../hosts/xs/index.js";
import { argument } from "../../../hosts/xs/native/system.js";
import type { StorageFault } from "../../../hosts/xs/index.js";

const [folder, atWrite, action] = [argument(0)!, argument(1), argument(2)];
const fault =
  atWrite === undefined ? undefined : { atWrite: Number(atWrite), action: action as StorageFault["action"] };
const platform = createPlatform({ folder, storage: { fault } });
const storage = platform.storage!;
const read = (key: string): number => {
  const value = storage.read(key);
  return value === undefined ? 0 : (new Uint8Array(value)[0] ?? -1);
};

platform.log(`${platform.wakeCause} ${read("a")} ${read("B.2")}`);
if (fault)
  for (let i = 1; i <= 4; i++) {
    storage.write("a", Uint8Array.of(i));
    storage.write("B.2", Uint8Array.of(i));
    platform.log(`${i}`);
  }
