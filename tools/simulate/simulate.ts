/** `sealwire simulate`: sets the scene, tells the story, judges it, and takes everything down. */
import { SealwireError } from "../../src/errors.js";
import { Alarm } from "../alarm.js";
import { Cleanup } from "../cleanup.js";
import { CommandFailure, exitCodes, type ExitCode } from "../failure.js";
import { exitCodeOf, Output, reportFailure } from "../output.js";
import type { Connect } from "./connects.js";
import { SimulatedDevice } from "./device.js";
import { Narrator } from "./narrator.js";
import { engineName, type SimulateOptions } from "./options.js";
import { Readings } from "./readings.js";
import { problemsOf, saving, showTable, type Rotation, type StoryResult, toJSON } from "./report.js";
import { prepareSetting } from "./setting.js";
import { tellStory } from "./story.js";
import { XSLauncher } from "./xs-launcher.js";

/** What is known of the story so far, so that one that breaks off still has its beginning. */
interface Progress {
  broker: string;
  readonly connects: Connect[];
  readonly readings: Readings;
  /** Why the back end refused payloads. */
  readonly refused: string[];
  rotates: boolean;
  rotation: Rotation | undefined;
}

/** @returns the exit code, once failures were reported and everything was taken down */
export async function simulate(options: SimulateOptions): Promise<ExitCode> {
  const errors = new Output(process.stderr);
  const results = new Output(process.stdout);
  const narrator = new Narrator(options.json ? (options.verbose ? errors : undefined) : results);
  const progress: Progress = {
    broker: options.broker.kind,
    connects: [],
    readings: new Readings(),
    refused: [],
    rotates: false,
    rotation: undefined,
  };
  const cleanup = new Cleanup();
  const alarm = new Alarm();
  const onLog = (line: string): void => {
    if (options.verbose) errors.line(errors.styled("dim", line));
  };

  const perform = async (): Promise<void> => {
    const { engine } = options;
    // Before the story: the first time, engine and library are compiled.
    const launcher = engine.kind === "xs" ? await XSLauncher.prepare(engine, options.versions) : undefined;
    if (launcher) narrator.fact("Engine", launcher.description);
    alarm.limit(options.timeLimit, `The story was not over after ${options.timeLimit / 1000} s (--timeout).`);
    const setting = await prepareSetting({ options, cleanup, alarm, narrator, onLog });
    progress.broker = setting.broker.name;
    const device = await SimulatedDevice.prepare({
      setting,
      launcher,
      versions: options.versions,
      sealed: options.sealed,
      folder: options.state,
      readings: progress.readings,
      onRefused: (reason) => progress.refused.push(reason),
      cleanup,
      alarm,
      narrator,
      onLog,
    });
    progress.rotates = device.renewal !== undefined;
    await tellStory(
      {
        board: device.board,
        readings: progress.readings,
        narrator,
        observe: (reason, event) => device.observe(reason, event),
        renewal: device.renewal,
        serialNumber: device.serialNumber,
        onRotation: (rotation) => (progress.rotation = rotation),
      },
      progress.connects,
    );
  };

  let failure: unknown;
  try {
    await alarm.guard(perform());
    alarm.limit(undefined);
  } catch (error) {
    failure = error;
  }
  const result: StoryResult = {
    broker: progress.broker,
    engine: engineName(options.engine),
    tls: options.versions,
    firmware: SimulatedDevice.firmware,
    connects: progress.connects,
    rotates: progress.rotates,
    rotation: progress.rotation,
    readings: progress.readings.counts,
    payloads: { sealed: options.sealed, refused: progress.refused },
  };
  failure ??= judge(result, options);
  if (options.json) results.line(JSON.stringify(toJSON(result, errorOf(failure)), undefined, 2));
  else showResult(results, result, failure === undefined);
  if (failure === undefined && options.keepRunning) failure = await keepRunning(alarm, narrator, progress.readings);
  alarm.limit(undefined);

  const leftovers = await cleanup.run();
  alarm.close();
  if (failure === undefined && leftovers.length === 0) return exitCodes.success;
  for (const error of [failure, ...leftovers]) if (error !== undefined) reportFailure(errors, error, options.verbose);
  return failure === undefined ? exitCodes.failed : exitCodeOf(failure);
}

/** The worst that is wrong with a story that was told to its end. */
function judge(result: StoryResult, options: SimulateOptions): CommandFailure | undefined {
  // A broker and a folder that are older than this run may remember each other.
  const mayResumeFirst = options.broker.kind === "external" && options.state !== undefined;
  const [problem, ...others] = problemsOf(result, { mayResumeFirst });
  if (problem === undefined) return undefined;
  const more = others.length === 0 ? "" : ` (and ${others.length} more: see --verbose)`;
  return new CommandFailure(
    exitCodes.failed,
    "INVALID_STATE",
    options.verbose ? [problem, ...others].join(" ") : `${problem}${more}`,
  );
}

function errorOf(failure: unknown): { readonly code: string; readonly message: string } | undefined {
  if (failure === undefined) return undefined;
  if (failure instanceof SealwireError) return { code: failure.code, message: failure.message };
  return { code: "INTERNAL", message: failure instanceof Error ? failure.message : "Internal error." };
}

function showResult(output: Output, result: StoryResult, ok: boolean): void {
  if (result.connects.length === 0) return;
  output.line();
  showTable(output, result.connects);
  const saved = saving(result.connects);
  output.line();
  if (saved !== undefined)
    output.line(`Resumption saved ${(saved * 100).toFixed(0)} % of the bytes of a full connect.`);
  if (ok) output.line(output.styled("green", "Everything went as it should."));
}

/** Waits for Ctrl-C. @returns what ended it otherwise */
async function keepRunning(alarm: Alarm, narrator: Narrator, readings: Readings): Promise<unknown> {
  narrator.line();
  narrator.line("Broker and device keep running; Ctrl-C ends both.");
  // What came over the network must not steer the terminal.
  readings.showOnly((text) => narrator.line(`Reading: ${text.replace(/[^\x20-\x7e\u00a0-\uffff]/g, "?")}`));
  try {
    await alarm.guard(new Promise<never>(() => undefined));
  } catch (error) {
    return alarm.interrupted ? undefined : error;
  }
  return undefined;
}
