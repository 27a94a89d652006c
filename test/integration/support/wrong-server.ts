/** A TLS server with the broker's own certificate that does not behave like one. */
import { once } from "node:events";
import { createServer, type Server } from "node:tls";
import { type DevelopmentPKI, toPEM } from "../../../tools/pki/index.js";

/** @param answer to CONNECT; nothing more is sent */
export async function startWrongServer(pki: DevelopmentPKI, answer: Uint8Array): Promise<Server> {
  const server = createServer(
    {
      cert: pki.server.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
      key: toPEM("PRIVATE KEY", pki.server.privateKey),
    },
    (socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => socket.write(answer));
    },
  );
  server.on("tlsClientError", () => undefined);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}
