/** aedes over plain TCP on the loopback interface. It speaks 3.1.1 only. */
import { createServer, type Server, type Socket } from "node:net";
import { Aedes } from "aedes";
import { freePort, loopback } from "../../tools/brokers/index.js";
import { FORBIDDEN_TOPIC, WRONG_USER, type BrokerUnderTest } from "./broker-under-test.js";

export class PlainAedes implements BrokerUnderTest {
  port = 0;
  #aedes: Aedes | undefined;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  async start(): Promise<void> {
    const aedes = (this.#aedes = await Aedes.createBroker({
      authenticate: (_client, user, _password, done) =>
        user === WRONG_USER
          ? done(Object.assign(new Error("no such user"), { returnCode: 4 }), false)
          : done(null, true),
      authorizeSubscribe: (_client, subscription, done) =>
        done(null, subscription.topic === FORBIDDEN_TOPIC ? null : subscription),
    }));
    const server = (this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      aedes.handle(socket);
    }));
    this.port = await freePort();
    await new Promise<void>((resolve) => server.listen(this.port, loopback, resolve));
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await new Promise<void>((resolve) => (this.#aedes ? this.#aedes.close(resolve) : resolve()));
    await new Promise<void>((resolve) => (this.#server ? this.#server.close(() => resolve()) : resolve()));
  }
}
