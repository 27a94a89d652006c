/** ESP32, S2, S3, C3, C6. `platform` is the device of this chip, made when it is first used. */
import type { Platform } from "../../src/platform.js";
import { ChipBoard } from "../moddable/chip/chip-board.js";
import { provisioningIn } from "../moddable/chip/flash-area.js";
import { lazyPlatform, ModdablePlatform } from "../moddable/moddable-platform.js";
import { NVSStorage } from "./nvs-storage.js";

/** In the app's partition table: see docs/targets.md. */
const provisioningPartition = "sealwire";

/** @throws SealwireError `STORAGE_FAILED` */
export function createPlatform(): Platform {
  const storage = new NVSStorage("sealwire");
  return new ModdablePlatform(new ChipBoard("esp32", storage, provisioningIn(provisioningPartition), true));
}

export const platform: Platform = lazyPlatform(createPlatform);
