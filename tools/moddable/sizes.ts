/** How much flash the compiled modules take, room by room. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export interface RoomSize {
  readonly room: string;
  readonly modules: number;
  /** Of byte code as the SDK's compiler wrote it; its linker shares names and strings between modules, so flash holds a little less. */
  readonly bytes: number;
}

/** @param modules folder of an app's compiled modules @returns what Sealwire has in the app, the largest first */
export function roomSizes(modules: string): RoomSize[] {
  const rooms = new Map<string, { modules: number; bytes: number }>();
  // The makefile names what is linked: the folder also holds what an earlier build left.
  const makefile = readFileSync(join(modules, "..", "makefile"), "utf8");
  for (const [, file] of makefile.matchAll(/^\t\$\(MODULES_DIR\)\/(sealwire\S*?\.xsb)\\?$/gm)) {
    const room = roomOf(file!.split("/"));
    if (room === undefined) continue;
    const size = rooms.get(room) ?? { modules: 0, bytes: 0 };
    size.modules++;
    size.bytes += statSync(join(modules, file!)).size;
    rooms.set(room, size);
  }
  return [...rooms].map(([room, size]) => ({ room, ...size })).sort((a, b) => b.bytes - a.bytes);
}

function roomOf([first, second, third, ...rest]: string[]): string | undefined {
  if (first === "sealwire.xsb") return "names";
  if (first !== "sealwire" || second === undefined) return undefined;
  if (second === "hosts") return `hosts/${third!}`;
  if (second !== "src") return "names";
  // A file of src/ itself: the device, or what everybody uses.
  if (rest.length === 0) return /^(device|index)/.test(third!) ? "device" : "core";
  return third;
}
