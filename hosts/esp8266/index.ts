/** ESP8266. `platform` is the device of this chip, made when it is first used. */
import type { Platform } from "../../src/platform.js";
import { LogStore } from "../../src/storage/index.js";
import { ChipBoard } from "../moddable/chip/chip-board.js";
import { FlashArea, provisioningIn } from "../moddable/chip/flash-area.js";
import { lazyPlatform, ModdablePlatform } from "../moddable/moddable-platform.js";

/** The SDK's area for a file system, in sectors of 4 KB: four for the provisioning record, the next eight for the store. */
const partition = "storage";
const provisioningSectors = 4;
const storeSectors = 8;

/** @throws SealwireError `STORAGE_FAILED` */
export function createPlatform(): Platform {
  const storage = new LogStore(new FlashArea(partition, provisioningSectors, storeSectors));
  // Its clock begins anew after each deep sleep.
  return new ModdablePlatform(
    new ChipBoard("esp8266", storage, provisioningIn(partition, 0, provisioningSectors), false),
  );
}

export const platform: Platform = lazyPlatform(createPlatform);
