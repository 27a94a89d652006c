/**
 * A simulated board: it runs firmware as a process, and does to it what happens to a device: power comes and goes, the network
 * fails, deep sleep ends.
 */
import type { ChildProcess } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import type { ErrorCode } from "../../../src/errors.js";
import { SealwireError } from "../../../src/errors.js";
import type { PlatformEvent, WakeCause } from "../../../src/platform.js";
import { boardVariable, type FirmwareMessage, messageDescriptor } from "./board-link.js";
import { DeviceFolder } from "../device-folder.js";
import { type DeviceSettings, toEnvironment } from "../environment.js";
import { EventLog } from "./event-log.js";
import { exitCodes } from "./exit-codes.js";
import { type Launcher, NodeLauncher } from "./launcher.js";
import { onLines } from "./lines.js";

/** Something the firmware, or its platform, showed. */
export type BoardEvent = PlatformEvent;

/** How a firmware process ended. */
export interface BoardExit {
  /** `ended`: it had nothing left to do, or ended itself in a way no chip has. */
  readonly reason: "sleep" | "restart" | "crash" | "power" | "ended";
  /** `sleep`: until it wakes. */
  readonly milliseconds?: number;
  /** `crash`: what escaped. */
  readonly error?: SealwireError;
}

/** Options of {@link Board}: beside its own, the settings of the device. */
export interface BoardOptions extends Omit<DeviceSettings, "wakeCause" | "networkUp"> {
  /** Path of the compiled firmware module. */
  readonly firmware: string;
  /** What the firmware runs on: Node when left out. */
  readonly launcher?: Launcher | undefined;
  /** Environment variables of the firmware beside those of this process. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** One line that the firmware wrote. */
  readonly onLog?: ((line: string) => void) | undefined;
  readonly onEvent?: ((event: BoardEvent) => void) | undefined;
  readonly onExit?: ((exit: BoardExit) => void) | undefined;
}

const longestSleep = 0x7fffffff;

export class Board {
  readonly #options: BoardOptions;
  readonly #events = new EventLog();
  #process: FirmwareProcess | undefined;
  #alarm: NodeJS.Timeout | undefined;
  #networkUp = true;
  #switchedOn = false;

  constructor(options: BoardOptions) {
    this.#options = { ...options, folder: resolve(options.folder), firmware: resolve(options.firmware) };
  }

  /** Whether the firmware runs now: false when it is off, sleeps or has crashed. */
  get running(): boolean {
    return this.#process !== undefined;
  }

  /**
   * Switches the power on, and resolves when the firmware runs. What retained memory held is lost.
   * @throws SealwireError `INVALID_STATE` when it is on; `STORAGE_FAILED` when the folder cannot be used; `INVALID_ARGUMENT`
   * when the firmware cannot be read
   */
  async powerOn(): Promise<void> {
    if (this.#switchedOn) throw new SealwireError("INVALID_STATE", "The board is on.");
    new DeviceFolder(this.#options.folder).remove("wake");
    try {
      accessSync(this.#options.firmware, constants.R_OK);
    } catch (error) {
      throw new SealwireError("INVALID_ARGUMENT", `The firmware ${this.#options.firmware} cannot be read.`, {
        cause: error,
      });
    }
    this.#switchedOn = true;
    await this.#start("power");
  }

  /** Cuts the power: the firmware ends at once, without a word. Resolves when it has ended. */
  async powerCut(): Promise<void> {
    this.#switchedOn = false;
    clearTimeout(this.#alarm);
    this.#alarm = undefined;
    await this.#process?.kill();
  }

  /** Cuts the power for good: whoever waits for an event hears of it. */
  async off(): Promise<void> {
    await this.powerCut();
    this.#events.end(new SealwireError("CLOSED", "The board was switched off."));
  }

  /** Plugs the network in or pulls it. Resolves when the firmware's platform has seen it. */
  async network(up: boolean): Promise<void> {
    this.#networkUp = up;
    await this.#process?.setNetwork(up);
  }

  /**
   * Waits for an event. Events are looked at in order, from the one after the last that was waited for, so none is missed
   * between two waits.
   * @param what names what is waited for, in errors
   * @throws SealwireError `TIMEOUT`; when the firmware crashes, what made it crash
   */
  waitFor(predicate: (event: BoardEvent) => boolean, timeout: number, what = "an event"): Promise<BoardEvent> {
    return this.#events.waitFor(predicate, timeout, what);
  }

  async #start(wakeCause: WakeCause): Promise<void> {
    this.#events.reopen();
    const started = new FirmwareProcess(this.#options, wakeCause, this.#networkUp, (event) => {
      this.#events.push(event);
      this.#options.onEvent?.(event);
    });
    this.#process = started;
    const exited = started.exited.then((exit) => this.#onExit(started, exit));
    await Promise.race([started.running, exited]);
  }

  #onExit(ended: FirmwareProcess, exit: BoardExit): void {
    if (this.#process === ended) this.#process = undefined;
    if (exit.reason === "crash" || exit.reason === "ended") {
      this.#switchedOn = false;
      this.#events.end(exit.error ?? new SealwireError("INVALID_STATE", "The firmware ended by itself."));
    } else if (this.#switchedOn && exit.reason !== "power") {
      const wakeCause = exit.reason;
      const wake = (): void => void this.#start(wakeCause);
      this.#alarm = setTimeout(wake, Math.min(longestSleep, exit.milliseconds ?? 0));
    }
    this.#options.onExit?.(exit);
  }
}

/** One run of the firmware. */
class FirmwareProcess {
  readonly running: Promise<void>;
  readonly exited: Promise<BoardExit>;
  readonly #launcher: Launcher;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #onEvent: (event: BoardEvent) => void;
  #onRunning: (() => void) | undefined;
  #networkSeen: (() => void)[] = [];
  #crash: SealwireError | undefined;
  /** The newest event `connected`. */
  #connected: PlatformEvent | undefined;
  /** The last line on standard error. */
  #lastWords: string | undefined;
  #killed = false;

  constructor(options: BoardOptions, wakeCause: WakeCause, networkUp: boolean, onEvent: (event: BoardEvent) => void) {
    const { folder, hosts, retainedBytes, storage, rootOfTrust, counter, firmware, env, onLog } = options;
    this.#launcher = options.launcher ?? new NodeLauncher();
    const settings = { folder, hosts, retainedBytes, storage, rootOfTrust, counter, wakeCause, networkUp };
    this.#folder = options.folder;
    this.#onEvent = onEvent;
    this.running = new Promise((resolve) => (this.#onRunning = resolve));
    const environment = { ...process.env, ...env, ...toEnvironment(settings), [boardVariable]: String(process.pid) };
    const child = this.#launcher.start(firmware, environment);
    this.#child = child;
    onLines(child.stdout!, (line) => onLog?.(line));
    onLines(child.stderr!, (line) => {
      this.#lastWords = line;
      onLog?.(line);
    });
    onLines(child.stdio[messageDescriptor] as Readable, (line) => this.#onLine(line));
    // A firmware that hangs does not notice that its board ends.
    const killOnExit = (): void => void child.kill("SIGKILL");
    process.once("exit", killOnExit);
    this.exited = new Promise((resolve) => {
      let startError: Error | undefined;
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        process.off("exit", killOnExit);
        for (const seen of this.#networkSeen) seen();
        resolve(this.#exit(code, signal, startError));
      };
      child.on("error", (error) => {
        startError = error;
        if (child.pid === undefined) end(null, null);
      });
      // "close" comes when the process has ended and all it wrote was read.
      child.on("close", end);
    });
  }

  async kill(): Promise<void> {
    this.#killed = true;
    this.#child.kill("SIGKILL");
    await this.exited;
  }

  async setNetwork(up: boolean): Promise<void> {
    await Promise.race([this.running, this.exited]);
    await new Promise<void>((resolve) => {
      this.#networkSeen.push(resolve);
      // The process may end meanwhile; then there is nothing to see any more.
      this.#launcher.setNetwork(this.#child, up, resolve);
    });
  }

  #onLine(line: string): void {
    let message: FirmwareMessage;
    try {
      message = JSON.parse(line) as FirmwareMessage;
    } catch {
      return; // Its power was cut in the middle of a word.
    }
    switch (message.kind) {
      case "running":
        this.#onRunning?.();
        break;
      case "event":
        if (message.event.event === "connected") this.#connected = message.event;
        this.#onEvent(message.event);
        break;
      case "connect": {
        const protocol = this.#connected?.["protocol"];
        const resumed = this.#connected?.["resumed"];
        this.#onEvent({ ...message, event: "connect", protocol, resumed });
        break;
      }
      case "network":
        this.#networkSeen.shift()?.();
        break;
      case "crash":
        this.#crash = new SealwireError((message.code ?? "INVALID_STATE") as ErrorCode, message.message);
    }
  }

  #exit(code: number | null, signal: NodeJS.Signals | null, startError: Error | undefined): BoardExit {
    if (this.#killed) return { reason: "power" };
    const powerDown = new DeviceFolder(this.#folder).powerDown();
    if (code === exitCodes.sleep && powerDown?.cause === "sleep")
      return { reason: "sleep", milliseconds: powerDown.milliseconds };
    if (code === exitCodes.restart) return { reason: "restart" };
    if (code === 0) return { reason: "ended" };
    const how = startError?.message ?? (signal === null ? `exit code ${code ?? 0}` : `signal ${signal}`);
    const words = this.#lastWords === undefined ? "" : `: ${this.#lastWords}`;
    const error = this.#crash ?? new SealwireError("INVALID_STATE", `The firmware ended unexpectedly (${how})${words}`);
    return { reason: "crash", error };
  }
}
