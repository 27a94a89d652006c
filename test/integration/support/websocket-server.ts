/** A TLS server with the broker's own certificate, and a WebSocket on it that behaves as a test says. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { type DevelopmentPKI, toPEM } from "../../../tools/pki/index.js";

/** The head of a proper answer to a request (RFC 6455 section 4.2.2). */
export function acceptance(request: string, more: Readonly<Record<string, string>> = {}): string {
  const key = /^Sec-WebSocket-Key: (.+)$/m.exec(request)?.[1]?.trim() ?? "";
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  const fields = {
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Accept": accept,
    "Sec-WebSocket-Protocol": "mqtt",
    ...more,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
  return ["HTTP/1.1 101 Switching Protocols", ...lines, "", ""].join("\r\n");
}

export class WebSocketServer {
  /** Everything that clients sent after their requests. */
  readonly received: Buffer[] = [];
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();

  /** @param serve answers a request, on a connection that stays open unless it ends it */
  constructor(pki: DevelopmentPKI, serve: (socket: TLSSocket, request: string) => void) {
    const certificate = {
      cert: pki.server.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
      key: toPEM("PRIVATE KEY", pki.server.privateKey),
      ALPNProtocols: ["http/1.1"],
    };
    this.#server = createServer(certificate, (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => this.#sockets.delete(socket));
      let head = Buffer.alloc(0);
      socket.on("data", (data: Buffer) => {
        if (head.includes("\r\n\r\n")) {
          this.received.push(data);
          return;
        }
        head = Buffer.concat([head, data]);
        if (!head.includes("\r\n\r\n")) return;
        this.requests.push(head.toString());
        serve(socket, head.toString());
      });
    });
    this.#server.on("tlsClientError", () => undefined);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async start(): Promise<void> {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
