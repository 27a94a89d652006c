/** `sealwire broker run`. */
import { Alarm } from "../alarm.js";
import { CommandFailure, exitCodes, type ExitCode } from "../failure.js";
import { claimFolder } from "../claim.js";
import { createFolder } from "../files.js";
import { Output } from "../output.js";
import { ManagedMosquitto, type ManagedMosquittoOptions } from "./managed-mosquitto.js";

export interface RunArguments {
  readonly state: string;
  readonly restartOnRevocation?: boolean;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

/** Runs until a signal asks it to stop. @returns the exit code */
export async function runBroker(
  options: Omit<ManagedMosquittoOptions, "folder">,
  { state, restartOnRevocation, verbose, json }: RunArguments,
  out: Output,
): Promise<ExitCode> {
  const errors = new Output(process.stderr);
  const alarm = new Alarm();
  createFolder(state, 0o700);
  const release = claimFolder(state);
  const say = (event: object, sentence: string): void => out.line(json ? JSON.stringify(event) : sentence);
  const broker = new ManagedMosquitto({
    ...options,
    folder: state,
    persistence: true,
    restartOnRevocation,
    onLog: (line) => {
      if (verbose) errors.line(line);
    },
    onExit: (reason) => alarm.ring(new CommandFailure(exitCodes.failed, "CONNECTION_LOST", reason)),
    onWarning: (sentence) => {
      if (json) out.line(JSON.stringify({ event: "warning", sentence }));
      else errors.line(`${errors.styled("yellow", "warning:")} ${sentence}`);
    },
    onChange: ({ source, action, reason }) => {
      const what = `${source} changed: ${action}${reason === undefined ? "" : `, the broker goes on with what it has: ${reason}`}`;
      say({ event: "change", source, action, ...(reason !== undefined && { reason }) }, what);
    },
  });
  try {
    await alarm.guard(broker.start());
    const listeners = options.authentication.map((authentication) => ({
      authentication,
      port: broker.port(authentication),
    }));
    const where = listeners.map(({ authentication, port }) => `port ${port} (${authentication})`).join(", ");
    say(
      { event: "running", broker: broker.name, pid: broker.pid, address: options.bind, listeners },
      `${broker.name} at ${options.bind ?? "127.0.0.1"}, ${where}. Ctrl-C ends it.`,
    );
    await alarm.guard(new Promise<never>(() => undefined));
  } catch (error) {
    // Being asked to stop is how a server ends.
    if (!alarm.interrupted) throw error;
  } finally {
    await broker.stop();
    release();
    alarm.close();
  }
  say({ event: "stopped" }, "Stopped.");
  return exitCodes.success;
}
