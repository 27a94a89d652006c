/** How a board configures the firmware's process: environment variables. */
import { SealwireError } from "../../src/errors.js";
import type { WakeCause } from "../../src/platform.js";
import type { NodePlatformOptions } from "./create-platform.js";

/** The part of the options that can be handed to another process. */
export type DeviceSettings = Pick<
  NodePlatformOptions,
  "folder" | "wakeCause" | "hosts" | "retainedBytes" | "storage" | "rootOfTrust" | "counter" | "networkUp"
>;

const names = {
  /** The device folder; `.sealwire/device` in the working directory when not set. */
  folder: "SEALWIRE_DEVICE",
  wakeCause: "SEALWIRE_WAKE_CAUSE",
  /** The other settings, as JSON. */
  settings: "SEALWIRE_DEVICE_SETTINGS",
} as const;

const wakeCauses: readonly (string | undefined)[] = ["power", "sleep", "restart", "watchdog"] satisfies WakeCause[];

export function toEnvironment(settings: DeviceSettings): Record<string, string> {
  const { folder, wakeCause, ...others } = settings;
  return {
    [names.folder]: folder,
    [names.settings]: JSON.stringify(others),
    ...(wakeCause && { [names.wakeCause]: wakeCause }),
  };
}

/** @throws SealwireError `INVALID_ARGUMENT` */
export function fromEnvironment(environment: NodeJS.ProcessEnv): NodePlatformOptions {
  const wakeCause = environment[names.wakeCause];
  if (wakeCause !== undefined && !wakeCauses.includes(wakeCause))
    throw new SealwireError("INVALID_ARGUMENT", `${names.wakeCause} must be one of ${wakeCauses.join(", ")}.`);
  let others: Partial<DeviceSettings>;
  try {
    others = JSON.parse(environment[names.settings] ?? "{}") as Partial<DeviceSettings>;
  } catch (error) {
    throw new SealwireError("INVALID_ARGUMENT", `${names.settings} must be JSON.`, { cause: error });
  }
  return {
    ...others,
    folder: environment[names.folder] ?? ".sealwire/device",
    wakeCause: wakeCause as WakeCause | undefined,
  };
}
