/* Like index.ts, without what lies behind: an app's compiler needs no more. */
import type { Platform } from "../../dist/src/platform.js";

export function createPlatform(): Platform;
export const platform: Platform;
