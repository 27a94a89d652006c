/** Finds the server's address and opens the transport to it. */
import { SealwireError, toSealwireError } from "../errors.js";
import type { Connection } from "./connection.js";
import type { MQTTClientOptions } from "./types.js";

/** @throws what the resolver class throws */
export function resolve(
  connection: Connection,
  options: MQTTClientOptions<never>,
  host: string,
  dns: NonNullable<MQTTClientOptions["dns"]>,
): void {
  const resolver = new dns.io(dns);
  connection.resolver = resolver;
  resolver.resolve({
    host,
    onResolved: (_, address) => {
      if (connection.resolver !== resolver) return;
      try {
        closeResolver(connection);
        openTransport(connection, options, address);
      } catch (error) {
        connection.raise(toSealwireError(error, "CONNECTION_LOST", "The transport could not be opened."));
      }
    },
    onError: (error) => {
      if (connection.resolver === resolver)
        connection.raise(error ?? new SealwireError("NAME_NOT_RESOLVED", `The name ${host} could not be resolved.`));
    },
  });
}

/** @throws what the transport class throws */
export function openTransport(connection: Connection, options: MQTTClientOptions<never>, address: string): void {
  const { socket, host, port = 1883 } = options;
  const transport = new socket.io({
    noDelay: true, // packets are joined before they are written; to wait for more would only delay them
    ...socket,
    address,
    ...(host === undefined ? undefined : { host }),
    port,
    onReadable: (count: number) => {
      connection.input.available = count;
      connection.pingedAt = undefined;
      connection.turn(-1);
    },
    onWritable: connection.wake,
    onError: connection.wake,
  });
  connection.input.transport = connection.output.transport = transport;
}

/** Ends the search for the address. Safe more than once. */
export function closeResolver(connection: Connection): void {
  const { resolver } = connection;
  if (!resolver) return;
  connection.resolver = undefined;
  resolver.close();
}
