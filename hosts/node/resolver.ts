/** The ECMA-419 DNS resolver class pattern: the simulated network's own table first, then the host's resolver. */
import { lookup } from "node:dns";
import { isIP } from "node:net";
import { SealwireError } from "../../src/errors.js";
import type { Resolver, ResolveOptions, ResolverConstructor } from "../../src/platform.js";
import type { SimulatedNetwork } from "./network.js";

/** Makes the resolver class of one device. */
export function createResolver(
  hosts: Readonly<Record<string, string>>,
  network: SimulatedNetwork,
): ResolverConstructor {
  const table = new Map(Object.entries(hosts).map(([name, address]) => [name.toLowerCase(), address]));
  for (const [name, address] of table)
    if (isIP(address) === 0) throw new SealwireError("INVALID_ARGUMENT", `The host ${name} needs an IP address.`);

  return class NodeResolver implements Resolver {
    #closed = false;

    resolve({ host, onResolved, onError }: ResolveOptions): void {
      if (this.#closed) throw new SealwireError("CLOSED", "The resolver was closed.");
      const answer = (address: string | undefined, error?: SealwireError): void => {
        if (this.#closed) return;
        if (address === undefined) onError?.(error);
        else onResolved(host, address);
      };
      const fail = (message: string, cause?: unknown): void =>
        answer(undefined, new SealwireError("NAME_NOT_RESOLVED", message, { cause }));
      setImmediate(() => {
        const known = isIP(host) === 0 ? table.get(host.toLowerCase()) : host;
        if (known !== undefined) answer(known);
        else if (!network.up) answer(undefined, new SealwireError("NETWORK_DOWN", "The network interface is down."));
        else if (!/^[\w.-]{1,253}$/.test(host)) fail("This is not a host name.");
        else
          lookup(host, (error, address) =>
            error === null ? answer(address) : fail(`The host name ${host} could not be resolved.`, error),
          );
      });
    }

    close(): void {
      this.#closed = true;
    }
  };
}
