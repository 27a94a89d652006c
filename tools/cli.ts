/** The `sealwire` command: its arguments and how it ends. */
import { Command, CommanderError } from "commander";
import { exitCodes, type ExitCode, usageFailure } from "./failure.js";
import { exitCodeOf, failureObject, Output, reportFailure } from "./output.js";
import { packageVersion } from "./paths.js";
import { applyFleet } from "./fleet/defaults.js";

type Add = (program: Command, ended: (exitCode: ExitCode) => void) => void;

/** A command whose code is loaded when it is used: what it needs of certificates and databases takes a third of a second. */
interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Add>;
}

export const commands: readonly Entry[] = [
  {
    name: "init",
    summary: "make a fleet in this folder: PKI, permissions, secrets",
    load: async () => (await import("./fleet/init-command.js")).addInit,
  },
  {
    name: "provision",
    summary: "make what devices are given at the factory",
    load: async () => (await import("./provision/command.js")).addProvision,
  },
  {
    name: "run",
    summary: "run a simulated device of this fleet, and its back end",
    load: async () => (await import("./fleet/run-command.js")).addRun,
  },
  {
    name: "broker",
    summary: "configure brokers so that they admit your devices only, and run one",
    load: async () => (await import("./broker/command.js")).addBroker,
  },
  {
    name: "doctor",
    summary: "check a broker and a device's credentials from the outside",
    load: async () => (await import("./doctor/command.js")).addDoctor,
  },
  {
    name: "permissions",
    summary: "check topic permissions, and write them in the formats of brokers",
    load: async () => (await import("./permissions/command.js")).addPermissions,
  },
  {
    name: "pki",
    summary: "certificates: root, issuing authority, servers, devices, revocation",
    load: async () => (await import("./pki/command.js")).addPKI,
  },
  {
    name: "seal",
    summary: "seal a payload: stdin to stdout",
    load: async () => (await import("./sealing/seal-command.js")).addSeal,
  },
  {
    name: "open",
    summary: "open sealed payloads: stdin to stdout, or all that arrives",
    load: async () => (await import("./sealing/open-command.js")).addOpen,
  },
  {
    name: "simulate",
    summary: "run a device and a broker on this machine",
    load: async () => (await import("./simulate/command.js")).addSimulate,
  },
  {
    name: "xs",
    summary: "run a firmware on the XS engine",
    load: async () => (await import("./xs/command.js")).addXS,
  },
  {
    name: "moddable",
    summary: "run an app of the Moddable simulator without a window",
    load: async () => (await import("./moddable/command.js")).addModdable,
  },
];

const more = `
Exit codes, of every command:
  0    done
  1    what the command is there to do did not work; the last line says why
  2    wrong arguments
  3    something is missing or in the way: a program, a file, a port, a broker, a passphrase that is wrong, a full disk
  130  ended by Ctrl-C
sealwire xs run ends with the exit code of the firmware.

Examples:
  sealwire init                                the first of four commands to a fleet
  sealwire simulate                            or see what a device does, with nothing to install
  sealwire help provision`;

/**
 * Runs the command.
 * @param args what stands after the command's name
 * @returns its exit code, once all is undone that must be
 */
export async function run(args: readonly string[]): Promise<ExitCode> {
  const errors = new Output(process.stderr);
  let exitCode: ExitCode = exitCodes.success;
  const program = new Command("sealwire")
    .description("Tools for devices that use Sealwire.")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .configureOutput({ outputError: (text) => errors.line(sentenceOf(text)) })
    .addHelpText("after", more)
    .exitOverride()
    .showSuggestionAfterError();
  program.hook("preAction", (_, action) => applyFleet(action));
  // The command is the first word; that of `sealwire help pki` is the second.
  const [first, second] = args.filter((arg) => !arg.startsWith("-"));
  const wanted = first === "help" ? second : first;
  for (const { name, summary, load } of commands) {
    if (name === wanted) (await load())(program, (code) => (exitCode = code));
    else program.command(name).summary(summary);
  }
  // Without a command there is nothing to do: that is a wrong use, and the help says what the right one is.
  if (args.length === 0) {
    program.outputHelp({ error: true });
    return exitCodes.usage;
  }
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.success;
    // Commander has told its own already.
    const isUsage = error instanceof CommanderError;
    const failure = isUsage ? usageFailure(sentenceOf(error.message).replace(/^sealwire: /, "")) : error;
    if (isJSON(args)) new Output(process.stdout).line(JSON.stringify(failureObject(failure), undefined, 2));
    if (!isUsage) reportFailure(errors, failure, isVerbose(args));
    return exitCodeOf(failure);
  }
}

/** Commander's errors in the form of ours. */
function sentenceOf(text: string): string {
  const sentence = text
    .trim()
    .replace(/^error: /, "")
    .replace(/\s*\n\s*/g, " ");
  const capital = sentence.charAt(0).toUpperCase() + sentence.slice(1);
  return `sealwire: ${capital}${/[.?)]$/.test(capital) ? "" : "."}`;
}

/** What stands behind the name of a firmware is its own, and what stands behind `--` is no option. */
function isJSON(args: readonly string[]): boolean {
  const [first = ""] = args.filter((arg) => !arg.startsWith("-"));
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? undefined : end).includes("--json") && !["xs", "moddable"].includes(first);
}

function isVerbose(args: readonly string[]): boolean {
  return args.includes("--verbose") || Boolean(process.env["DEBUG"]);
}
