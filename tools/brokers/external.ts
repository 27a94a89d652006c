/** A broker that runs somewhere else and that we only connect to. */
import * as net from "node:net";
import { CommandFailure, exitCodes, reasonOf } from "../failure.js";
import type { Broker } from "./broker.js";

/** Milliseconds in which it must accept a TCP connection. */
const connectTime = 10_000;

export class ExternalBroker implements Broker {
  readonly name: string;
  readonly host: string;
  readonly address: string;
  readonly port: number;

  constructor(host: string, port: number) {
    this.host = host;
    this.address = host;
    this.port = port;
    this.name = `broker ${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
  }

  /** Checks that it can be reached. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host: this.host, port: this.port });
      const fail = (reason: string, cause?: unknown): void => {
        socket.destroy();
        reject(
          new CommandFailure(exitCodes.environment, "CONNECTION_REFUSED", `Cannot reach ${this.name}: ${reason}.`, {
            cause,
          }),
        );
      };
      socket.setTimeout(connectTime, () => fail("there was no answer"));
      socket.once("error", (error) => fail(reasonOf(error), error));
      socket.once("connect", () => {
        socket.destroy();
        resolve();
      });
    });
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  /** It does not tell us. */
  resumed(): undefined {
    return undefined;
  }
}
