/** Where Mosquitto's dynamic security plugin is. */
import * as fs from "node:fs";
import * as path from "node:path";
import { installMosquitto } from "../brokers/index.js";
import { CommandFailure, exitCodes } from "../failure.js";

/** Where packages put the plugin. */
const pluginFolders = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib"];

/** @throws CommandFailure when the plugin is not installed */
export function findDynamicSecurity(folders: readonly string[] = pluginFolders): string {
  const name = "mosquitto_dynamic_security.so";
  for (const folder of folders) {
    const below = fs.existsSync(folder)
      ? fs.readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())
      : [];
    for (const candidate of [path.join(folder, name), ...below.map((entry) => path.join(folder, entry.name, name))])
      if (fs.existsSync(candidate)) return candidate;
  }
  throw new CommandFailure(
    exitCodes.environment,
    "UNSUPPORTED",
    `The plugin ${name} of Mosquitto is not installed: it comes with Mosquitto 2.0 and later (${installMosquitto}).`,
  );
}
