/** The ECMA-419 DNS resolver class pattern: the device's own table first, then the desktop's resolver. */
import { SealwireError } from "../../src/errors.js";
import type { ResolveOptions, Resolver } from "../../src/platform.js";
import { resolve } from "./native/system.js";

export class XSResolver implements Resolver {
  private closed = false;

  resolve({ host, onResolved, onError }: ResolveOptions): void {
    if (this.closed) throw new SealwireError("CLOSED", "The resolver was closed.");
    resolve(host, (address) => {
      if (this.closed) return;
      if (address !== undefined) onResolved(host, address);
      else onError?.(new SealwireError("NAME_NOT_RESOLVED", `The host name ${host} could not be resolved.`));
    });
  }

  close(): void {
    this.closed = true;
  }
}
