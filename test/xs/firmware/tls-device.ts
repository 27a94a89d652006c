/**
 * Fixture: a whole device with mutual TLS. It publishes one message, and then sleeps, or waits for its power to be cut; or it does no more than
 * stay connected. Its settings come as JSON in a file that the first argument names.
 */
import { createPlatform } from "../../../hosts/xs/index.js";
import * as file from "../../../hosts/xs/native/file.js";
import { argument } from "../../../hosts/xs/native/system.js";
import { memory } from "../../../hosts/mbedtls/library.js";
import { fromHex, fromUTF8 } from "../../../src/bytes.js";
import type { TLSVersion } from "../../../src/platform.js";
import { Device } from "../../../src/device.js";

interface Settings {
  readonly folder: string;
  readonly port: number;
  readonly root: string;
  readonly certificateChain: readonly string[];
  readonly privateKey: string;
  readonly maximumVersion: TLSVersion;
  readonly then: "sleep" | "wait" | "stay";
  readonly retainedBytes?: number;
  readonly sessionsInFlash?: boolean;
}

const settings = JSON.parse(fromUTF8(new Uint8Array(file.read(argument(0)!)!))!) as Settings;
const platform = createPlatform({
  folder: settings.folder,
  hosts: { localhost: "127.0.0.1" },
  ...(settings.retainedBytes !== undefined && { retainedBytes: settings.retainedBytes }),
});
const device = new Device({
  platform,
  sessionsInFlash: settings.sessionsInFlash,
  credentials: {
    broker: { host: "localhost", port: settings.port },
    maximumVersion: settings.maximumVersion,
    trustAnchors: [fromHex(settings.root)],
    certificateChain: settings.certificateChain.map((certificate) => fromHex(certificate)),
    privateKey: platform.crypto.importKey("private", fromHex(settings.privateKey)),
  },
  reconnectSpread: [200],
  onConnected: ({ protocol, resumed }) => platform.log(`connected ${protocol} ${resumed ? "resumed" : "full"}`),
  onDisconnected: ({ cause }) => cause && platform.log(`${cause.code}: ${cause.message}`),
  onError: (error) => platform.log(`${error.code}: ${error.message}`),
});
await device.start();
if (settings.then !== "stay") {
  await device.publish("%c/telemetry", "21.5", { qos: 1 });
  platform.log(`published ${memory(0)} ${memory(1)}`);
}
if (settings.then === "sleep") await device.sleep(1000);
