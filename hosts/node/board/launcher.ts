/** How a board starts the process of a firmware. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type BoardMessage, messageDescriptor } from "./board-link.js";

/** What a firmware runs on. */
export interface Launcher {
  /**
   * Starts the process. Its standard output and errors are pipes, and so is the one with the number `messageDescriptor`, by which it tells
   * the board what happens.
   */
  start(firmware: string, environment: NodeJS.ProcessEnv): ChildProcess;
  /**
   * Tells a firmware that runs of its network; it answers with a message.
   * @param onFailed it cannot be told any more
   */
  setNetwork(child: ChildProcess, up: boolean, onFailed: () => void): void;
}

const runner = fileURLToPath(new URL("./runner.js", import.meta.url));

export class NodeLauncher implements Launcher {
  start(firmware: string, environment: NodeJS.ProcessEnv): ChildProcess {
    const stdio = ["ignore", "pipe", "pipe", "ipc"] as ("ignore" | "pipe" | "ipc")[];
    stdio[messageDescriptor] = "pipe";
    // Not the options of this process: they may load code that has no place on a device.
    return fork(runner, [firmware], { stdio, execArgv: ["--enable-source-maps"], env: environment });
  }

  setNetwork(child: ChildProcess, up: boolean, onFailed: () => void): void {
    const message: BoardMessage = { network: up };
    child.send(message, (error) => error && onFailed());
  }
}
