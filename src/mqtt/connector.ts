/** Finds the server's address and opens the transport to it. */
import { SealwireError, toSealwireError } from "../errors.js";
import type { Resolver, Transport, TransportOptions } from "../platform.js";
import type { MQTTClientOptions } from "./types.js";

/** What the owner of a connector is told. */
export interface ConnectorCallbacks extends Required<Pick<TransportOptions, "onReadable" | "onWritable" | "onError">> {
  readonly onTransport: (transport: Transport) => void;
  readonly onFailure: (error: SealwireError) => void;
}

export class Connector {
  readonly #options: MQTTClientOptions<never>;
  readonly #callbacks: ConnectorCallbacks;
  #resolver: Resolver | undefined;
  #closed = false;

  /** @throws what the transport or resolver class throws */
  constructor(options: MQTTClientOptions<never>, callbacks: ConnectorCallbacks) {
    this.#options = options;
    this.#callbacks = callbacks;
    const { address, host, dns } = options;
    if (address !== undefined) this.#open(address);
    else this.#resolve(host!, dns!);
  }

  #resolve(host: string, dns: NonNullable<MQTTClientOptions["dns"]>): void {
    const resolver = new dns.io(dns);
    this.#resolver = resolver;
    resolver.resolve({
      host,
      onResolved: (_, address) => {
        if (this.#closed) return;
        try {
          this.close();
          this.#open(address);
        } catch (error) {
          this.#callbacks.onFailure(toSealwireError(error, "CONNECTION_LOST", "The transport could not be opened."));
        }
      },
      onError: (error) => {
        if (this.#closed) return;
        const message = `The name ${host} could not be resolved.`;
        this.#callbacks.onFailure(error ?? new SealwireError("NAME_NOT_RESOLVED", message));
      },
    });
  }

  #open(address: string): void {
    const { socket, host, port = 1883 } = this.#options;
    const { onReadable, onWritable, onError, onTransport } = this.#callbacks;
    const transport = new socket.io({
      noDelay: true, // packets are joined before they are written; to wait for more would only delay them
      ...socket,
      address,
      ...(host === undefined ? undefined : { host }),
      port,
      onReadable,
      onWritable,
      onError,
    });
    onTransport(transport);
  }

  /** Ends the search for the address. Safe more than once. */
  close(): void {
    this.#closed = true;
    this.#resolver?.close();
    this.#resolver = undefined;
  }
}
