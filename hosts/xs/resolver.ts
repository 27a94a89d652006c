/** The ECMA-419 DNS resolver class pattern: the device's own table first, then the desktop's resolver. */
import { SealwireError } from "../../src/errors.js";
import type { ResolveOptions, Resolver, ResolverConstructor } from "../../src/platform.js";
import { up } from "./native/network.js";
import { resolve, setTimer } from "./native/system.js";

/** Made anew each time: a regular expression that is matched writes to itself, and one of a preloaded module lies in flash. */
const isNumeric = (host: string): boolean => /^(\d+\.\d+\.\d+\.\d+|[0-9a-fA-F]*:[0-9a-fA-F:.]+)$/.test(host);

/** Makes the resolver class of a device. */
export function createResolver(hosts: Readonly<Record<string, string>>): ResolverConstructor {
  return class XSResolver implements Resolver {
    #closed = false;

    resolve({ host, onResolved, onError }: ResolveOptions): void {
      if (this.#closed) throw new SealwireError("CLOSED", "The resolver was closed.");
      const name = host.toLowerCase();
      const known = isNumeric(host) ? host : Object.hasOwn(hosts, name) ? hosts[name] : undefined;
      const answer = (address: string | undefined): void => {
        if (this.#closed) return;
        if (address !== undefined && up()) onResolved(host, address);
        else onError?.(new SealwireError("NAME_NOT_RESOLVED", `The host name ${host} could not be resolved.`));
      };
      if (known !== undefined || !/^[\w.-]{1,253}$/.test(host)) setTimer(() => answer(known), 0);
      else resolve(host, answer);
    }

    close(): void {
      this.#closed = true;
    }
  };
}
