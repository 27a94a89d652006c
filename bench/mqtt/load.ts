/** Loads a contestant, and no other: no process carries the others' code. */
import type { Contestant } from "./contestant.js";
import type { ContestantName } from "./worker-protocol.js";

export async function load(name: ContestantName): Promise<Contestant> {
  if (name === "ours") return (await import("./ours.js")).ours;
  return name === "theirs" ? (await import("./mqtt-js.js")).mqttJS : (await import("./bare.js")).bare;
}
