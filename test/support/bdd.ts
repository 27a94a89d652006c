/**
 * The BDD names of the portable tests. On Node mocha provides them; on another engine its test runner puts the same names on
 * `globalThis` before a test module is loaded.
 */
type Body = (this: unknown) => void | Promise<void>;

interface BDD {
  describe(title: string, body: () => void): void;
  it(title: string, body: Body): void;
  before(body: Body): void;
  after(body: Body): void;
  beforeEach(body: Body): void;
  afterEach(body: Body): void;
}

export const { describe, it, before, after, beforeEach, afterEach } = globalThis as unknown as BDD;
