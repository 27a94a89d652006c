/**
 * What the firmware does in one wake. In a module that is preloaded: its class and functions lie in flash, while those of the main module take the
 * heap, six slots each and one for every variable they use.
 */
import { Device, Vault } from "sealwire";
import type { Platform } from "sealwire/platform";
import { Sealing } from "sealwire/sealing";
import { certificatesIn } from "./certificates.js";

const READINGS = 4;
const PERIOD = 250;
const SLEEP = 500;

export class Telemetry {
  private readonly platform: Platform;
  private readonly vault: Vault;
  private readonly device: Device;
  /** Whether payloads are sealed, both ways: with a payload secret among its credentials they are. */
  private readonly sealed: boolean;
  /** Takes the chain that answers a request. */
  private answered: ((chain: Uint8Array[]) => void) | undefined;
  /** While it is under way the link is being replaced: readings wait, and so does the sleep, which would take it back. */
  private renewal: Promise<void> | undefined;

  constructor(platform: Platform) {
    const { storage, crypto, rootOfTrust, counter } = platform;
    this.platform = platform;
    this.vault = Vault.open({ storage, crypto, rootOfTrust, counter, clock: { now: () => platform.time()?.now } });
    // At the very first start. A device would do it by itself, deeper down, and the stack for that would be missing in the heap ever after.
    if (platform.provisioning && this.vault.status.integrity === "empty") this.vault.import(platform.provisioning);
    this.sealed = this.vault.credentials.payloadSecrets !== undefined;
    this.device = new Device({
      platform,
      vault: this.vault,
      // 13 bytes a message less than the encoding cose; a back end reads both.
      sealing: this.sealed ? new Sealing({ encoding: "compact" }) : undefined,
      onConnected: ({ protocol, resumed }) => {
        platform.log(`connected: ${protocol}, ${resumed ? "resumed" : "full handshake"}`);
      },
      onDisconnected: ({ cause, willRetryIn }) => {
        const next = willRetryIn === undefined ? "once the network is up" : `in ${Math.round(willRetryIn)} ms`;
        platform.log(`disconnected: ${cause?.message ?? "closed"} Next try ${next}.`);
      },
      onError: (error) => {
        platform.log(`${error.code}: ${error.message}`);
      },
    });
  }

  async run(): Promise<void> {
    const { device, platform, sealed } = this;
    // Granted once there is a connection; what was sent during a sleep comes with it.
    void device.subscribe("%c/certificate/renew", () => void (this.renewal ??= this.renew()), { qos: 1, sealed });
    const answer = ({ payload }: { readonly payload: Uint8Array }): void => this.answered?.(certificatesIn(payload));
    void device.subscribe("%c/certificate/chain", answer, { qos: 1, sealed });
    platform.log(`${device.clientIdentifier} starts (${platform.wakeCause})`);
    await device.start();
    for (let count = 1; count <= READINGS; count++) {
      if (this.renewal) {
        await this.renewal;
        await this.pause(PERIOD);
      }
      const reading = { count, time: platform.time()?.now, heap: platform.heap()?.heap?.used };
      await device.publish("%c/telemetry", JSON.stringify(reading), { qos: 1, seal: sealed });
      await this.pause(PERIOD);
    }
    await this.renewal;
    platform.log(`sleeps for ${SLEEP} ms`);
    await device.sleep(SLEEP);
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.platform.timer.set(resolve, milliseconds);
    });
  }

  /** Has the request signed by the back end, over the link itself. */
  private async ask(request: Uint8Array): Promise<Uint8Array[]> {
    const answer = new Promise<Uint8Array[]>((resolve) => (this.answered = resolve));
    await this.device.publish("%c/certificate/request", request, { qos: 1, seal: this.sealed });
    const chain = await answer;
    // The message is acknowledged first: else the broker would send it again over the next connection.
    await this.pause(0);
    return chain;
  }

  private async renew(): Promise<void> {
    const { platform } = this;
    try {
      await this.device.rotateCertificate((request) => this.ask(request));
      platform.log("renewed: the new certificate is in force");
    } catch (error) {
      platform.log(`not renewed: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      const { version, lastRotation } = this.vault.status;
      platform.observe?.({ event: "rotated", version, outcome: lastRotation?.outcome });
      this.renewal = undefined;
    }
  }
}
