/**
 * The BDD names of the portable tests. On Node mocha provides them; on another engine its test runner puts the same names on
 * `globalThis` before a test module is loaded.
 */
type Body = (this: unknown) => void | Promise<void>;

interface BDD {
  readonly describe: (title: string, body: () => void) => void;
  readonly it: (title: string, body: Body) => void;
  readonly before: (body: Body) => void;
  readonly after: (body: Body) => void;
  readonly beforeEach: (body: Body) => void;
  readonly afterEach: (body: Body) => void;
}

export const { describe, it, before, after, beforeEach, afterEach } = globalThis as unknown as BDD;
