/**
 * The simulator of the Moddable SDK on a desktop. `platform` is the device of this program, made when it is first used; its folder is named
 * by the environment variable `SEALWIRE_DEVICE`, its other settings by `SEALWIRE_DEVICE_SETTINGS`, as JSON: the options of
 * {@link createPlatform}.
 */
import type { Platform } from "../../src/platform.js";
import { MbedTLSCrypto } from "../mbedtls/mbedtls-crypto.js";
import { lazyPlatform, ModdablePlatform } from "../moddable/moddable-platform.js";
import { SimulatorBoard } from "./board.js";
import { environment } from "./native/desktop.js";
import type { SimulatorOptions } from "./options.js";

export type { SimulatorOptions } from "./options.js";

/**
 * Makes a device.
 * @throws SealwireError `STORAGE_FAILED` when the folder cannot be used
 */
export function createPlatform(options: SimulatorOptions): Platform {
  return new ModdablePlatform(new SimulatorBoard(options, new MbedTLSCrypto()));
}

export const platform: Platform = lazyPlatform(() =>
  createPlatform({
    ...(JSON.parse(environment("SEALWIRE_DEVICE_SETTINGS") ?? "{}") as Partial<SimulatorOptions>),
    folder: environment("SEALWIRE_DEVICE") ?? ".sealwire/device",
  }),
);
