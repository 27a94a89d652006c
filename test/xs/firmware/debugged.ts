/** Fixture: a loop to stop in. */
import { print } from "../../../hosts/xs/native/system.js";

function sum(values: readonly number[]): number {
  let total = 0;
  for (const value of values) {
    total += value;
  }
  return total;
}

print(String(sum([1, 2, 3])));
