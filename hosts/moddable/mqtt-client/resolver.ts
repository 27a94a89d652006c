/** The resolver of this device as a class that can be named before there is a device: the platform makes its own when it is first used. */
import type { ResolveOptions, Resolver } from "../../../src/platform.js";
import { platform } from "./host.js";

export class DeviceResolver implements Resolver {
  readonly #resolver: Resolver;

  constructor(options: object) {
    this.#resolver = new platform.resolver(options);
  }

  resolve(options: ResolveOptions): void {
    this.#resolver.resolve(options);
  }

  close(): void {
    this.#resolver.close();
  }
}
