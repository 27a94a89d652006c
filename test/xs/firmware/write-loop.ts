/** Fixture: writes keys in turn, telling each write once it is durable, until the process is killed. */
import { createPlatform, type StorageFault } from "../../../hosts/xs/index.js";
import { argument } from "../../../hosts/xs/native/system.js";

const fault = argument(1);
const platform = createPlatform({
  folder: argument(0)!,
  storage: fault === undefined ? {} : { fault: JSON.parse(fault) as StorageFault },
});
const storage = platform.storage!;
const keys = ["a", "b", "C.3"];

/** A value tells its round by every byte, so that a torn one shows. */
const value = (round: number): Uint8Array => new Uint8Array(300 + (round % 50)).fill(round);

if (fault === "null") {
  for (const key of keys) {
    const bytes = storage.read(key);
    const view = bytes && new Uint8Array(bytes);
    const round = view?.[0] ?? 0;
    const whole =
      view === undefined || (view.byteLength === 300 + (round % 50) && view.every((byte) => byte === round));
    platform.log(`${key} ${whole ? round : "torn"}`);
  }
} else
  for (let round = 1; round < 250; round++)
    for (const key of keys) {
      platform.log(`begin ${key} ${round}`);
      storage.write(key, value(round));
      platform.log(`done ${key} ${round}`);
    }
