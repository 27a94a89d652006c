/** A port that takes no connection and refuses none. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as net from "node:net";

/** A port whose queue of connections is full: further SYNs are dropped. The process that listens is stopped, and never accepts. */
export class BlackHole {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #fillers: net.Socket[] = [];

  private constructor(process: ChildProcess, port: number) {
    this.#process = process;
    this.port = port;
  }

  static async open(): Promise<BlackHole> {
    const program =
      'require("node:net").createServer().listen({port:0,host:"127.0.0.1",backlog:1},function(){console.log(this.address().port)})';
    const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const hole = new BlackHole(child, Number(line.toString()));
    child.kill("SIGSTOP");
    // Until one of them gets no answer: then the queue is full.
    for (let i = 0; i < 8 && (await hole.#fill()); i++);
    return hole;
  }

  close(): void {
    for (const socket of this.#fillers) socket.destroy();
    this.#process.kill("SIGKILL");
  }

  async #fill(): Promise<boolean> {
    const socket = net.connect(this.port, "127.0.0.1").on("error", () => undefined);
    this.#fillers.push(socket);
    return Promise.race([
      once(socket, "connect").then(() => true),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 300)),
    ]);
  }
}
