/** A small assert for the portable tests: no Node, no packages. */
import { SealwireError, type ErrorCode } from "../../src/errors.js";

function fail(message: string, cause?: unknown): never {
  throw new Error(message, cause === undefined ? undefined : { cause });
}

function show(value: unknown): string {
  if (value instanceof Error) return String(value);
  if (value instanceof ArrayBuffer) return show(new Uint8Array(value));
  if (ArrayBuffer.isView(value)) return `[${Array.from(value as Uint8Array).join(" ")}]`;
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return value.name;
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

function same(actual: unknown, expected: unknown): boolean {
  if (Object.is(actual, expected)) return true;
  if (actual instanceof ArrayBuffer && expected instanceof ArrayBuffer)
    return same(new Uint8Array(actual), new Uint8Array(expected));
  if (typeof actual !== "object" || typeof expected !== "object" || actual === null || expected === null) return false;
  if (Object.getPrototypeOf(actual) !== Object.getPrototypeOf(expected)) return false;
  if (actual instanceof Map && expected instanceof Map) return same([...actual], [...expected]);
  if (actual instanceof Set && expected instanceof Set) return same([...actual], [...expected]);
  const keys = Object.keys(actual);
  if (keys.length !== Object.keys(expected).length) return false;
  return keys.every(
    (key) =>
      Object.hasOwn(expected, key) &&
      same((actual as Record<string, unknown>)[key], (expected as Record<string, unknown>)[key]),
  );
}

/** Fails unless `condition` holds. */
export function ok(condition: unknown, message = "expected a true value"): asserts condition {
  if (!condition) fail(message);
}

/** Fails unless both are the same primitive or the same object. */
export function strictEqual<T>(actual: unknown, expected: T, message = ""): asserts actual is T {
  if (!Object.is(actual, expected))
    fail(`${message ? `${message}: ` : ""}expected ${show(expected)}, got ${show(actual)}`);
}

/** Fails unless both have the same structure; typed arrays and buffers are compared by content. */
export function deepEqual(actual: unknown, expected: unknown, message = ""): void {
  if (!same(actual, expected)) fail(`${message ? `${message}: ` : ""}expected ${show(expected)}, got ${show(actual)}`);
}

function check(error: unknown, code: ErrorCode): SealwireError {
  if (!(error instanceof SealwireError)) fail(`expected a SealwireError ${code}, got ${show(error)}`, error);
  if (error.code !== code) fail(`${error.message}: expected ${code}, got ${error.code}`, error);
  return error;
}

/** Fails unless `body` throws a SealwireError with this code. @returns the error */
export function throws(body: () => unknown, code: ErrorCode): SealwireError {
  try {
    body();
  } catch (error) {
    return check(error, code);
  }
  return fail(`expected a SealwireError ${code}, but nothing was thrown`);
}

/** Fails unless the promise rejects with a SealwireError with this code. @returns the error */
export async function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<SealwireError> {
  try {
    await promise;
  } catch (error) {
    return check(error, code);
  }
  return fail(`expected a SealwireError ${code}, but the promise was fulfilled`);
}
