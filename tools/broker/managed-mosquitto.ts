/**
 * A hardened Mosquitto that follows its sources: when permissions, passwords, certificates or revocation lists change, they are checked,
 * copied to where the broker reads them, and it reads them again while its clients stay connected. What is wrong is not copied: the
 * broker goes on with what it has.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { CommandFailure, exitCodes } from "../failure.js";
import { createFolder, readFile, replaceFile } from "../files.js";
import { findMosquitto, installMosquitto, loopback, ServerProcess } from "../brokers/index.js";
import { exportMosquittoACL } from "../permissions/mosquitto-acl.js";
import { readPermissions } from "../permissions/file.js";
import { indexed } from "../pki/index.js";
import { findDynamicSecurity } from "./dynamic-security-plugin.js";
import { type Authentication, type BrokerLimits, mosquittoConf } from "./mosquitto-conf.js";
import { checkAuthorities, checkKeyPair, checkPasswordFile, checkRevocationLists, type Revoked } from "./sources.js";

/** The files that a user keeps. */
export interface BrokerSources {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  readonly revocationList?: string | undefined;
  readonly passwordFile?: string | undefined;
  /** One of the three: permissions, an ACL of his own, or the configuration of dynamic security, which the broker itself changes then. */
  readonly permissions?: string | undefined;
  readonly acl?: string | undefined;
  readonly dynamicSecurity?: string | undefined;
}

export interface ManagedMosquittoOptions {
  readonly sources: BrokerSources;
  /** Permissions files of users who are no devices, by their names; beside the source `permissions`. */
  readonly userPermissions?: ReadonlyMap<string, string> | undefined;
  /** Where the broker's own copies lie; kept. */
  readonly folder: string;
  readonly authentication: readonly Authentication[];
  /** Of the first listener; a free one when left out. The second has the next. */
  readonly port?: number | undefined;
  readonly bind?: string | undefined;
  readonly clientIdentifierPrefix?: string | undefined;
  readonly claimedClientIdentifiers?: boolean | undefined;
  readonly limits?: Partial<BrokerLimits> | undefined;
  readonly persistence?: boolean | undefined;
  readonly bridge?: readonly string[] | undefined;
  readonly program?: string | undefined;
  /** Ends every connection when somebody was revoked, not when a list is merely renewed: Mosquitto itself lets those go on that it has. */
  readonly restartOnRevocation?: boolean | undefined;
  readonly onLog?: ((line: string) => void) | undefined;
  readonly onExit?: ((reason: string) => void) | undefined;
  /** It follows a change, or refuses to. */
  readonly onChange?: ((change: BrokerChange) => void) | undefined;
  /** Something will go wrong if nobody does anything. At most once a day. */
  readonly onWarning?: ((sentence: string) => void) | undefined;
}

export interface BrokerChange {
  readonly source: keyof BrokerSources;
  readonly action: "reloaded" | "restarted" | "refused";
  /** Why it was refused. */
  readonly reason?: string | undefined;
}

/** Milliseconds between two looks at the sources. */
const watchInterval = 500;

const day = 24 * 60 * 60 * 1000;

/** Milliseconds before the end of a revocation list in which there should be a new one. */
const listMargin = 3 * day;

/** Milliseconds after which a broker that says nothing of it is taken to have read its files again. */
const longestReload = 5_000;

const names: Readonly<Record<keyof BrokerSources, string>> = {
  ca: "ca.pem",
  certificate: "server.pem",
  key: "server.key",
  revocationList: "revoked.pem",
  passwordFile: "passwords",
  permissions: "acl",
  acl: "acl",
  dynamicSecurity: "dynamic-security.json",
};

/**
 * The file that asks a broker to end every connection once it has read what is new; gone when that is done.
 * @param folder its state
 */
export function disconnectRequest(folder: string): string {
  return path.join(folder, "disconnect");
}

/** Why it did not do so; there when the request is gone. */
export function disconnectRefusal(folder: string): string {
  return path.join(folder, "disconnect-refused");
}

export class ManagedMosquitto {
  readonly #options: ManagedMosquittoOptions;
  readonly #seen = new Map<keyof BrokerSources, string>();
  /** What is not read, and why. */
  readonly #refused = new Map<keyof BrokerSources, string>();
  #process: ServerProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #version = "";
  #onReload: (() => void) | undefined;
  #revoked: Revoked = { end: Infinity, serialNumbers: new Set() };
  /** Whether the newest list names somebody whom the one before did not. */
  #newlyRevoked = false;
  #warned = 0;
  #following: Promise<void> = Promise.resolve();

  constructor(options: ManagedMosquittoOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#version === "" ? "Mosquitto" : `Mosquitto ${this.#version}`;
  }

  /** Of the listener; 0 while it does not run. */
  port(authentication: Authentication = this.#options.authentication[0]!): number {
    const first = this.#process?.port ?? 0;
    return first === 0 ? 0 : first + this.#options.authentication.indexOf(authentication);
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Checks and copies the sources, and starts the broker. Rejects with a `CommandFailure`. */
  async start(): Promise<void> {
    const { folder } = this.#options;
    createFolder(folder, 0o700);
    for (const source of this.#sources()) {
      this.#seen.set(source, this.#stamp(source));
      await this.#copy(source);
    }
    // Of a broker that was stopped before it came to it.
    for (const file of [disconnectRequest(folder), disconnectRefusal(folder)]) fs.rmSync(file, { force: true });
    await this.#run();
    this.#warn();
    this.#timer = setInterval(() => void this.follow(), watchInterval);
  }

  /** Writes everything that the broker would read. @returns the files */
  async write(): Promise<string[]> {
    createFolder(this.#options.folder, 0o700);
    const sources = this.#sources();
    for (const source of sources) await this.#copy(source);
    const files = sources.map((source) => path.resolve(this.#options.folder, names[source]));
    return [...files, this.#configure(this.#options.port ?? 8883, false)];
  }

  /** Resolves once nothing of it runs. Safe more than once. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#following;
    await this.#process?.stop();
    this.#process = undefined;
  }

  /** Looks at the sources now. Resolves when the broker has been told what changed. */
  follow(): Promise<void> {
    this.#following = this.#following
      .then(() => this.#follow())
      .catch((error: unknown) => this.#options.onExit?.(error instanceof Error ? error.message : String(error)));
    return this.#following;
  }

  /** From the end of a list on Mosquitto refuses every client. */
  #warn(): void {
    const now = Date.now();
    if (this.#revoked.end - now > listMargin || now - this.#warned < day) return;
    this.#warned = now;
    const end = new Date(this.#revoked.end).toISOString();
    this.#options.onWarning?.(
      `The revocation list ends on ${end}, and every client is refused from then on: sealwire pki crl makes a new one.`,
    );
  }

  async #follow(): Promise<void> {
    this.#warn();
    const { folder, onChange } = this.#options;
    const request = disconnectRequest(folder);
    // Read before the sources are: who asks has published the list already.
    const requested = readFile(request);
    const restarted = this.#process !== undefined && (await this.#takeUp());
    if (requested === undefined || this.#process === undefined) return;
    const unknown = this.#notRevoked(requested.split("\n").filter((line) => line !== ""));
    if (unknown !== undefined) replaceFile(disconnectRefusal(folder), unknown, 0o600);
    else if (!restarted) await this.restart();
    fs.rmSync(request, { force: true });
    if (unknown === undefined && !restarted) onChange?.({ source: "revocationList", action: "restarted" });
  }

  /** Copies the sources that changed, and has the broker read them. @returns whether it was restarted for that */
  async #takeUp(): Promise<boolean> {
    const { onChange, restartOnRevocation } = this.#options;
    const changed = new Set(this.#sources().filter((source) => this.#stamp(source) !== this.#seen.get(source)));
    if (changed.size === 0) return false;
    // A certificate and its key are taken together or not at all; and what was refused may fit now.
    const pair = (["certificate", "key"] as const).some((source) => changed.has(source));
    const taken: (keyof BrokerSources)[] = [];
    for (const source of this.#sources()) {
      const isOfPair = source === "certificate" || source === "key";
      if (!changed.has(source) && !this.#refused.has(source) && !(pair && isOfPair)) continue;
      this.#seen.set(source, this.#stamp(source));
      try {
        if (await this.#copy(source)) taken.push(source);
        this.#refused.delete(source);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (changed.has(source) || this.#refused.get(source) !== reason)
          onChange?.({ source, action: "refused", reason });
        this.#refused.set(source, reason);
      }
    }
    if (taken.length === 0) return false;
    const restart = taken.some(
      (source) =>
        source === "dynamicSecurity" ||
        (source === "revocationList" && restartOnRevocation === true && this.#newlyRevoked),
    );
    if (restart) await this.restart();
    else await this.reload();
    for (const source of taken) onChange?.({ source, action: restart ? "restarted" : "reloaded" });
    return restart;
  }

  /** Why these would come back after a restart, as the end of a sentence; `undefined` when the broker's list names all of them. */
  #notRevoked(serialNumbers: readonly string[]): string | undefined {
    if (this.#options.sources.revocationList === undefined) return "reads no revocation list";
    const known = new Set([...this.#revoked.serialNumbers].map(indexed));
    if (serialNumbers.every((serialNumber) => known.has(indexed(serialNumber)))) return undefined;
    const reason = this.#refused.get("revocationList");
    return reason === undefined ? "reads a list that does not name them" : `does not read the list: ${reason}`;
  }

  /**
   * Has the broker read ACL, passwords, certificates and lists again; every client stays, and every TLS ticket is forgotten. Resolves once
   * it does so: what a client sends from then on is judged by what is new.
   */
  async reload(): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, longestReload);
      this.#onReload = () => {
        clearTimeout(timer);
        resolve();
      };
      process.kill(pid, "SIGHUP");
    });
    this.#onReload = undefined;
  }

  /** Ends every connection. */
  async restart(): Promise<void> {
    const port = this.#process?.port;
    await this.#process?.stop();
    await this.#run(port);
  }

  #sources(): (keyof BrokerSources)[] {
    const { sources } = this.#options;
    return (Object.keys(names) as (keyof BrokerSources)[]).filter((source) => sources[source] !== undefined);
  }

  /** Changes whenever the file does. */
  #stamp(source: keyof BrokerSources): string {
    const { sources, userPermissions } = this.#options;
    const files = [sources[source]!, ...(source === "permissions" ? (userPermissions?.values() ?? []) : [])];
    return files
      .map((file) => fs.statSync(file, { throwIfNoEntry: false }))
      .map((found) => (found ? `${found.mtimeMs} ${found.size} ${found.ino}` : ""))
      .join("|");
  }

  /** @returns whether the copy is another than before. @throws CommandFailure when the source is missing or wrong */
  async #copy(source: keyof BrokerSources): Promise<boolean> {
    const { folder, sources } = this.#options;
    const file = sources[source]!;
    const target = path.join(folder, names[source]);
    // From then on the broker itself writes it.
    if (source === "dynamicSecurity" && path.resolve(file) === path.resolve(target)) return false;
    const text = source === "permissions" ? this.#accessRules(file) : readFile(file);
    if (text === undefined)
      throw new CommandFailure(exitCodes.environment, "STORAGE_FAILED", `The file ${file} does not exist.`);
    await this.#check(source, text, file);
    if (readFile(target) === text) return false;
    replaceFile(target, text, 0o600);
    return true;
  }

  /** Of all devices, then of each user who is none. */
  #accessRules(permissions: string): string {
    const users = [...(this.#options.userPermissions ?? [])].map(
      ([user, file]) => exportMosquittoACL(readPermissions(file), { users: [user] }).content,
    );
    return [exportMosquittoACL(readPermissions(permissions)).content, ...users].join("\n");
  }

  async #check(source: keyof BrokerSources, text: string, file: string): Promise<void> {
    const { sources } = this.#options;
    if (source === "ca") checkAuthorities(text, file);
    if (source === "revocationList") {
      const authorities = `${readFile(sources.ca) ?? ""}\n${readFile(sources.certificate) ?? ""}`;
      const before = this.#revoked.serialNumbers;
      this.#revoked = await checkRevocationLists(text, file, authorities);
      this.#newlyRevoked = [...this.#revoked.serialNumbers].some((serialNumber) => !before.has(serialNumber));
    }
    if (source === "certificate") checkKeyPair(text, readFile(sources.key) ?? "", file);
    if (source === "key") checkKeyPair(readFile(sources.certificate) ?? "", text, file);
    if (source === "passwordFile") checkPasswordFile(text, file);
  }

  async #run(wanted = this.#options.port): Promise<void> {
    const { onExit } = this.#options;
    this.#process = new ServerProcess({
      name: "Mosquitto",
      program: this.#program(),
      configure: (_temporary, port) => ({ arguments: ["-c", this.#configure(port)] }),
      ready: /^mosquitto version \S+ running$/,
      port: wanted,
      onLog: (line) => {
        this.#version = /^mosquitto version (\S+) starting$/.exec(line)?.[1] ?? this.#version;
        if (line === "Reloading config.") this.#onReload?.();
        this.#options.onLog?.(line);
      },
      onExit,
    });
    await this.#process.start();
  }

  /** @returns the configuration file */
  #configure(port: number, own = true): string {
    const { folder, sources, authentication, persistence } = this.#options;
    const copy = (source: keyof BrokerSources): string => path.resolve(folder, names[source]);
    const optional = (source: keyof BrokerSources): string | undefined =>
      sources[source] === undefined ? undefined : copy(source);
    const file = path.resolve(folder, "mosquitto.conf");
    const content = mosquittoConf({
      ...this.#options,
      listeners: authentication.map((one, i) => ({ port: port + i, authentication: one })),
      bind: this.#options.bind ?? loopback,
      tls: {
        ca: copy("ca"),
        certificate: copy("certificate"),
        key: copy("key"),
        revocationList: optional("revocationList"),
      },
      passwordFile: optional("passwordFile"),
      aclFile: optional("permissions") ?? optional("acl"),
      dynamicSecurity:
        sources.dynamicSecurity === undefined
          ? undefined
          : { plugin: findDynamicSecurity(), file: copy("dynamicSecurity") },
      persistence: persistence === true ? path.resolve(folder) : undefined,
      // Started by root it would become a user who cannot read the folder.
      user: own && process.getuid?.() === 0 ? "root" : undefined,
    });
    replaceFile(file, content, 0o600);
    return file;
  }

  #program(): string {
    const program = this.#options.program ?? findMosquitto();
    if (program === undefined)
      throw new CommandFailure(
        exitCodes.environment,
        "UNSUPPORTED",
        `Mosquitto is not installed: ${installMosquitto}.`,
      );
    return program;
  }
}

/**
 * Checks the sources, and writes a configuration and all that it names into a folder, for a Mosquitto that somebody else starts.
 * @returns the files
 */
export async function writeMosquittoFiles(options: ManagedMosquittoOptions): Promise<string[]> {
  const managed = new ManagedMosquitto(options);
  return managed.write();
}
