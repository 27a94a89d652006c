/** A broker inside this process: aedes over `node:tls`. It needs nothing installed; it speaks MQTT 3.1.1 only. */
import type { AddressInfo, Socket } from "node:net";
import * as tls from "node:tls";
import { Aedes } from "aedes";
import { CommandFailure, exitCodes, reasonOf } from "../failure.js";
import { toPEM } from "../pki/index.js";
import { type Broker, type LocalBrokerOptions, localHost, loopback } from "./broker.js";

/** Connections whose resumption is remembered. */
const rememberedConnections = 256;

export class EmbeddedBroker implements Broker {
  readonly name = "embedded broker (aedes)";
  readonly host = localHost;
  readonly address = loopback;
  readonly #options: LocalBrokerOptions;
  /** Of TCP: one whose handshake is not done must be closed too. */
  readonly #sockets = new Set<Socket>();
  readonly #resumed = new Map<number, boolean>();
  #server: tls.Server | undefined;
  #aedes: Aedes | undefined;

  constructor(options: LocalBrokerOptions) {
    this.#options = options;
  }

  get port(): number {
    return (this.#server?.address() as AddressInfo | null | undefined)?.port ?? 0;
  }

  async start(): Promise<void> {
    const { server: credentials, root, revocationLists, versions, port = 0 } = this.#options;
    const aedes = await Aedes.createBroker();
    aedes.on("clientError", (client, error) => this.#log(`client ${client.id}: ${error.message}`));
    aedes.on("connectionError", (_client, error) => this.#log(`connection: ${error.message}`));
    const server = tls.createServer(
      {
        cert: credentials.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
        key: toPEM("PRIVATE KEY", credentials.privateKey),
        ca: toPEM("CERTIFICATE", root),
        crl: revocationLists?.map((der) => toPEM("X509 CRL", der)),
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: versions.minimum,
        maxVersion: versions.maximum,
      },
      (socket) => this.#accept(aedes, socket),
    );
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    server.on("tlsClientError", (error) => this.#log(`TLS: ${error.message}`));
    this.#aedes = aedes;
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, loopback, resolve);
      });
    } catch (error) {
      await this.stop();
      throw new CommandFailure(
        exitCodes.environment,
        "INVALID_STATE",
        `The embedded broker cannot listen on port ${port}: ${reasonOf(error)}.`,
        { cause: error },
      );
    }
    this.#server = server;
    server.on("error", (error: Error) => this.#options.onExit?.(error.message));
  }

  async stop(): Promise<void> {
    const aedes = this.#aedes;
    const server = this.#server;
    this.#aedes = undefined;
    this.#server = undefined;
    if (aedes)
      await new Promise<void>((resolve) => {
        aedes.close(resolve);
      });
    for (const socket of this.#sockets) socket.destroy();
    if (server)
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
  }

  resumed(remotePort: number): boolean | undefined {
    return this.#resumed.get(remotePort);
  }

  #accept(aedes: Aedes, socket: tls.TLSSocket): void {
    if (socket.remotePort !== undefined) {
      // Taken out first, so that the map stays in the order of connecting.
      this.#resumed.delete(socket.remotePort);
      this.#resumed.set(socket.remotePort, socket.isSessionReused());
      if (this.#resumed.size > rememberedConnections) {
        for (const oldest of this.#resumed.keys()) {
          this.#resumed.delete(oldest);
          break;
        }
      }
    }
    aedes.handle(socket);
  }

  #log(line: string): void {
    this.#options.onLog?.(line);
  }
}
