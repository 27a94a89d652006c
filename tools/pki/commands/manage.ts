/** `sealwire pki init | revoke | crl | list`. */
import { type Command, Option } from "commander";
import { X509Certificate } from "node:crypto";
import { tellResult, type CommandResult } from "../../command-result.js";
import { CommandFailure, type ExitCode, exitCodes, usageFailure } from "../../failure.js";
import { askPassphrase } from "../../passphrase.js";
import { shownPath } from "../../paths.js";
import type { CertificateEntry, CertificateKind } from "../certificate-index.js";
import { createPKI, type ImportedAuthority } from "../create-pki.js";
import { type AuthorityName, commonNameOf, type FleetPKI, indexed, type RevocationListResult } from "../fleet-pki.js";
import { type KeyAlgorithm, keyAlgorithms } from "../keys.js";
import { type RevocationReason, revocationReasons } from "../revocation.js";
import { checkDisconnect, disconnectRevoked, type DisconnectRevokedArguments } from "./disconnect-revoked.js";
import {
  type CommonArguments,
  dayOf,
  daysOf,
  exitCodeHelp,
  iso,
  passphraseHelp,
  passphraseOf,
  shown,
  withCommonOptions,
  withPKI,
} from "./common.js";

interface InitArguments extends CommonArguments {
  readonly name: string;
  readonly key: KeyAlgorithm;
  readonly rootDays?: string;
  readonly issuingDays?: string;
  readonly rootCert?: string;
  readonly rootKey?: string;
  readonly rootCrl?: string;
  readonly issuingCert?: string;
  readonly issuingKey?: string;
  readonly issuingCrl?: string;
  readonly importPassphraseFile?: string;
}

type RevokeArguments = CommonArguments & DisconnectRevokedArguments & { readonly reason: RevocationReason };

type Ended = (exitCode: ExitCode) => void;

export function addManage(pki: Command, ended: Ended): void {
  withCommonOptions(pki.command("init"))
    .summary("make a PKI: a root and an issuing authority")
    .description(
      "Makes a root and an issuing authority, their encrypted keys, and the first revocation lists. With --root-cert and its siblings, authorities that exist are used instead. The root's key is needed again only for its own list and to renew the issuing authority: move it to a safe place.",
    )
    .option("--name <name>", "begins the names of the authorities", "Sealwire")
    .addOption(new Option("--key <algorithm>", "of the new keys").choices([...keyAlgorithms]).default("P-256"))
    .option("--root-days <days>", "validity of the root (default: 7300)")
    .option("--issuing-days <days>", "validity of the issuing authority (default: 3650)")
    .option("--root-cert <file>", "import: PEM of a root")
    .option("--root-key <file>", "import: PEM of its key, encrypted or not")
    .option("--root-crl <file>", "import: PEM of its newest revocation list")
    .option("--issuing-cert <file>", "import: PEM of an issuing authority")
    .option("--issuing-key <file>", "import: PEM of its key, encrypted or not")
    .option("--issuing-crl <file>", "import: PEM of its newest revocation list")
    .option("--import-passphrase-file <file>", "file whose first line is the passphrase of the keys that are imported")
    .addHelpText(
      "after",
      `${passphraseHelp}\nThat of imported keys comes from --import-passphrase-file, SEALWIRE_IMPORT_PASSPHRASE or the terminal.\n${exitCodeHelp}\n\nExamples:\n  sealwire pki init --name "Acme Pumps"\n  sealwire pki init --key RSA-2048 --passphrase-file passphrase.txt\n  sealwire pki init --root-cert root.crt --issuing-cert issuing.crt --issuing-key issuing.key`,
    )
    .action(async (given: InitArguments) => {
      ended(await tellResult(given, () => init(given)));
    });
  withCommonOptions(pki.command("revoke <name-or-serial...>"))
    .summary("revoke certificates, and issue the list that says so")
    .description(
      "Revokes certificates by serial number, or all that are valid of a server or device by its name, and issues a new list. Give the list to the broker; sealwire pki list shows serial numbers.",
    )
    .addOption(new Option("--reason <reason>", "why").choices([...revocationReasons]).default("unspecified"))
    .option(
      "--disconnect",
      "end their connections: by a restart of the broker that sealwire broker run runs, or with --broker by its dynamic security",
    )
    .option("--broker-state <folder>", "with --disconnect: the --state of sealwire broker run", ".sealwire/broker")
    .option("--broker <url>", "with --disconnect: mqtts://host:port of a listener that admits the administrator")
    .option("--ca <file>", "with --broker: PEM of the authorities that sign its certificate")
    .option("--cert <file>", "with --broker: PEM of the administrator's certificate")
    .option("--key <file>", "with --broker: PEM of the administrator's private key")
    .option("--admin <name>", "with --broker: user name of the administrator")
    .option("--admin-password-file <file>", "with --broker: the administrator's password; - for standard input")
    .addHelpText(
      "after",
      `${passphraseHelp}\n${exitCodeHelp}\nWhen a connection could not be ended, the certificate is revoked all the same: exit code 1.\n\nExamples:\n  sealwire pki revoke pump-0001 --reason keyCompromise\n  sealwire pki revoke 5f2c90d1a8b44e0b9c1f66b0a1d0c7e2 --disconnect\n  sealwire pki revoke pump-0001 --disconnect --broker mqtts://localhost:8884 --ca ca.pem --admin admin --admin-password-file admin.secret`,
    )
    .action(async (names: string[], given: RevokeArguments) => {
      ended(await tellResult(given, () => withPKI(given, (open) => revoke(open, names, given))));
    });
  withCommonOptions(pki.command("crl"))
    .summary("issue new revocation lists")
    .description(
      "Issues a new list of the issuing authority, and with --root one of the root, before the old ones end.",
    )
    .option("--root", "the root's list; needs the root's key")
    .option("--days <days>", "until the next one must be there (default: 30; the root: 397)")
    .addHelpText(
      "after",
      `${passphraseHelp}\n${exitCodeHelp}\n\nExamples:\n  sealwire pki crl\n  sealwire pki crl --root --days 180`,
    )
    .action(async (given: CommonArguments & { root?: boolean; days?: string }) => {
      ended(
        await tellResult(given, () =>
          withPKI(given, async (open) => {
            const list = await open.issueList(given.root ? "root" : "issuing", daysOf("--days", given.days));
            return { json: { lists: [jsonOf(open, list)] }, lines: [sentenceOf(open, list)] };
          }),
        ),
      );
    });
  withCommonOptions(pki.command("list"))
    .summary("show what was issued")
    .description("Shows the certificates that were issued, oldest first.")
    .addOption(new Option("--kind <kind>", "only these").choices(["authority", "server", "device"]))
    .option("--revoked", "only revoked ones")
    .option("--expiring <days>", "only those that end within so many days, and are not revoked")
    .addHelpText(
      "after",
      `${exitCodeHelp}\n\nExamples:\n  sealwire pki list --kind server\n  sealwire pki list --expiring 30 --json`,
    )
    .action(async (given: CommonArguments & { kind?: CertificateKind; revoked?: boolean; expiring?: string }) => {
      ended(await tellResult(given, () => withPKI(given, (open) => list(open, given))));
    });
}

async function init(given: InitArguments): Promise<CommandResult> {
  const root = importedOf("root", given.rootCert, given.rootKey, given.rootCrl);
  const issuing = importedOf("issuing", given.issuingCert, given.issuingKey, given.issuingCrl);
  const rootDays = daysOf("--root-days", given.rootDays);
  const issuingDays = daysOf("--issuing-days", given.issuingDays);
  // A common name has at most 64 characters, and " Issuing CA" is one of them.
  if (given.name === "" || given.name.length > 50) throw usageFailure("--name must have 1 to 50 characters.");
  await createPKI({
    folder: given.pki,
    name: given.name,
    algorithm: given.key,
    rootDays,
    issuingDays,
    passphrase: await passphraseOf(given, true)(),
    root,
    issuing,
    importPassphrase: () =>
      askPassphrase({
        what: "passphrase of the imported key",
        option: "--import-passphrase-file",
        file: given.importPassphraseFile,
        variable: "SEALWIRE_IMPORT_PASSPHRASE",
      }),
  });
  return withPKI(given, (pki) => {
    const about = (certificate: Uint8Array): { name: string; notAfter: number; fingerprint: string } => {
      const parsed = new X509Certificate(certificate);
      return {
        name: commonNameOf(certificate),
        notAfter: Date.parse(parsed.validTo),
        fingerprint: parsed.fingerprint256,
      };
    };
    const authorities = { root: about(pki.root), issuing: about(pki.issuing) };
    return {
      json: {
        folder: pki.folder,
        ...Object.fromEntries(
          Object.entries(authorities).map(([key, value]) => [key, { ...value, notAfter: iso(value.notAfter) }]),
        ),
      },
      lines: [
        `PKI      ${shownPath(pki.folder)}`,
        ...Object.entries(authorities).flatMap(([key, { name, notAfter, fingerprint }]) => [
          `${key.padEnd(8)} ${name}, until ${dayOf(notAfter)}`,
          `         SHA-256 ${fingerprint}`,
        ]),
        `Move ${shownPath(pki.file("root", "key"))} to a safe place: day to day only the issuing authority's key is needed.`,
      ],
    };
  });
}

function importedOf(
  name: AuthorityName,
  certificate: string | undefined,
  key: string | undefined,
  revocationList: string | undefined,
): ImportedAuthority | undefined {
  if (certificate !== undefined) return { certificate, key, revocationList };
  if (key !== undefined || revocationList !== undefined)
    throw usageFailure(`--${name}-key and --${name}-crl belong to --${name}-cert: name it, too.`);
  return undefined;
}

async function revoke(pki: FleetPKI, names: readonly string[], given: RevokeArguments): Promise<CommandResult> {
  const { reason } = given;
  const password = checkDisconnect(given);
  const chosen = new Map<string, CertificateEntry>();
  for (const name of names) {
    const serialNumber = indexed(name);
    const found = [...pki.index.find({ serialNumber }), ...pki.index.find({ name })];
    if (found.length === 0)
      throw new CommandFailure(
        exitCodes.failed,
        "INVALID_ARGUMENT",
        `This PKI issued no certificate with the name or serial number "${name.slice(0, 64)}".`,
      );
    for (const entry of found) chosen.set(entry.serialNumber, entry);
  }
  const entries = await pki.notYetRevoked([...chosen.values()]);
  const devices = [...chosen.values()].filter(({ kind }) => kind === "device");
  if (entries.length === 0 && !given.disconnect)
    return { json: { revoked: [], lists: [] }, lines: ["All of them are revoked already; nothing was changed."] };
  const lists = entries.length === 0 ? [] : await pki.revoke(entries, reason);
  // Also for who was revoked before: a first attempt may have failed.
  const ended = given.disconnect ? await disconnectRevoked(devices, given, password) : undefined;
  return {
    ...(ended && ended.failures.length > 0 && { warnings: ended.failures, exitCode: exitCodes.failed }),
    json: {
      revoked: entries.map(({ serialNumber, name }) => ({ serialNumber, name, reason })),
      lists: lists.map((list) => jsonOf(pki, list)),
      ...(ended && { disconnected: ended }),
    },
    lines: [
      ...entries.map(({ serialNumber, name }) => `Revoked  ${serialNumber}  ${name}`),
      ...lists.map((list) => sentenceOf(pki, list)),
      ended === undefined
        ? "A broker must read the new list; who is connected stays so (--disconnect ends that)."
        : ended.failures.length > 0
          ? "Who is connected may stay so: see the warnings."
          : `Disconnected, by ${ended.how}: ${ended.names.join(", ")}`,
    ],
  };
}

function list(
  pki: FleetPKI,
  { kind, revoked, expiring }: { kind?: CertificateKind; revoked?: boolean; expiring?: string },
): CommandResult {
  const days = daysOf("--expiring", expiring);
  const end = days === undefined ? Infinity : pki.now + days * 86_400_000;
  const entries = pki.index
    .find({ kind })
    .filter(({ revokedAt }) => !revoked || revokedAt !== undefined)
    .filter(({ notAfter, revokedAt }) => days === undefined || (notAfter <= end && revokedAt === undefined));
  const state = ({ revokedAt, notAfter }: CertificateEntry): string =>
    revokedAt !== undefined ? `revoked ${dayOf(revokedAt)}` : notAfter <= pki.now ? "expired" : "valid";
  return {
    json: { certificates: entries.map(shown) },
    lines: [
      ...entries.map((entry) =>
        [
          entry.serialNumber.padEnd(32),
          entry.kind.padEnd(9),
          dayOf(entry.notAfter),
          state(entry).padEnd(18),
          entry.name,
        ].join("  "),
      ),
      `${entries.length} ${entries.length === 1 ? "certificate" : "certificates"}`,
    ],
  };
}

function jsonOf(pki: FleetPKI, { authority, number, revoked, nextUpdate }: RevocationListResult): object {
  return { authority, file: pki.file(authority, "crl"), number, revoked, nextUpdate: iso(nextUpdate) };
}

function sentenceOf(pki: FleetPKI, { authority, number, revoked, nextUpdate }: RevocationListResult): string {
  return `List     ${shownPath(pki.file(authority, "crl"))}: number ${number}, ${revoked} revoked, next one by ${dayOf(nextUpdate)}`;
}
