/** `sealwire run`: a simulated device of the fleet, and its back end, at the fleet's broker. */
import * as fs from "node:fs";
import * as net from "node:net";
import { fileURLToPath } from "node:url";
import { Board } from "../../hosts/node/index.js";
import { SealwireError } from "../../src/errors.js";
import { Alarm } from "../alarm.js";
import { claimFolder } from "../claim.js";
import { Cleanup } from "../cleanup.js";
import { localHost, loopback } from "../brokers/index.js";
import { CommandFailure, exitCodes, type ExitCode } from "../failure.js";
import { exitCodeOf, Output, reportFailure } from "../output.js";
import { type DeviceView, deviceViewOf } from "../simulate/connects.js";
import { Narrator } from "../simulate/narrator.js";
import { BackEnd, type Message } from "./back-end.js";
import { addressOf } from "./defaults.js";
import { type Fleet, requireFleet, simulatedFolder } from "./fleet-file.js";

export interface RunOptions {
  readonly id: string;
  readonly folder: string | undefined;
  /** Milliseconds. */
  readonly timeLimit: number;
  readonly keepRunning: boolean;
  /** False: the device alone, until Ctrl-C. */
  readonly backEnd: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
}

/** What happened so far. */
interface Record {
  readonly connects: DeviceView[];
  readonly messages: Message[];
  /** What the device was not allowed to do, in its own words. */
  readonly refused: string[];
}

const firmware = fileURLToPath(new URL("../../examples/sealed-telemetry/main.js", import.meta.url));

/** Milliseconds in which the broker must accept connections: it may have been started at the same moment. */
const brokerTime = 15_000;

/** Milliseconds for each thing that is waited for. */
const patience = 20_000;

/** @returns the exit code */
export async function runDevice(options: RunOptions): Promise<ExitCode> {
  const errors = new Output(process.stderr);
  const results = new Output(process.stdout);
  const record: Record = { connects: [], messages: [], refused: [] };
  const cleanup = new Cleanup();
  const alarm = new Alarm();
  let failure: unknown;
  try {
    alarm.limit(options.timeLimit, `It was not over after ${options.timeLimit / 1000} s (--timeout).`);
    await alarm.guard(perform(options, record, cleanup, alarm, errors, results));
  } catch (error) {
    // Being asked to stop is how it ends that was to keep running.
    if (!(alarm.interrupted && goesOn(options))) failure = error;
  }
  alarm.limit(undefined);
  const leftovers = await cleanup.run();
  alarm.close();
  if (options.json) {
    const error =
      failure === undefined
        ? undefined
        : failure instanceof SealwireError
          ? { code: failure.code, message: failure.message }
          : { code: "INTERNAL", message: "Internal error." };
    const ok = failure === undefined && leftovers.length === 0;
    results.line(JSON.stringify({ device: options.id, ...record, ok, ...(error && { error }) }, undefined, 2));
  } else if (failure === undefined && !goesOn(options)) {
    results.line();
    results.line(results.styled("green", "Everything went as it should."));
  }
  for (const error of [failure, ...leftovers]) if (error !== undefined) reportFailure(errors, error, options.verbose);
  return failure === undefined ? (leftovers.length === 0 ? exitCodes.success : exitCodes.failed) : exitCodeOf(failure);
}

function goesOn({ keepRunning, backEnd }: RunOptions): boolean {
  return keepRunning || !backEnd;
}

async function perform(
  options: RunOptions,
  record: Record,
  cleanup: Cleanup,
  alarm: Alarm,
  errors: Output,
  results: Output,
): Promise<void> {
  const { id, verbose } = options;
  const narrator = new Narrator(options.json ? undefined : results);
  const fleet = requireFleet();
  const folder = options.folder ?? simulatedFolder(id);
  if (!fs.existsSync(folder))
    throw new CommandFailure(
      exitCodes.environment,
      "INVALID_STATE",
      `There is no device in ${folder}: sealwire provision ${id} --simulator makes it.`,
    );
  cleanup.add(claimFolder(folder));
  await waitForBroker(fleet);
  narrator.fact("Broker", fleet.broker);
  narrator.fact("Device", `${id}, in ${folder}`);
  const backEnd = options.backEnd ? await startBackEnd(fleet, options, record, cleanup, alarm, narrator) : undefined;
  let slept: (() => void) | undefined;
  const board = new Board({
    folder,
    firmware,
    // Mosquitto listens on one address of the two.
    ...(addressOf(fleet.broker).host === localHost && { hosts: { [localHost]: loopback } }),
    onLog: (line) => {
      if (!options.backEnd) narrator.line(textOf(line));
      else if (verbose) errors.line(errors.styled("dim", `device: ${line}`));
    },
    onEvent: (event) => {
      if (event.event === "connect") record.connects.push(deviceViewOf(event));
      if (event.event === "refused") record.refused.push(String(event["message"]));
    },
    onExit: ({ reason, error }) => {
      if (reason === "sleep") slept?.();
      if (reason === "crash" || reason === "ended")
        alarm.ring(
          new CommandFailure(
            exitCodes.failed,
            error?.code ?? "INVALID_STATE",
            `The firmware crashed: ${error?.message ?? "it ended by itself."}`,
            { cause: error },
          ),
        );
    },
  });
  cleanup.add(() => board.off());
  if (backEnd) {
    const sleeps = (): Promise<void> => new Promise((resolve) => (slept = resolve));
    await tell({ board, backEnd, record, narrator, sleeps });
  } else await board.powerOn();
  if (!goesOn(options)) return;
  alarm.limit(undefined);
  narrator.line();
  narrator.line("The device keeps running: it wakes, publishes and sleeps. Ctrl-C ends it.");
  await new Promise<never>(() => undefined);
}

async function startBackEnd(
  fleet: Fleet,
  { id }: RunOptions,
  record: Record,
  cleanup: Cleanup,
  alarm: Alarm,
  narrator: Narrator,
): Promise<BackEnd> {
  const backEnd = new BackEnd({
    fleet,
    device: id,
    onMessage: (message) => {
      record.messages.push(message);
      narrator.line(sentenceOf(message));
    },
    onLost: (reason) =>
      alarm.ring(
        new CommandFailure(exitCodes.environment, "CONNECTION_LOST", `The back end lost the broker: ${reason}.`),
      ),
  });
  cleanup.add(() => backEnd.close());
  await backEnd.start();
  narrator.fact("Back end", `${fleet.backEnd}, with the fleet root in ${fleet.fleetRoot}`);
  return backEnd;
}

interface Scene {
  readonly board: Board;
  readonly backEnd: BackEnd;
  readonly record: Record;
  readonly narrator: Narrator;
  /** Resolves when the device falls asleep the next time. */
  readonly sleeps: () => Promise<void>;
}

async function tell({ board, backEnd, record, narrator, sleeps }: Scene): Promise<void> {
  const connected = async (how: string): Promise<void> => {
    const event = await board.waitFor(
      ({ event }) => event === "connected" || event === "disconnected",
      patience,
      "the device to connect",
    );
    if (event.event !== "connected")
      throw new CommandFailure(
        exitCodes.failed,
        "CONNECTION_LOST",
        `The device could not connect: ${textOf(event["message"] ?? "it does not say why.")}`,
      );
    const resumed = event["resumed"] === true;
    narrator.line(
      `${resumed ? `TLS session resumed${how}` : "Full mutual-TLS handshake"}, ${textOf(event["protocol"])}.`,
    );
  };
  const opened = (since: number, ending: string): number =>
    record.messages.slice(since).filter(({ topic, text }) => topic.endsWith(ending) && text !== undefined).length;
  const asleep = async (): Promise<number> => {
    const refused = await board.waitFor(({ event }) => event === "refused", patience, "the end of the readings");
    narrator.line();
    narrator.line("It tries what its permissions do not allow, and is refused before anything is sent:");
    narrator.line(textOf(refused["message"]));
    return record.messages.length;
  };
  const received = async (since: number, ending: string, count: number): Promise<void> => {
    const end = performance.now() + patience;
    while (opened(since, ending) < count) {
      if (performance.now() > end)
        throw new CommandFailure(
          exitCodes.failed,
          "TIMEOUT",
          `The back end did not get what it should: ${opened(since, ending)} of ${count} messages at ${ending.slice(1)}.`,
        );
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };

  narrator.chapter("Power on: the device connects, and publishes sealed readings. The back end opens them.");
  await board.powerOn();
  await connected("");
  await received(0, "/telemetry", 3);
  const falls = sleeps();
  const before = await asleep();
  await falls;

  narrator.chapter("Deep sleep. Meanwhile the back end sends a sealed command, which the broker keeps.");
  backEnd.send("identify");

  narrator.chapter("It wakes, resumes, gets the command, and answers.");
  await connected(" from retained memory");
  await received(before, "/answers", 1);
  await received(before, "/telemetry", 3);
  const refusal = record.messages.find((message) => message.refusal !== undefined)?.refusal;
  if (refusal !== undefined)
    throw new CommandFailure(exitCodes.failed, "SEALED_TAMPERED", `A message was refused: ${refusal}`);
}

/** Resolves once something accepts connections there. */
async function waitForBroker({ broker }: Fleet): Promise<void> {
  const { host, port } = addressOf(broker);
  const end = performance.now() + brokerTime;
  const attempt = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = net.connect({ host, port, timeout: 2_000 });
      const done = (is: boolean): void => {
        socket.destroy();
        resolve(is);
      };
      socket.once("connect", () => done(true));
      socket.once("error", () => done(false));
      socket.once("timeout", () => done(false));
    });
  while (!(await attempt())) {
    if (performance.now() > end)
      throw new CommandFailure(
        exitCodes.environment,
        "CONNECTION_LOST",
        `There is no broker at ${broker}: sealwire broker run starts it.`,
      );
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function sentenceOf({ topic, direction, sealedBytes, text, refusal }: Message): string {
  const arrow = direction === "from device" ? "->" : "<-";
  return `${topic.padEnd(20)} ${sealedBytes} bytes sealed ${arrow} ${refusal === undefined ? textOf(text) : `REFUSED, ${textOf(refusal)}`}`;
}

/** What came over the network must not steer the terminal. */
function textOf(value: unknown): string {
  return String(value).replace(/[^\x20-\x7e\u00a0-\uffff]/g, "?");
}
