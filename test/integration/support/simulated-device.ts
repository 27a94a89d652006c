/** A device in this process: the real Node host on a folder, which can sleep, lose its network and lose its power. */
import { createPlatform, type NodePlatform, type NodePlatformOptions } from "../../../hosts/node/index.js";
import type { WakeCause } from "../../../src/platform.js";
import { Device } from "../../../src/device.js";
import type { DeviceConnected, DeviceDisconnected, DeviceOptions } from "../../../src/device/index.js";
import type { Credentials } from "../../../src/vault/index.js";
import type { Credentials as IssuedCredentials } from "../../../tools/pki/index.js";
import { eventually } from "./eventually.js";

export interface SimulatedDeviceOptions {
  readonly folder: string;
  readonly port: number;
  readonly root: Uint8Array;
  readonly issued: IssuedCredentials;
  readonly credentials?: Partial<Credentials>;
  readonly device?: Partial<DeviceOptions>;
  readonly platform?: Partial<NodePlatformOptions>;
}

/** One start of the firmware after the other, on one folder. */
export class SimulatedDevice {
  readonly connects: DeviceConnected[] = [];
  readonly disconnects: DeviceDisconnected[] = [];
  readonly #options: SimulatedDeviceOptions;
  /** What is changed before the next start. */
  credentials: Partial<Credentials>;
  platform!: NodePlatform;
  device!: Device;

  constructor(options: SimulatedDeviceOptions) {
    this.#options = options;
    this.credentials = options.credentials ?? {};
    this.boot("power");
  }

  /** The program starts again from the top; what it had in RAM is gone. */
  boot(wakeCause: WakeCause): Device {
    const { folder, port, root, issued } = this.#options;
    this.platform = createPlatform({
      folder,
      wakeCause,
      hosts: { localhost: "127.0.0.1" },
      log: () => undefined,
      powerDown: () => undefined,
      ...this.#options.platform,
    });
    this.device = new Device({
      platform: this.platform,
      credentials: {
        broker: { host: "localhost", port },
        trustAnchors: [root],
        certificateChain: issued.certificateChain,
        privateKey: this.platform.crypto.importKey("private", issued.privateKey),
        ...this.credentials,
      },
      // Half a second at most, so that a test need not wait for the windows of a real fleet.
      reconnectSpread: [500],
      onConnected: (info) => this.connects.push(info),
      onDisconnected: (info) => this.disconnects.push(info),
      ...this.#options.device,
    });
    return this.device;
  }

  /** The power is cut and comes back: no goodbye, retained memory lost. */
  powerCut(): Device {
    const { device } = this;
    this.platform.network.set(false);
    void device.stop().catch(() => undefined);
    return this.boot("power");
  }

  /** Deep sleep, and the wake after it. */
  async sleepAndWake(): Promise<Device> {
    await this.device.sleep(1000);
    return this.boot("sleep");
  }

  /** Waits for the n-th connection since the beginning. */
  async connected(n: number): Promise<DeviceConnected> {
    await eventually(() => this.connects.length >= n, `connection ${n}`);
    return this.connects[n - 1]!;
  }

  async lost(n: number): Promise<DeviceDisconnected> {
    await eventually(() => this.disconnects.length >= n, `loss ${n}`);
    return this.disconnects[n - 1]!;
  }
}
