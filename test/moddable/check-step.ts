/** What the steps of `npm run check:moddable` share. */
import type { SDK } from "../../tools/moddable/sdk.js";

export interface CheckContext {
  readonly sdk: SDK;
  /** Runs an app without a window. */
  readonly program: string;
  /** Where everything that is built goes. */
  readonly output: string;
  /** Also the builds for debugging. */
  readonly debug: boolean;
  readonly say: (line: string) => void;
}

/** Throws when something is not as it should be. */
export type CheckStep = (context: CheckContext) => Promise<void>;

/** @throws Error that says what was wanted, and what an app wrote instead */
export function want(condition: boolean, what: string, lines: readonly string[]): void {
  if (!condition) throw new Error(`${what}\n${lines.slice(-30).join("\n")}`);
}
