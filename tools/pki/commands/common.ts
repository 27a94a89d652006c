/** What the commands of `sealwire pki` share. */
import type { Command } from "commander";
import { usageFailure } from "../../failure.js";
import { askPassphrase } from "../../passphrase.js";
import type { CertificateEntry } from "../certificate-index.js";
import { FleetPKI } from "../fleet-pki.js";

export interface CommonArguments {
  readonly pki: string;
  readonly passphraseFile?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** The environment variable that holds the passphrase. */
export const passphraseVariable = "SEALWIRE_PKI_PASSPHRASE";

/** Added to the help of each command. */
export const exitCodeHelp = `
Exit codes:
  0    done
  1    it did not work
  2    wrong arguments
  3    something is missing or in the way: the PKI, a key, a passphrase that is wrong, a full disk
  130  ended by Ctrl-C`;

export const passphraseHelp = `
The passphrase of the authorities' keys comes from --passphrase-file, else from the environment variable
${passphraseVariable}, else it is asked for at the terminal.`;

export function withCommonOptions(command: Command): Command {
  return command
    .helpOption("-h, --help", "print this help")
    .option("--pki <folder>", "folder of the PKI", "pki")
    .option("--passphrase-file <file>", "file whose first line is the passphrase of the authorities' keys")
    .option("--json", "print one JSON object")
    .option("--verbose", "print where errors come from")
    .allowExcessArguments(false);
}

/** Asks once, however many keys are opened. */
export function passphraseOf({ passphraseFile }: CommonArguments, isNew = false): () => Promise<string> {
  let asked: Promise<string> | undefined;
  return () =>
    (asked ??= askPassphrase({
      what: "passphrase of the PKI",
      option: "--passphrase-file",
      file: passphraseFile,
      variable: passphraseVariable,
      isNew,
    }));
}

/** Opens the PKI for the time of the work. */
export async function withPKI<T>(given: CommonArguments, work: (pki: FleetPKI) => Promise<T> | T): Promise<T> {
  const pki = new FleetPKI({ folder: given.pki, passphrase: passphraseOf(given) });
  try {
    return await work(pki);
  } finally {
    pki.close();
  }
}

/** A number of days. @throws CommandFailure with exit code 2 */
export function daysOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const days = Number(text);
  if (!/^\d{1,5}$/.test(text) || days < 1)
    throw usageFailure(`${option} must be a whole number of days from 1 to 99999.`);
  return days;
}

/** An entry as `--json` shows it. */
export function shown({ serialNumber, kind, name, notBefore, notAfter, revokedAt, reason }: CertificateEntry): object {
  return {
    serialNumber,
    kind,
    name,
    notBefore: iso(notBefore),
    notAfter: iso(notAfter),
    revokedAt: revokedAt === undefined ? null : iso(revokedAt),
    reason: reason ?? null,
  };
}

export function iso(time: number | Date): string {
  return new Date(time).toISOString().replace(".000Z", "Z");
}

export function dayOf(time: number | Date): string {
  return new Date(time).toISOString().slice(0, 10);
}
