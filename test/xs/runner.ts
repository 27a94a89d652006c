/**
 * Runs the portable tests where there is no mocha: a module of its own imports this one, then the tests, then calls {@link run}.
 * A test that needs what the host lacks (`UNSUPPORTED`) is skipped, by name and reason, and counted.
 */
import { exit, print, setTimer, clearTimer, ticks } from "../../hosts/xs/native/system.js";
import { SealwireError } from "../../src/errors.js";

type Body = (this: unknown) => void | Promise<void>;

interface Suite {
  readonly title: string;
  readonly parent: Suite | undefined;
  readonly entries: (Suite | Test)[];
  readonly hooks: Record<"before" | "after" | "beforeEach" | "afterEach", Body[]>;
}

interface Test {
  readonly title: string;
  readonly body: Body;
}

const timeout = 10_000;
/** A test that takes longer is named. */
const slow = 2000;
const makeSuite = (title: string, parent?: Suite): Suite => ({
  title,
  parent,
  entries: [],
  hooks: { before: [], after: [], beforeEach: [], afterEach: [] },
});

let current = makeSuite("");
const root = current;
const counts = { passed: 0, failed: 0, skipped: 0 };
const reasons = new Map<string, number>();

Object.assign(globalThis, {
  describe(title: string, body: () => void): void {
    const suite = makeSuite(title, current);
    current.entries.push(suite);
    current = suite;
    body();
    current = suite.parent!;
  },
  it: (title: string, body: Body): void => void current.entries.push({ title, body }),
  before: (body: Body): void => void current.hooks.before.push(body),
  after: (body: Body): void => void current.hooks.after.push(body),
  beforeEach: (body: Body): void => void current.hooks.beforeEach.push(body),
  afterEach: (body: Body): void => void current.hooks.afterEach.push(body),
});

/** A body has ten seconds, as under mocha. */
async function attempt(body: Body, context: unknown): Promise<void> {
  let timer: number | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimer(() => reject(new Error(`took longer than ${timeout} ms`)), timeout);
  });
  try {
    await Promise.race([body.call(context), late]);
  } finally {
    clearTimer(timer);
  }
}

const nameOf = (suite: Suite, title: string): string =>
  suite.parent === undefined ? title : nameOf(suite.parent, suite.title ? `${suite.title} > ${title}` : title);

/** The reason to skip, when an error, or what caused it, says that the host lacks something. */
function lacks(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause)
    if (at instanceof SealwireError && at.code === "UNSUPPORTED" && at.message.startsWith("The XS host has no "))
      return at.message;
  return undefined;
}

function report(name: string, error: unknown): void {
  const reason = lacks(error);
  if (reason !== undefined) {
    counts.skipped++;
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    print(`  - ${name}`);
    return;
  }
  counts.failed++;
  print(`  FAILED ${name}\n    ${error instanceof Error ? String(error.stack) : String(error)}`);
  if (error instanceof Error && error.cause instanceof Error) print(`    cause: ${String(error.cause.stack)}`);
}

/** The hooks of a suite and those around it: outermost first. */
const around = (suite: Suite | undefined, kind: "beforeEach" | "afterEach"): Body[] =>
  suite === undefined ? [] : [...around(suite.parent, kind), ...suite.hooks[kind]];

async function runTest(suite: Suite, test: Test, context: object): Promise<void> {
  let failure: { error: unknown } | undefined;
  const begin = ticks();
  const guarded = async (body: Body): Promise<void> => {
    try {
      await attempt(body, context);
    } catch (error) {
      failure ??= { error };
    }
  };
  for (const hook of around(suite, "beforeEach")) if (!failure) await guarded(hook);
  if (!failure) await guarded(test.body);
  for (const hook of around(suite, "afterEach").reverse()) await guarded(hook);
  const duration = Math.round(ticks() - begin);
  if (duration > slow) print(`  (${duration} ms) ${nameOf(suite, test.title)}`);
  if (failure) report(nameOf(suite, test.title), failure.error);
  else counts.passed++;
}

async function runSuite(suite: Suite): Promise<void> {
  const context = { timeout: (): void => undefined, slow: (): void => undefined };
  const each = async (inner: Suite, body: (test: Test, owner: Suite) => Promise<void> | void): Promise<void> => {
    for (const entry of inner.entries)
      if ("body" in entry) await body(entry, inner);
      else await each(entry, body);
  };
  try {
    for (const hook of suite.hooks.before) await attempt(hook, context);
  } catch (error) {
    // None of its tests can run.
    await each(suite, (test, owner) => report(nameOf(owner, test.title), error));
    return;
  }
  for (const entry of suite.entries)
    if ("body" in entry) await runTest(suite, entry, context);
    else await runSuite(entry);
  for (const hook of suite.hooks.after)
    try {
      await attempt(hook, context);
    } catch (error) {
      report(nameOf(suite, "after"), error);
    }
}

/** Runs all tests and ends the process: exit code 0 when none failed. */
export async function run(): Promise<never> {
  const begin = ticks();
  await runSuite(root);
  for (const [reason, count] of reasons) print(`\n${count} skipped: ${reason}`);
  print(`\n${Math.round(ticks() - begin)} ms, ${counts.skipped} skipped`);
  print(`${counts.passed} passed, ${counts.failed} failed`);
  return exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);
}
