/** A TCP port of the loopback interface that nobody uses at this moment. Somebody may take it before it is used. */
import * as net from "node:net";
import { loopback } from "./broker.js";

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen(0, loopback, () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
