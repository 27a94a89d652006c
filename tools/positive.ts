/** Values of command-line options. */
import { InvalidArgumentError } from "commander";

/** A whole number from 1 on. @throws InvalidArgumentError which commander reports as a mistake of usage */
export function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("It must be a whole number from 1 on.");
  return value;
}
