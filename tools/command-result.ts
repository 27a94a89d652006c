/** How a command that does one thing says what came of it: lines for a person, one JSON object for a script. */
import { exitCodes, type ExitCode } from "./failure.js";
import { exitCodeOf, failureObject, Output, reportFailure } from "./output.js";

export interface CommandResult {
  /** Of `--json`, beside `ok`. */
  readonly json: object;
  readonly lines: readonly string[];
  /** Told on stderr, whatever the form of the result. */
  readonly warnings?: readonly string[] | undefined;
  /** `success` when left out. */
  readonly exitCode?: ExitCode | undefined;
}

/** Does the work and tells its result. @returns the exit code */
export async function tellResult(
  { json = false, verbose = false }: { readonly json?: boolean | undefined; readonly verbose?: boolean | undefined },
  work: () => Promise<CommandResult>,
): Promise<ExitCode> {
  const results = new Output(process.stdout);
  const errors = new Output(process.stderr);
  try {
    const { json: object, lines, warnings = [], exitCode = exitCodes.success } = await work();
    for (const warning of warnings) errors.line(`${errors.styled("yellow", "sealwire:")} ${warning}`);
    if (json) results.line(JSON.stringify({ ...object, ok: exitCode === exitCodes.success }, undefined, 2));
    else for (const line of lines) results.line(line);
    return exitCode;
  } catch (error) {
    if (json) results.line(JSON.stringify(failureObject(error), undefined, 2));
    reportFailure(errors, error, verbose || Boolean(process.env["DEBUG"]));
    return exitCodeOf(error);
  }
}
