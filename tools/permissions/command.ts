/** `sealwire permissions check | explain | export`: options and help. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { PermissionQoS, PermissionRequest } from "../../src/permissions/index.js";
import { CommandFailure, exitCodes, type ExitCode, usageFailure } from "../failure.js";
import { readFile, replaceFile } from "../files.js";
import { Output } from "../output.js";
import { readSecret } from "../secrets.js";
import { type AWSClientVariable, exportAWSPolicy } from "./aws-policy.js";
import { checkDevices, exportDynamicSecurity, parseDevices } from "./dynamic-security.js";
import { exportEMQX } from "./emqx-acl.js";
import type { PermissionsExport } from "./export.js";
import { readPermissions, remarksOn } from "./file.js";
import { exportHiveMQ } from "./hivemq-rbac.js";
import { exportMosquittoACL } from "./mosquitto-acl.js";

const exitText = `
Exit codes:
  0    done: the file is right, the request is allowed, the export is written
  1    the file is wrong, the request is refused, or --strict found a warning
  2    wrong arguments
  3    a file cannot be read or written`;

interface ExplainArguments {
  readonly qos: PermissionQoS;
  readonly clientId?: string;
  readonly user?: string;
  readonly json?: boolean;
}

interface ExportArguments {
  readonly to: "mosquitto" | "aws" | "emqx" | "hivemq";
  readonly format: "acl" | "dynamic-security";
  readonly out?: string;
  readonly strict?: boolean;
  readonly json?: boolean;
  readonly user: string[];
  readonly device: string[];
  readonly devices?: string;
  readonly admin?: string;
  readonly adminPasswordFile?: string;
  readonly passwordFile?: string;
  readonly region?: string;
  readonly account?: string;
  readonly partition: string;
  readonly client: AWSClientVariable;
  readonly retain?: boolean;
}

const collect = (value: string, values: string[]): string[] => [...values, value];

/** Adds the commands. @param ended takes the exit code */
export function addPermissions(program: Command, ended: (exitCode: ExitCode) => void): void {
  const out = new Output(process.stdout);
  const errors = new Output(process.stderr);
  const group = program
    .command("permissions")
    .summary("check topic permissions, and write them in the formats of brokers")
    .description("Topic permissions: one JSON file for the device and for its broker.")
    .helpOption("-h, --help", "print this help");

  group
    .command("check")
    .summary("check a permissions file")
    .description("Checks a permissions file, and tells what in it may not be what was meant.")
    .argument("<file>", "the permissions file")
    .option("--json", "print one JSON object")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", `${exitText}\n\nExamples:\n  sealwire permissions check permissions.json`)
    .action((file: string, { json }: { json?: boolean }) => {
      const permissions = readPermissions(file);
      const remarks = remarksOn(permissions);
      if (json) out.line(JSON.stringify({ entries: permissions.length, remarks }));
      else {
        for (const { entry, topic, message } of remarks)
          out.line(`entry ${entry}, ${JSON.stringify(topic)}: ${message}`);
        out.line(`${permissions.length} ${permissions.length === 1 ? "entry" : "entries"}, no mistakes.`);
      }
      ended(exitCodes.success);
    });

  group
    .command("explain")
    .summary("say why a request is allowed or refused")
    .description("Says which entry allows a request of a device, or which would be needed.")
    .argument("<file>", "the permissions file")
    .argument("<request>", "publish or subscribe", (value): PermissionRequest => {
      if (value !== "publish" && value !== "subscribe")
        throw new InvalidArgumentError("Allowed are publish and subscribe.");
      return value;
    })
    .argument("<topic>", "topic name, or topic filter; %c and %u stand for the values below")
    .option("--qos <level>", "0, 1 or 2", parseQoS, 0)
    .option("--client-id <id>", "what %c stands for")
    .option("--user <name>", "what %u stands for")
    .option("--json", "print one JSON object")
    .helpOption("-h, --help", "print this help")
    .addHelpText(
      "after",
      `${exitText}\n\nExamples:\n  sealwire permissions explain permissions.json publish %c/telemetry --qos 1 --client-id dev-1\n  sealwire permissions explain permissions.json subscribe 'dev-1/#' --client-id dev-1`,
    )
    .action((file: string, request: PermissionRequest, topic: string, given: ExplainArguments) => {
      const values = { clientIdentifier: given.clientId, userName: given.user };
      const permissions = readPermissions(file).bind(values);
      const expanded = topic
        .split("/")
        .map((level) => (level === "%c" ? (given.clientId ?? level) : level === "%u" ? (given.user ?? level) : level))
        .join("/");
      const explanation = permissions.explain(request, expanded, given.qos);
      out.line(given.json ? JSON.stringify({ ...explanation, topic: expanded }) : explanation.sentence);
      ended(explanation.allowed ? exitCodes.success : exitCodes.failed);
    });

  group
    .command("export")
    .summary("write the permissions as a broker wants them")
    .description(
      "Writes the permissions in the format of a broker. What that broker cannot express or enforce is told as a warning that names the entry, and " +
        "whether the broker allows more or less; with --strict nothing is written then.",
    )
    .argument("<file>", "the permissions file")
    .addOption(
      new Option("--to <broker>", "the broker").choices(["mosquitto", "aws", "emqx", "hivemq"]).makeOptionMandatory(),
    )
    .addOption(
      new Option("--format <format>", "mosquitto: acl_file, or the dynamic security plugin")
        .choices(["acl", "dynamic-security"])
        .default("acl"),
    )
    .option("--out <file>", "write to this file (default: standard output); with passwords in it, for its owner alone")
    .option("--strict", "a warning is an error")
    .option(
      "--user <name>",
      "mosquitto acl: entries without %c are for this user; hivemq: a user; may be repeated",
      collect,
      [],
    )
    .option("--device <id>", "dynamic security: client identifier of a device; may be repeated", collect, [])
    .option("--devices <file>", "dynamic security: a client identifier per line, and after a comma the user name")
    .option("--admin <name>", "dynamic security: somebody who may change the rules at run time")
    .option("--admin-password-file <file>", "his password; - for standard input (default: he needs a certificate)")
    .option("--password-file <file>", "hivemq: the password of the user; - for standard input")
    .option("--region <region>", "aws: such as eu-central-1")
    .option("--account <id>", "aws: 12 digits")
    .option("--partition <name>", "aws: aws, aws-cn or aws-us-gov", "aws")
    .addOption(
      new Option("--client <variable>", "aws: what %c stands for")
        .choices(["thing", "client-id", "certificate"])
        .default("thing"),
    )
    .option("--retain", "aws: messages may be published to be retained")
    .option("--json", "print one JSON object with the content, the warnings and the notes")
    .helpOption("-h, --help", "print this help")
    .addHelpText(
      "after",
      `${exitText}\n\nExamples:\n  sealwire permissions export permissions.json --to mosquitto --out acl\n  sealwire permissions export permissions.json --to mosquitto --format dynamic-security --devices fleet.csv --out dynamic-security.json\n  sealwire permissions export permissions.json --to aws --region eu-central-1 --account 123456789012 --strict\n  sealwire permissions export permissions.json --to emqx --out acl.conf`,
    )
    .action((file: string, given: ExportArguments) => {
      const made = make(file, given);
      if (!given.json) {
        for (const { entry, topic, effect, message } of made.warnings)
          errors.line(
            `${errors.styled("yellow", "warning:")} entry ${entry}, ${JSON.stringify(topic)}, ${effect}: it ${message}.`,
          );
        for (const note of made.notes) errors.line(`note: ${note}`);
      }
      const refused = given.strict === true && made.warnings.length > 0;
      const { warnings, notes } = made;
      if (given.json)
        out.line(JSON.stringify({ to: given.to, warnings, notes, content: refused ? null : made.content }));
      if (refused) {
        errors.line(
          `${errors.styled("red", "sealwire:")} Nothing is written: ${warnings.length} ${warnings.length === 1 ? "warning" : "warnings"} with --strict.`,
        );
        ended(exitCodes.failed);
        return;
      }
      if (given.out !== undefined) replaceFile(given.out, made.content, hasSecrets(given) ? 0o600 : 0o644);
      else if (!given.json) process.stdout.write(made.content);
      ended(exitCodes.success);
    });
}

function make(file: string, given: ExportArguments): PermissionsExport {
  const permissions = readPermissions(file);
  switch (given.to) {
    case "mosquitto": {
      if (given.format === "acl") return exportMosquittoACL(permissions, { users: given.user });
      const listed = given.devices === undefined ? "" : readFile(given.devices);
      if (listed === undefined)
        throw new CommandFailure(
          exitCodes.environment,
          "STORAGE_FAILED",
          `The file ${given.devices ?? ""} does not exist.`,
        );
      const devices = [...given.device.map((clientIdentifier) => ({ clientIdentifier })), ...parseDevices(listed)];
      checkDevices(devices);
      const password =
        given.adminPasswordFile === undefined
          ? undefined
          : readSecret(given.adminPasswordFile, "administrator's password");
      const admin = given.admin === undefined ? undefined : { userName: given.admin, password };
      return exportDynamicSecurity(permissions, { devices, admin });
    }
    case "aws": {
      const { region, account, partition, client: clientVariable, retain } = given;
      if (region === undefined || account === undefined)
        throw usageFailure("A policy of AWS needs --region and --account.");
      return exportAWSPolicy(permissions, { region, account, partition, clientVariable, retain });
    }
    case "emqx":
      return exportEMQX(permissions);
    case "hivemq": {
      const [name, ...more] = given.user;
      if (name === undefined || more.length > 0 || given.passwordFile === undefined)
        throw usageFailure("The file of HiveMQ needs one --user and its --password-file.");
      return exportHiveMQ(permissions, { users: [{ name, password: readSecret(given.passwordFile, "password") }] });
    }
  }
}

function hasSecrets({ to, format }: ExportArguments): boolean {
  return to === "hivemq" || (to === "mosquitto" && format === "dynamic-security");
}

function parseQoS(value: string): PermissionQoS {
  if (value !== "0" && value !== "1" && value !== "2") throw new InvalidArgumentError("It must be 0, 1 or 2.");
  return Number(value) as PermissionQoS;
}
