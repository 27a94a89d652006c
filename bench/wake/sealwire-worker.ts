/** Our wake, as firmware does it: publish, start, wait for the acknowledgement, sleep. */
import { createPlatform } from "../../hosts/node/index.js";
import { Device, type ResolveOptions } from "../../src/index.js";
import type { Platform } from "../../src/platform.js";
import type { WakeResult, WakeSettings } from "./protocol.js";

function der(pem: string): Uint8Array[] {
  return (pem.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g) ?? []).map(
    (block) => new Uint8Array(Buffer.from(block.replace(/-----[^-]+-----|\s/g, ""), "base64")),
  );
}

export class SealwireContestant {
  readonly #settings: WakeSettings;
  #wakes = 0;
  #device: Device | undefined;

  constructor(settings: WakeSettings) {
    this.#settings = settings;
  }

  async wake(payload: string): Promise<WakeResult> {
    const { folder, port, delay, root, certificate, key } = this.#settings;
    const platform = createPlatform({
      folder,
      wakeCause: this.#wakes++ === 0 ? "power" : "sleep",
      hosts: { "broker.example": "127.0.0.1" },
      log: () => undefined,
      powerDown: () => undefined,
    });
    let dnsQueries = 0;
    const Resolver = platform.resolver;
    const slow: Platform = {
      ...platform,
      resolver: class extends Resolver {
        override resolve(options: ResolveOptions): void {
          dnsQueries++;
          setTimeout(() => super.resolve(options), 2 * delay);
        }
      },
    };
    let resumed = false;
    const started = performance.now();
    const cpu = process.cpuUsage();
    const device = (this.#device = new Device({
      platform: slow,
      clientIdentifier: "bench",
      credentials: {
        broker: { host: "broker.example", port },
        trustAnchors: der(root),
        certificateChain: der(certificate),
        privateKey: platform.crypto.importKey("private", der(key)[0]!),
      },
      onConnected: (info) => (resumed = info.resumed),
    }));
    const published = device.publish("bench/wake", payload, { qos: 1 });
    await device.start();
    await published;
    const { user, system } = process.cpuUsage(cpu);
    return { resumed, dnsQueries, milliseconds: performance.now() - started, cpuMicroseconds: user + system };
  }

  sleep(): Promise<void> {
    return this.#device!.sleep(0);
  }
}
