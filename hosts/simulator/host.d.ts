/* Like index.ts, without what lies behind: an app's compiler needs no more. */
import type { Platform } from "../../dist/src/platform.js";
import type { SimulatorOptions } from "../../dist/hosts/simulator/options.js";

export type { SimulatorOptions };
export function createPlatform(options: SimulatorOptions): Platform;
export const platform: Platform;
