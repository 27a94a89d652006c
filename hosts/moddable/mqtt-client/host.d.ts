import type { Platform } from "../../../src/platform.js";

/** Made when it is first used. */
export const platform: Platform;
