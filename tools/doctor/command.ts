/** `sealwire doctor`: options and help. */
import { type Command, Option } from "commander";
import { CommandFailure, exitCodes, type ExitCode, usageFailure } from "../failure.js";
import { parseBrokerURL } from "../broker/broker-url.js";
import { whole } from "../broker/options.js";
import { readFile } from "../files.js";
import { Output, type Style } from "../output.js";
import { fromPEM, type PEMLabel } from "../pki/index.js";
import { readSecret } from "../secrets.js";
import { examine } from "./examine.js";
import { type CheckStatus, Report } from "./report.js";

interface DoctorArguments {
  readonly ca?: string;
  readonly crl?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly clientId: string;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly alpn?: string;
  readonly publish?: string;
  readonly subscribe?: string;
  readonly timeout: string;
  readonly json?: boolean;
}

const more = `
Checked are: the client certificate; DNS; TCP; TLS versions; the broker's chain, name, dates and revocation; small TLS records; CONNECT;
limits; a subscription and a publication; whether strangers are kept out; resumption by ticket, by session ID and in TLS 1.3.

Exit codes:
  0    nothing failed; warnings do not count
  1    a check failed: its line says what it means
  2    wrong arguments
  3    a file cannot be read

Examples:
  sealwire doctor mqtts://broker.example --ca ca.pem --cert dev-1.pem --key dev-1.key --client-id dev-1 --publish dev-1/telemetry
  sealwire doctor mqtts://broker.example:8884 --ca ca.pem --user alice --password-file secret --client-id alice --json
  sealwire doctor mqtts://ID-ats.iot.eu-central-1.amazonaws.com:443 --alpn x-amzn-mqtt-ca --ca certs/amazon-root-ca-1.pem ...`;

const marks: Readonly<Record<CheckStatus, readonly [mark: string, style: Style]>> = {
  pass: ["ok  ", "green"],
  warn: ["warn", "yellow"],
  fail: ["FAIL", "red"],
  skip: ["-   ", "dim"],
};

/** Adds the command. @param ended takes its exit code */
export function addDoctor(program: Command, ended: (exitCode: ExitCode) => void): void {
  program
    .command("doctor")
    .summary("check a broker and a device's credentials from the outside")
    .description(
      "Connects to a broker as a device would, and says in a sentence what is wrong, or what could be better.",
    )
    .argument("<broker>", "mqtts://host:port; port 8883 when left out")
    .option("--ca <file>", "PEM of the authorities that the device trusts (default: those of Node)")
    .option("--crl <file>", "PEM of revocation lists")
    .option("--cert <file>", "PEM of the device's certificate and those above it")
    .option("--key <file>", "PEM of the device's private key")
    .option("--client-id <id>", "client identifier", "sealwire-doctor")
    .option("--user <name>", "user name")
    .option("--password-file <file>", "password, in the first line; - for standard input")
    .option("--alpn <protocol>", "protocol to ask for, such as mqtt or x-amzn-mqtt-ca")
    .option("--subscribe <filter>", "topic filter to subscribe to")
    .option("--publish <topic>", "topic to publish a short message to")
    .addOption(new Option("--timeout <seconds>", "longest time for each step").default("10"))
    .option("--json", "print one JSON object")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", more)
    .action(async (url: string, given: DoctorArguments) => {
      const out = new Output(process.stdout);
      if ((given.cert === undefined) !== (given.key === undefined)) throw usageFailure("--cert and --key go together.");
      if (given.passwordFile !== undefined && given.user === undefined)
        throw usageFailure("A password needs a --user.");
      const report = new Report(({ status, sentence }) => {
        const [mark, style] = marks[status];
        if (!given.json) out.line(`${out.styled(style, mark)}  ${sentence}`);
      });
      const target = {
        ...parseBrokerURL(url),
        ca: blocks("--ca", given.ca, "CERTIFICATE", "certificate"),
        revocationLists: blocks("--crl", given.crl, "X509 CRL", "revocation list"),
        certificate: text(given.cert),
        key: text(given.key),
        clientIdentifier: given.clientId,
        userName: given.user,
        password: given.passwordFile === undefined ? undefined : readSecret(given.passwordFile, "password"),
        applicationProtocol: given.alpn,
        timeout: whole(given.timeout, "--timeout", 1, 600) * 1000,
        publish: given.publish,
        subscribe: given.subscribe,
      };
      await examine(target, report);
      const count = (status: CheckStatus): number => report.checks.filter((check) => check.status === status).length;
      if (given.json) out.line(JSON.stringify({ broker: url, ok: !report.failed, checks: report.checks }));
      else out.line(`\n${count("pass")} ok, ${count("warn")} warnings, ${count("fail")} failed.`);
      ended(report.failed ? exitCodes.failed : exitCodes.success);
    });
}

/** PEM of one kind: a file without any would make everything look untrusted. */
function blocks(option: string, file: string | undefined, label: PEMLabel, what: string): string | undefined {
  const found = text(file);
  if (found !== undefined && fromPEM(label, found).length === 0)
    throw usageFailure(`${file!} (${option}) holds no ${what} in PEM form.`);
  return found;
}

function text(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  const content = readFile(file);
  if (content === undefined)
    throw new CommandFailure(exitCodes.environment, "STORAGE_FAILED", `The file ${file} does not exist.`);
  return content;
}
