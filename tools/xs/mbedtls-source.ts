/**
 * The sources of Mbed TLS, from the source package of Debian.
 *
 * They come by `apt-get source` with a configuration of its own: the machine's archives and their keys, another suite. The system's own
 * lists of packages stay as they are, and no privileges are needed. Nothing of the sources is committed or shipped.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "./paths.js";

const sourcesFolder = join(cacheFolder, "mbedtls");

/** The suite whose version is wanted: Debian 13 has 3.6. The machine's own, mostly 2.28, is the second choice. */
const wantedSuite = "trixie";
const suites = (): string[] => [...new Set([wantedSuite, ownSuite()])];

/** The sources cannot be had. */
export class MissingSource extends Error {}

/** @returns an unpacked source tree of Mbed TLS, fetched when it is not there yet @throws MissingSource */
export function mbedtlsSource(): string {
  for (const suite of suites()) {
    const folder = join(sourcesFolder, suite);
    const found = existsSync(folder) ? readdirSync(folder).find((name) => name.startsWith("mbedtls-")) : undefined;
    if (found !== undefined) return join(folder, found);
  }
  const failures: string[] = [];
  for (const suite of suites())
    try {
      return fetchSource(suite);
    } catch (error) {
      const { message, stderr } = error as Error & { stderr?: Buffer };
      failures.push(`${suite}: ${(stderr?.toString().trim() || message).split("\n")[0]!}`);
    }
  throw new MissingSource(
    `The sources of Mbed TLS cannot be had by apt-get (${failures.join("; ")}). ` +
      "Unpack a release of 3.6 or 2.28 and name its folder: npm run build:xs -- --mbedtls DIR",
  );
}

function fetchSource(suite: string): string {
  const archives = archivesOf(ownSuite()).map((archive) => stanza({ ...archive, suite }));
  if (archives.length === 0) throw new MissingSource("apt has no archive for this system");
  mkdirSync(sourcesFolder, { recursive: true });
  const temporary = mkdtempSync(join(sourcesFolder, "fetch-"));
  try {
    for (const folder of ["parts", "lists/partial", "cache/archives/partial", "tree"])
      mkdirSync(join(temporary, folder), { recursive: true });
    writeFileSync(join(temporary, "parts", "debian.sources"), archives.join("\n"));
    const apt = (...parameters: string[]): void =>
      void execFileSync("apt-get", [...configuration(temporary), ...parameters], { cwd: temporary, stdio: "pipe" });
    apt("update");
    // As signed by the archive: apt checks the list's signature, and every file against the list.
    apt("source", "--download-only", "mbedtls");
    const files = readdirSync(temporary);
    const description = files.find((name) => name.endsWith(".dsc"));
    const archive = files.find((name) => /\.orig\.tar\.\w+$/.test(name));
    if (description === undefined || archive === undefined) throw new MissingSource("apt-get brought no archive");
    verify(readFileSync(join(temporary, description), "utf8"), archive, readFileSync(join(temporary, archive)));
    execFileSync("tar", ["-xf", archive, "-C", "tree", "--strip-components=1"], { cwd: temporary, stdio: "pipe" });
    const target = join(sourcesFolder, suite, `mbedtls-${/_(\d+(\.\d+)*)/.exec(archive)?.[1] ?? "unknown"}`);
    mkdirSync(join(sourcesFolder, suite), { recursive: true });
    renameSync(join(temporary, "tree"), target);
    return target;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Everything that apt reads and writes lies in one folder; keys and trust are the system's. */
function configuration(folder: string): string[] {
  const settings = {
    "Dir::Etc::sourcelist": "/dev/null",
    "Dir::Etc::sourceparts": join(folder, "parts"),
    "Dir::State::Lists": join(folder, "lists"),
    "Dir::Cache": join(folder, "cache"),
    "APT::Sandbox::User": "root",
    "Acquire::Retries": "1",
    "Acquire::Languages": "none",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

/** @throws MissingSource when `bytes` are not those that the package's description names */
export function verify(description: string, name: string, bytes: Uint8Array): void {
  const actual = createHash("sha256").update(bytes).digest("hex");
  const section = /^Checksums-Sha256:\n((?: .*\n)+)/m.exec(description)?.[1] ?? "";
  const expected = section
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .find(([, , file]) => file === name)?.[0];
  if (expected !== actual) throw new MissingSource(`${name} is not the file that its package describes (${actual})`);
}

function ownSuite(): string {
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  return /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1] ?? "stable";
}

/** An archive as apt knows it. */
export interface Archive {
  readonly uri: string;
  readonly suite: string;
  readonly signedBy: string | undefined;
}

const stanza = ({ uri, suite, signedBy }: Archive): string =>
  [
    ...["Types: deb-src", `URIs: ${uri}`, `Suites: ${suite}`, "Components: main"],
    ...(signedBy === undefined ? [] : [`Signed-By: ${signedBy}`]),
    "",
  ].join("\n");

/** The archives that the system has for `suite`. */
function archivesOf(suite: string): Archive[] {
  const parts = "/etc/apt/sources.list.d";
  const names = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [];
  return ["/etc/apt/sources.list", ...names.sort()]
    .filter((file) => existsSync(file))
    .flatMap((file) => {
      if (file.endsWith(".sources")) return parseStanzas(readFileSync(file, "utf8"));
      return file.endsWith(".list") ? parseLines(readFileSync(file, "utf8")) : [];
    })
    .filter((archive) => archive.suite === suite);
}

/** The format of `.sources` files (deb822). */
export function parseStanzas(text: string): Archive[] {
  return text
    .replace(/^#.*\n/gm, "")
    .split(/\n\s*\n/)
    .flatMap((paragraph) => {
      const field = (name: string): string[] => {
        const found = new RegExp(`^${name}:((?:.*)(?:\\n[ \\t].*)*)`, "im").exec(paragraph);
        return (found?.[1] ?? "").trim().split(/\s+/).filter(Boolean);
      };
      if (field("Enabled")[0] === "no" || !field("Components").includes("main")) return [];
      // A key may be in the file itself: then it is the rest of the field, lines and all.
      const key = /^Signed-By:((?:.*)(?:\n[ \t].*)*)/im.exec(paragraph)?.[1];
      const signedBy = key === undefined ? undefined : key.replace(/^ /, "");
      return field("URIs").flatMap((uri) => field("Suites").map((suite) => ({ uri, suite, signedBy })));
    });
}

/** The format of `.list` files: one line for each. */
export function parseLines(text: string): Archive[] {
  return text.split("\n").flatMap((line) => {
    const found = /^\s*deb(?:-src)?\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s+(.*)$/.exec(line);
    if (!found || !found[4]!.split(/\s+/).includes("main")) return [];
    const signedBy = /(?:^|\s)signed-by=(\S+)/.exec(found[1] ?? "")?.[1]?.replaceAll(",", " ");
    return [{ uri: found[2]!, suite: found[3]!, signedBy }];
  });
}
