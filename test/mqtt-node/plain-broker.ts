/** Brokers that speak MQTT over plain TCP on the loopback interface, for tests of sessions: Mosquitto and aedes. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:net";
import { Aedes } from "aedes";
import { findMosquitto, freePort, installMosquitto } from "../../tools/brokers/index.js";

const HOST = "127.0.0.1";

export interface PlainBroker {
  readonly name: string;
  readonly port: number;
  /** Resets every connection, without a goodbye. */
  cut?(): void;
  stop(): Promise<void>;
}

/** Mosquitto with persistence and without a limit on queued messages. */
export class PlainMosquitto implements PlainBroker {
  readonly name = "Mosquitto";
  port = 0;
  readonly #folder = mkdtempSync(join(tmpdir(), "sealwire-plain-broker-"));
  #child: ChildProcess | undefined;

  /** @returns whether it is installed; with SEALWIRE_NO_SKIP=1 it must be */
  static installed(): boolean {
    if (findMosquitto() !== undefined) return true;
    if (process.env["SEALWIRE_NO_SKIP"] === "1") throw new Error(`Mosquitto is not installed: ${installMosquitto}.`);
    return false;
  }

  /** Starts it, or starts it again on the same port with what it persisted. */
  async start(): Promise<void> {
    this.port ||= await freePort();
    const configuration = join(this.#folder, "mosquitto.conf");
    const lines = [
      `listener ${this.port} ${HOST}`,
      "allow_anonymous true",
      "persistence true",
      `persistence_location ${this.#folder}/`,
      "max_queued_messages 0",
      "set_tcp_nodelay true",
      ...(process.getuid?.() === 0 ? ["user root"] : []),
    ];
    writeFileSync(configuration, lines.join("\n") + "\n");
    const child = spawn(findMosquitto()!, ["-c", configuration], { stdio: "ignore" });
    this.#child = child;
    for (let i = 0; !(await listens(this.port)); i++) {
      if (child.exitCode !== null || i > 200) throw new Error("Mosquitto did not start.");
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  /** Ends the process: politely (it persists first), or at once. */
  async end(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null) return;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await exited;
  }

  async stop(): Promise<void> {
    await this.end();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** aedes, which speaks 3.1.1 only. */
export class PlainAedes implements PlainBroker {
  readonly name = "aedes";
  port = 0;
  #aedes: Aedes | undefined;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  async start(): Promise<void> {
    const aedes = (this.#aedes = await Aedes.createBroker());
    const server = (this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      aedes.handle(socket);
    }));
    this.port = await freePort();
    await new Promise<void>((resolve) => server.listen(this.port, HOST, resolve));
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => (this.#aedes ? this.#aedes.close(resolve) : resolve()));
    await new Promise<void>((resolve) => (this.#server ? this.#server.close(() => resolve()) : resolve()));
  }
}
