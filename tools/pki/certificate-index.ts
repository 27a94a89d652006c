/**
 * What an authority issued and revoked: a SQLite database in write-ahead mode. Several processes may use it at once; one that is killed leaves
 * nothing half done, and keeps nobody waiting.
 */
import Database from "libsql";
import { CommandFailure, exitCodes } from "../failure.js";
import type { Revocation, RevocationReason } from "./revocation.js";

export type CertificateKind = "authority" | "server" | "device";

export interface CertificateEntry {
  /** Lower-case hexadecimal, without leading zeros. */
  readonly serialNumber: string;
  readonly kind: CertificateKind;
  /** The common name. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly certificate: Uint8Array;
  /** Milliseconds since 1970; `undefined` while it is not revoked. */
  readonly revokedAt: number | undefined;
  readonly reason: RevocationReason | undefined;
}

export type NewEntry = Omit<CertificateEntry, "revokedAt" | "reason">;

export interface EntryFilter {
  readonly name?: string | undefined;
  readonly serialNumber?: string | undefined;
  readonly kind?: CertificateKind | undefined;
}

/** Milliseconds to wait for another process that writes. */
const busyTimeout = 15_000;

const schema = `
  CREATE TABLE IF NOT EXISTS certificate (
    serial TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    der BLOB NOT NULL,
    revoked INTEGER,
    reason TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS certificate_name ON certificate (name);
  CREATE INDEX IF NOT EXISTS certificate_revoked ON certificate (revoked) WHERE revoked IS NOT NULL;
  CREATE TABLE IF NOT EXISTS list (authority TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT;
`;

interface Row {
  readonly serial: string;
  readonly kind: CertificateKind;
  readonly name: string;
  readonly not_before: number;
  readonly not_after: number;
  readonly der: ArrayBuffer;
  readonly revoked: number | null;
  readonly reason: RevocationReason | null;
}

export class CertificateIndex {
  readonly #file: string;
  readonly #database: InstanceType<typeof Database>;

  /** Opens the file, and makes it when it is not there. @throws CommandFailure with exit code 3 */
  constructor(file: string) {
    this.#file = file;
    this.#database = this.#attempt(() => new Database(file, { timeout: busyTimeout }));
    this.#attempt(() => {
      this.#database.pragma(`busy_timeout = ${busyTimeout}`);
      this.#database.pragma("journal_mode = WAL");
      // Issued means on the disk, also after a power cut.
      this.#database.pragma("synchronous = FULL");
      this.#database.exec(schema);
    });
  }

  /** Adds certificates: all of them or none. */
  add(entries: readonly NewEntry[]): void {
    if (entries.length === 0) return;
    this.write(() => {
      const insert = this.#database.prepare(
        "INSERT INTO certificate (serial, kind, name, not_before, not_after, der) VALUES (?, ?, ?, ?, ?, ?)",
      );
      for (const { serialNumber, kind, name, notBefore, notAfter, certificate } of entries)
        insert.run(serialNumber, kind, name, notBefore, notAfter, certificate);
    });
  }

  has(serialNumber: string): boolean {
    const found = this.#attempt(() =>
      this.#database.prepare("SELECT count(*) AS found FROM certificate WHERE serial = ?").get(serialNumber),
    ) as { found: number };
    return found.found > 0;
  }

  /** Those that fit, in the order of their beginnings. */
  find({ name, serialNumber, kind }: EntryFilter = {}): CertificateEntry[] {
    // Only what is asked for: with a condition that may be none, every certificate of the fleet would be looked at.
    const wanted = Object.entries({ name, serial: serialNumber, kind }).filter(([, value]) => value !== undefined);
    const conditions = wanted.map(([column]) => `${column} = ?`).join(" AND ");
    const rows = this.#attempt(() =>
      this.#database
        .prepare(
          `SELECT * FROM certificate ${conditions === "" ? "" : `WHERE ${conditions} `}ORDER BY not_before, rowid`,
        )
        .all(...wanted.map(([, value]) => value)),
    ) as Row[];
    return rows.map((row) => ({
      serialNumber: row.serial,
      kind: row.kind,
      name: row.name,
      notBefore: row.not_before,
      notAfter: row.not_after,
      certificate: new Uint8Array(row.der),
      revokedAt: row.revoked ?? undefined,
      reason: row.reason ?? undefined,
    }));
  }

  /** Revokes them. One that is revoked already keeps its date and reason. */
  revoke(serialNumbers: readonly string[], at: number, reason: RevocationReason): void {
    this.write(() => {
      const update = this.#database.prepare(
        "UPDATE certificate SET revoked = ?, reason = ? WHERE serial = ? AND revoked IS NULL",
      );
      for (const serialNumber of serialNumbers) update.run(at, reason, serialNumber);
    });
  }

  /** What belongs on a list. Expired certificates stay on it for good: a device with a lying clock might accept them. */
  revocations(kinds: readonly CertificateKind[]): Revocation[] {
    const rows = this.#attempt(() =>
      this.#database
        .prepare(
          `SELECT serial, revoked, reason FROM certificate WHERE revoked IS NOT NULL AND kind IN (${kinds
            .map(() => "?")
            .join(", ")}) ORDER BY revoked, serial`,
        )
        .all(...kinds),
    ) as Row[];
    return rows.map(({ serial, revoked, reason }) => ({
      serialNumber: serial,
      date: new Date(revoked!),
      reason: reason ?? undefined,
    }));
  }

  /** Certificates that were revoked since their keys were compromised, DER; without those that only a list tells of. */
  compromised(): Uint8Array[] {
    const rows = this.#attempt(() =>
      this.#database
        .prepare(
          "SELECT der FROM certificate WHERE revoked IS NOT NULL AND reason = 'keyCompromise' AND length(der) > 0",
        )
        .all(),
    ) as Pick<Row, "der">[];
    return rows.map(({ der }) => new Uint8Array(der));
  }

  /** The number of the newest list of an authority; 0 when there was none. */
  listNumber(authority: string): number {
    const row = this.#attempt(() =>
      this.#database.prepare("SELECT max(number) AS number FROM list WHERE authority = ?").get(authority),
    ) as { number: number | null } | undefined;
    return row?.number ?? 0;
  }

  setListNumber(authority: string, number: number): void {
    this.#attempt(() =>
      this.#database
        .prepare("INSERT INTO list VALUES (?1, ?2) ON CONFLICT (authority) DO UPDATE SET number = ?2")
        .run(authority, number),
    );
  }

  /**
   * Does something while no other process can write; all that it wrote is kept, or nothing. Within another, it is a part of that one.
   * @param action may take its time, and others wait for it
   */
  write<T>(action: () => T): T {
    const database = this.#database;
    if (database.inTransaction) return action();
    this.#attempt(() => database.exec("BEGIN IMMEDIATE"));
    const end = (statement: "COMMIT" | "ROLLBACK"): void => {
      if (database.inTransaction) this.#attempt(() => database.exec(statement));
    };
    let result: T;
    try {
      result = this.#attempt(action);
    } catch (error) {
      end("ROLLBACK");
      throw error;
    }
    if (!(result instanceof Promise)) {
      end("COMMIT");
      return result;
    }
    return result.then(
      (value: unknown) => {
        end("COMMIT");
        return value;
      },
      (error: unknown) => {
        end("ROLLBACK");
        throw error;
      },
    ) as T;
  }

  close(): void {
    if (!this.#database.open) return;
    // So that whoever copies the file alone has nearly everything; others that use it now are not waited for.
    this.#attempt(() => this.#database.pragma("wal_checkpoint(PASSIVE)"));
    this.#database.close();
  }

  #attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (typeof code !== "string" || !code.startsWith("SQLITE_")) throw error;
      throw new CommandFailure(
        exitCodes.environment,
        "STORAGE_FAILED",
        `Cannot use the index ${this.#file}: ${reasonFor(code, error as Error)}.`,
        { cause: error },
      );
    }
  }
}

function reasonFor(code: string, { message }: Error): string {
  if (code.startsWith("SQLITE_FULL")) return "the disk is full";
  if (code.startsWith("SQLITE_IOERR")) return "the disk failed, or is full";
  if (code.startsWith("SQLITE_BUSY")) return "another process keeps it locked";
  if (code.startsWith("SQLITE_CANTOPEN")) return "it cannot be opened";
  if (code.startsWith("SQLITE_READONLY")) return "it cannot be written";
  if (code.startsWith("SQLITE_CORRUPT") || code.startsWith("SQLITE_NOTADB")) return "it is damaged";
  return message;
}
