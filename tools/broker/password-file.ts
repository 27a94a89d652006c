/** Mosquitto's `password_file`: one line per user, with PBKDF2-HMAC-SHA-512 (RFC 8018 section 5.2), known to it as `$7$`. */
import { pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";
import { SealwireError } from "../../src/errors.js";
import { exclusively } from "../claim.js";
import { CommandFailure, exitCodes, usageFailure } from "../failure.js";
import { readFile, replaceFile } from "../files.js";

export interface PasswordHash {
  /** 64 bytes. */
  readonly hash: Buffer;
  /** 12 bytes: Mosquitto takes no other length. */
  readonly salt: Buffer;
  readonly iterations: number;
}

/**
 * Rounds of PBKDF2. The broker spends them on its only thread at every CONNECT, and for every client at every reload: some 0.5 ms on a desktop.
 * `sealwire` makes them, cannot be guessed at any number of rounds; for one that a person made up, take more.
 */
export const defaultIterations = 1_000;

const mostIterations = 10_000_000;

/** @param password the longest that Mosquitto takes is 65,535 bytes */
export function hashPassword(password: string, iterations = defaultIterations, salt = randomBytes(12)): PasswordHash {
  if (!Number.isSafeInteger(iterations) || iterations < 1_000 || iterations > mostIterations)
    throw usageFailure(`The number of iterations must be from 1,000 to ${mostIterations.toLocaleString("en")}.`);
  // Mosquitto reads a password up to its first zero byte.
  if (password === "" || password.includes("\0"))
    throw new SealwireError("CREDENTIALS_WEAK", "A password must not be empty, nor hold U+0000.");
  return { hash: pbkdf2Sync(password, salt, iterations, 64, "sha512"), salt, iterations };
}

/** One line of the file, without its end. */
export function passwordLine(user: string, password: string, iterations?: number): string {
  checkUser(user);
  const made = hashPassword(password, iterations);
  return `${user}:$7$${made.iterations}$${made.salt.toString("base64")}$${made.hash.toString("base64")}`;
}

/** Whether a line is one of this user with this password. */
export function passwordMatches(line: string, user: string, password: string): boolean {
  const match = /^([^:]+):\$7\$(\d+)\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)$/.exec(line);
  if (match?.[1] !== user) return false;
  const iterations = Number(match[2]);
  const expected = Buffer.from(match[4]!, "base64");
  if (expected.byteLength !== 64 || iterations < 1 || iterations > mostIterations) return false;
  return timingSafeEqual(expected, pbkdf2Sync(password, Buffer.from(match[3]!, "base64"), iterations, 64, "sha512"));
}

/** Adds a user to the file, or gives him another password; the file appears whole, readable by its owner alone. */
export function setPassword(file: string, user: string, password: string, iterations?: number): void {
  const line = passwordLine(user, password, iterations);
  exclusively(file, () => {
    const others = linesOf(file).filter((other) => !other.startsWith(`${user}:`));
    replaceFile(file, `${[...others, line].join("\n")}\n`, 0o600);
  });
}

/** Takes a user out of the file. @returns whether he was there */
export function removePassword(file: string, user: string): boolean {
  return exclusively(file, () => {
    const lines = linesOf(file);
    const others = lines.filter((line) => !line.startsWith(`${user}:`));
    if (others.length === lines.length) return false;
    replaceFile(file, others.map((line) => `${line}\n`).join(""), 0o600);
    return true;
  });
}

function linesOf(file: string): string[] {
  return (readFile(file) ?? "").split("\n").filter((line) => line !== "");
}

function checkUser(user: string): void {
  if (user === "" || user !== user.trim() || /[\p{Cc}:]/u.test(user) || user.startsWith("#"))
    throw new CommandFailure(
      exitCodes.usage,
      "INVALID_ARGUMENT",
      `The user name ${JSON.stringify(user)} cannot stand in a password file: no blanks around it, no colon or control characters, no # in front.`,
    );
}
