/** What happens at a wake, by its number: the same in each run. */

export const FAULTS = [
  "power cut",
  "no network",
  "name not found",
  "connection reset",
  "storage full",
  "broker killed",
] as const;

export type Fault = (typeof FAULTS)[number] | "none";

const EVERY_FIFTY: Readonly<Record<number, Fault>> = {
  11: "connection reset",
  21: "no network",
  33: "storage full",
  43: "name not found",
};

/** Everything happens once at the beginning: what a fault makes the engine compile then is no growth later. */
const FIRST: Readonly<Record<number, Fault>> = { 4: "broker killed", 7: "power cut" };

/** @param wake from 0; 144 of them are a day */
export function faultOf(wake: number): Fault {
  const first = FIRST[wake];
  if (first) return first;
  if (wake % 288 === 205) return "broker killed";
  if (wake % 144 === 77) return "power cut";
  return EVERY_FIFTY[wake % 50] ?? "none";
}
