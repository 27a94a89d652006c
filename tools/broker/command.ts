/** `sealwire broker config | run | password | disconnect`: options and help. */
import { randomBytes } from "node:crypto";
import * as path from "node:path";
import { type Command, Option } from "commander";
import { exitCodes, type ExitCode, usageFailure } from "../failure.js";
import { createFolder, replaceFile } from "../files.js";
import { Output } from "../output.js";
import { exportAWSPolicy } from "../permissions/aws-policy.js";
import { exportEMQX } from "../permissions/emqx-acl.js";
import { readPermissions } from "../permissions/file.js";
import { readSecret } from "../secrets.js";
import { disconnectClient, type DisconnectArguments } from "./disconnect.js";
import { addBrokerOptions, type BrokerArguments, brokerOptions, required, tlsFiles } from "./options.js";
import { writeMosquittoFiles } from "./managed-mosquitto.js";
import { defaultLimits } from "./mosquitto-conf.js";
import { awsConfiguration, emqxConfiguration, hivemqConfiguration } from "./other-brokers.js";
import { removePassword, setPassword } from "./password-file.js";
import { runBroker } from "./run.js";

const exitText = `
Exit codes:
  0    done; for run: it was asked to stop
  1    it did not work: the last line says why
  2    wrong arguments
  3    something is missing or in the way: Mosquitto, a port, a file, the broker`;

interface ConfigArguments extends BrokerArguments {
  readonly for: "mosquitto" | "aws" | "emqx" | "hivemq";
  readonly out: string;
  readonly region?: string;
  readonly account?: string;
}

interface PasswordArguments {
  readonly passwordFile?: string;
  readonly remove?: boolean;
  readonly iterations?: string;
  readonly json?: boolean;
}

/** Adds the commands. @param ended takes the exit code */
export function addBroker(program: Command, ended: (exitCode: ExitCode) => void): void {
  const out = new Output(process.stdout);
  const group = program
    .command("broker")
    .summary("configure brokers so that they admit your devices only, and run one")
    .description("Hardened brokers: TLS 1.2 or later, no anonymous clients, least privilege, limits.")
    .helpOption("-h, --help", "print this help");

  addBrokerOptions(
    group
      .command("config")
      .summary("write the configuration of a broker")
      .description(
        "Writes the configuration of a broker, and what it reads, into a folder. Listens on loopback alone unless --bind says otherwise.",
      )
      .addOption(
        new Option("--for <broker>", "the broker")
          .choices(["mosquitto", "aws", "emqx", "hivemq"])
          .makeOptionMandatory(),
      )
      .option("--out <folder>", "folder for the files", "broker")
      .option("--region <region>", "aws: such as eu-central-1")
      .option("--account <id>", "aws: 12 digits"),
  )
    .addHelpText(
      "after",
      `${exitText}\n\nExamples:\n  sealwire broker config --for mosquitto --ca ca.pem --cert server.pem --key server.key --crl issuing-ca.crl --permissions permissions.json\n  sealwire broker config --for mosquitto ... --bridge mqtts://cloud.example:8883 --bridge-ca cloud-ca.pem --bridge-cert gateway.pem --bridge-key gateway.key --bridge-id gateway-1\n  sealwire broker config --for aws --region eu-central-1 --account 123456789012 --permissions permissions.json`,
    )
    .action(async (given: ConfigArguments) => {
      const files = await configure(given);
      if (given.json) out.line(JSON.stringify({ for: given.for, files }));
      else for (const file of files) out.line(`wrote ${file}`);
      ended(exitCodes.success);
    });

  addBrokerOptions(
    group
      .command("run")
      .summary("run a hardened Mosquitto")
      .description(
        "Runs the Mosquitto of this machine, hardened. When permissions, passwords, certificates or revocation lists change, it follows while clients stay " +
          "connected; what is wrong is refused and told. Ends with Ctrl-C.",
      )
      .option("--state <folder>", "folder for the broker's own copies and its sessions", ".sealwire/broker")
      .option(
        "--restart-on-revocation",
        "end every connection when somebody was revoked, since Mosquitto lets a revoked client go on",
      )
      .option("--verbose", "print the broker's log"),
  )
    .addHelpText(
      "after",
      `${exitText}\n\nExamples:\n  sealwire broker run --pki pki --permissions permissions.json --user-permissions back-end=back-end.json\n  sealwire broker run --ca ca.pem --cert server.pem --key server.key --crl issuing-ca.crl --permissions permissions.json\n  sealwire broker run ... --auth both --passwords passwords --bind 0.0.0.0\n  sealwire broker run ... --dynamic-security dynamic-security.json`,
    )
    .action(async (given: BrokerArguments & { state: string; restartOnRevocation?: boolean; verbose?: boolean }) => {
      ended(await runBroker(brokerOptions(given), given, out));
    });

  group
    .command("password")
    .summary("set or remove a password in a password file of Mosquitto")
    .description(
      "Sets the password of a user in a password file of Mosquitto, hashed with PBKDF2-HMAC-SHA-512. Without --password-file a random one of 160 bits is made and printed once.",
    )
    .argument("<file>", "the password file; made when it does not exist")
    .argument("<user>", "the user name")
    .option("--password-file <file>", "read the password from the first line of this file; - for standard input")
    .option("--iterations <number>", "rounds of PBKDF2; the broker spends them at every connect (default: 1,000)")
    .option("--remove", "remove the user")
    .option("--json", "print one JSON object")
    .helpOption("-h, --help", "print this help")
    .addHelpText(
      "after",
      `${exitText}\n\nExamples:\n  sealwire broker password passwords dev-1\n  sealwire broker password passwords alice --password-file - --iterations 100000 < secret`,
    )
    .action((file: string, user: string, given: PasswordArguments) => {
      if (given.remove) {
        const removed = removePassword(file, user);
        out.line(
          given.json ? JSON.stringify({ user, removed }) : removed ? `removed ${user}` : `${user} was not there`,
        );
        ended(removed ? exitCodes.success : exitCodes.failed);
        return;
      }
      const iterations = given.iterations === undefined ? undefined : Number(given.iterations);
      const made = given.passwordFile === undefined ? randomBytes(20).toString("base64url") : undefined;
      setPassword(file, user, made ?? readSecret(given.passwordFile!, "password"), iterations);
      if (given.json) out.line(JSON.stringify({ user, ...(made !== undefined && { password: made }) }));
      else out.line(made ?? `set the password of ${user}`);
      ended(exitCodes.success);
    });

  group
    .command("disconnect")
    .summary("end the connection of a device, through dynamic security")
    .description(
      "Deletes or disables a client in the dynamic security of a running Mosquitto, which ends its connection at once. A device with a certificate may connect again, " +
        "to no permissions when it was deleted: revoke its certificate to keep it out.",
    )
    .argument("<user>", "user name of the client, which is the client identifier of a device with a certificate")
    .requiredOption("--broker <url>", "mqtts://host:port of a listener that admits the administrator")
    .requiredOption("--ca <file>", "PEM of the authorities that sign the broker's certificate")
    .option("--cert <file>", "PEM of the administrator's certificate")
    .option("--key <file>", "PEM of the administrator's private key")
    .option("--admin <name>", "user name of the administrator")
    .option("--password-file <file>", "the administrator's password; - for standard input")
    .option("--disable", "disable instead of delete: enableClient lets it back in")
    .option("--json", "print one JSON object")
    .helpOption("-h, --help", "print this help")
    .addHelpText(
      "after",
      `${exitText}\n\nExamples:\n  sealwire broker disconnect dev-1 --broker mqtts://localhost:8884 --ca ca.pem --admin admin --password-file admin.secret`,
    )
    .action(async (user: string, given: DisconnectArguments) => {
      await disconnectClient(user, given);
      out.line(
        given.json
          ? JSON.stringify({ user, action: given.disable ? "disabled" : "deleted" })
          : `${given.disable ? "disabled" : "deleted"} ${user}`,
      );
      ended(exitCodes.success);
    });
}

/** @returns the files that were written */
async function configure(given: ConfigArguments): Promise<string[]> {
  const folder = path.resolve(given.out);
  createFolder(folder, 0o700);
  const write = (name: string, content: string, mode = 0o644): string => {
    const file = path.join(folder, name);
    replaceFile(file, content, mode);
    return file;
  };
  switch (given.for) {
    case "mosquitto":
      return writeMosquittoFiles({ ...brokerOptions(given), folder });
    case "aws": {
      const { region, account } = given;
      if (region === undefined || account === undefined) throw usageFailure("AWS needs --region and --account.");
      const policy = exportAWSPolicy(readPermissions(required(given.permissions, "--permissions")), {
        region,
        account,
      });
      const file = write("policy.json", policy.content);
      return [file, write("aws-iot.sh", awsConfiguration(region, file))];
    }
    case "emqx":
    case "hivemq": {
      const { port, bind, limits } = brokerOptions({
        ...given,
        ca: given.ca ?? "ca",
        cert: given.cert ?? "cert",
        key: given.key ?? "key",
      });
      const options = { port: port ?? 8883, bind: bind ?? "127.0.0.1", limits: { ...defaultLimits, ...limits } };
      if (given.for === "hivemq")
        return [
          write(
            "config.xml",
            hivemqConfiguration({ ...options, tls: { ca: "x", certificate: "x", key: "x" }, permissionsFile: "x" }),
          ),
        ];
      const acl = write("acl.conf", exportEMQX(readPermissions(required(given.permissions, "--permissions"))).content);
      return [acl, write("emqx.conf", emqxConfiguration({ ...options, tls: tlsFiles(given), permissionsFile: acl }))];
    }
  }
}
