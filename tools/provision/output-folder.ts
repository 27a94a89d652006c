/**
 * Where provisioned devices go: a folder each, that appears whole or not at all.
 *
 *     in-use                      the process that writes here now
 *     codes.csv                   one-time codes, when records are encrypted: id and code, the last line of a device counts
 *     devices/ID/record.cbor …    what is flashed, and the certificate
 *     devices/.ID.unfinished      being made
 *
 * A batch is written in this order: folders under their unfinished names; codes; the certificates in the PKI's index; then the folders get their names.
 * So a folder that is found unfinished was meant to be given out when its certificate is in the index, and is finished; else it is removed.
 */
import { X509Certificate } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { claimFolder } from "../claim.js";
import { CommandFailure, exitCodes, reasonOf } from "../failure.js";
import { createFolder, readFile } from "../files.js";
import { fromPEM, type FleetPKI, toEntry } from "../pki/index.js";
import type { BuiltDevice } from "./build.js";

const unfinished = ".unfinished";

export class OutputFolder {
  readonly folder: string;
  readonly devices: string;
  readonly codes: string;
  readonly #pki: FleetPKI | undefined;
  readonly #release: () => void;
  /** Devices whose folders were finished as this one was opened. */
  readonly recovered: number;

  /** Opens it, and ends what a run that was killed began. @throws CommandFailure with exit code 3 */
  constructor(folder: string, pki: FleetPKI | undefined) {
    this.folder = folder;
    this.devices = path.join(folder, "devices");
    this.codes = path.join(folder, "codes.csv");
    this.#pki = pki;
    createFolder(folder, 0o700);
    createFolder(this.devices, 0o700);
    this.#release = claimFolder(folder);
    try {
      this.recovered = this.#recover();
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  has(clientIdentifier: string): boolean {
    return fs.existsSync(path.join(this.devices, clientIdentifier));
  }

  pathOf(clientIdentifier: string): string {
    return path.join(this.devices, clientIdentifier);
  }

  /** Writes a batch. @throws CommandFailure with exit code 3; what is whole stays */
  async write(batch: readonly BuiltDevice[]): Promise<void> {
    if (batch.length === 0) return;
    try {
      await this.#attempt(async () => {
        // All come to their end before anything is taken back.
        const results = await Promise.allSettled(batch.map((device) => this.#prepare(device)));
        const failed = results.find((result) => result.status === "rejected");
        if (failed) throw failed.reason;
        this.#appendCodes(batch);
      });
      this.#pki?.index.add(batch.flatMap(({ entry }) => entry ?? []));
    } catch (error) {
      for (const { clientIdentifier } of batch)
        fs.rmSync(this.#unfinished(clientIdentifier), { recursive: true, force: true });
      throw error;
    }
    await this.#attempt(async () => {
      for (const { clientIdentifier } of batch) this.#publish(clientIdentifier);
      await syncFolder(this.devices);
    });
  }

  close(): void {
    this.#release();
  }

  async #prepare({ clientIdentifier, files }: BuiltDevice): Promise<void> {
    const folder = this.#unfinished(clientIdentifier);
    await fs.promises.mkdir(folder, { mode: 0o700 });
    for (const [name, content] of files) {
      const file = await fs.promises.open(path.join(folder, name), "wx", 0o600);
      try {
        await file.writeFile(content);
        await file.sync();
      } finally {
        await file.close();
      }
      // A certificate is no secret; all else may be one.
      if (!name.endsWith(".crt")) content.fill(0);
    }
    await syncFolder(folder);
  }

  #appendCodes(batch: readonly BuiltDevice[]): void {
    const lines = batch.flatMap(({ clientIdentifier, code }) =>
      code === undefined ? [] : `${clientIdentifier},${code}\n`,
    );
    if (lines.length === 0) return;
    const file = fs.openSync(this.codes, "a", 0o600);
    try {
      const before = fs.fstatSync(file).size;
      try {
        fs.writeFileSync(file, lines.join(""));
        fs.fsyncSync(file);
      } catch (error) {
        // Half a line would spoil the next one.
        fs.ftruncateSync(file, before);
        throw error;
      }
    } finally {
      fs.closeSync(file);
    }
  }

  #publish(clientIdentifier: string): void {
    fs.renameSync(this.#unfinished(clientIdentifier), this.pathOf(clientIdentifier));
  }

  #unfinished(clientIdentifier: string): string {
    return path.join(this.devices, `.${clientIdentifier}${unfinished}`);
  }

  #recover(): number {
    let recovered = 0;
    for (const name of fs.readdirSync(this.devices)) {
      if (!name.startsWith(".") || !name.endsWith(unfinished)) continue;
      const clientIdentifier = name.slice(1, -unfinished.length);
      const found = path.join(this.devices, name);
      if (!this.has(clientIdentifier) && this.#wasIssued(found)) {
        this.#publish(clientIdentifier);
        recovered++;
      } else fs.rmSync(found, { recursive: true, force: true });
    }
    this.#repairCodes();
    return recovered;
  }

  #wasIssued(folder: string): boolean {
    const [certificate] = fromPEM("CERTIFICATE", readFile(path.join(folder, "device.crt")) ?? "");
    if (certificate === undefined || this.#pki === undefined) return false;
    try {
      new X509Certificate(certificate);
    } catch {
      return false;
    }
    return this.#pki.index.has(toEntry("device", certificate).serialNumber);
  }

  /** A line that a killed process left half written is ended, so that the next one is not glued to it. */
  #repairCodes(): void {
    const text = readFile(this.codes);
    if (text !== undefined && text !== "" && !text.endsWith("\n"))
      fs.truncateSync(this.codes, Buffer.byteLength(text.slice(0, text.lastIndexOf("\n") + 1)));
  }

  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (error instanceof CommandFailure) throw error;
      throw new CommandFailure(
        exitCodes.environment,
        "STORAGE_FAILED",
        `Cannot write to ${this.folder}: ${reasonOf(error)}. What is whole was kept; the same command goes on from there.`,
        { cause: error },
      );
    }
  }
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await fs.promises.open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
