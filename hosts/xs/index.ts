/**
 * The desktop host on the XS engine. `platform` is the device of this process, made when it is first used; its folder is named by
 * the environment variable `SEALWIRE_DEVICE`, its other settings by `SEALWIRE_DEVICE_SETTINGS`, as JSON: the options of
 * {@link createPlatform}.
 */
import type { Platform } from "../../src/platform.js";
import { createPlatform, type XSPlatformOptions } from "./create-platform.js";
import { environment } from "./native/system.js";

export { createPlatform, type XSPlatformOptions } from "./create-platform.js";
export type { StorageFault, StorageOptions } from "../files/folder-storage.js";

/** Preloaded modules are frozen in flash: what changes lies in an object that is made when it is first needed. */
function thisDevice(target: { device?: Platform }): Platform {
  return (target.device ??= createPlatform({
    ...(JSON.parse(environment("SEALWIRE_DEVICE_SETTINGS") ?? "{}") as Partial<XSPlatformOptions>),
    folder: environment("SEALWIRE_DEVICE") ?? ".sealwire/device",
  }));
}

/** The device of this process. Made at first use, so that importing it does nothing. */
export const platform: Platform = new Proxy({} as { device?: Platform } & Platform, {
  get: (target, property) => Reflect.get(thisDevice(target), property) as unknown,
  has: (target, property) => Reflect.has(thisDevice(target), property),
});
