/**
 * The desktop simulator on Node. `platform` is the device of this process, made when it is first used and configured by the
 * board that started the process; `Board` is what starts it, cuts its power and its network, and wakes it.
 */
import type { Platform } from "../../src/platform.js";
import { boardLink } from "./board/board-link.js";
import { createPlatform, type NodePlatform } from "./create-platform.js";
import { fromEnvironment } from "./environment.js";

export { Board, type BoardEvent, type BoardExit, type BoardOptions } from "./board/board.js";
export type { Launcher } from "./board/launcher.js";
export { type DeviceClock, ManualClock, SystemClock } from "./clock.js";
export { createPlatform, type NodePlatform, type NodePlatformOptions } from "./create-platform.js";
export type { PowerDown } from "./device-folder.js";
export type { ConnectionStatistics } from "./network.js";
export type { StorageFault, StorageOptions } from "./storage.js";

let device: NodePlatform | undefined;

function thisDevice(): NodePlatform {
  if (device !== undefined) return device;
  const link = boardLink();
  const observe =
    link && ((event: Parameters<NonNullable<Platform["observe"]>>[0]) => link.send({ kind: "event", event }));
  const created = createPlatform({ ...fromEnvironment(process.env), observe });
  if (link) link.onNetwork = (up) => created.network.set(up);
  return (device = created);
}

/** The device of this process. Made at first use, so that importing it does nothing. */
export const platform: Platform = new Proxy({} as Platform, {
  get: (_, property) => Reflect.get(thisDevice(), property) as unknown,
  has: (_, property) => Reflect.has(thisDevice(), property),
});
