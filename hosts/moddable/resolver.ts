/** The ECMA-419 DNS resolver class pattern over the SDK's `net`: the system's resolver, which knows the DNS servers that DHCP named. */
import { SealwireError } from "../../src/errors.js";
import type { ResolveOptions, Resolver, ResolverConstructor } from "../../src/platform.js";
import { Net, Timer } from "./sdk.js";

const numeric = /^(\d+\.\d+\.\d+\.\d+|[0-9a-fA-F]*:[0-9a-fA-F:.]+)$/;

/** Makes the resolver class of a device. @param hosts names that are looked up here first */
export function createResolver(hosts: Readonly<Record<string, string>> = {}): ResolverConstructor {
  return class ModdableResolver implements Resolver {
    #closed = false;

    resolve({ host, onResolved, onError }: ResolveOptions): void {
      if (this.#closed) throw new SealwireError("CLOSED", "The resolver was closed.");
      const name = host.toLowerCase();
      const known = numeric.test(host) ? host : Object.hasOwn(hosts, name) ? hosts[name] : undefined;
      const answer = (address: string | undefined): void => {
        if (this.#closed) return;
        if (address !== undefined) onResolved(host, address);
        else onError?.(new SealwireError("NAME_NOT_RESOLVED", `The host name ${host} could not be resolved.`));
      };
      // lwIP takes names up to 255 bytes and answers at once for those it knows: a caller is never called back from within its own call.
      if (known !== undefined || !/^[\w.-]{1,253}$/.test(host)) Timer.set(() => answer(known), 0);
      else Net.resolve(host, (_, address) => Timer.set(() => answer(address), 0));
    }

    close(): void {
      this.#closed = true;
    }
  };
}
