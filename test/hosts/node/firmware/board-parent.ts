/** A program with a board, to be killed by a test: `node board-parent.js FOLDER FIRMWARE PROBE EVENT`. */
import { Board } from "../../../../hosts/node/index.js";

const [, , folder = "", firmware = "", probe = "", awaited = ""] = process.argv;
const board = new Board({ folder, firmware, env: { PROBE: probe } });
await board.powerOn();
const { pid } = await board.waitFor(({ event }) => event === "boot", 8000, "a boot");
if (awaited !== "boot") await board.waitFor(({ event }) => event === awaited, 8000, awaited);
process.stdout.write(`${String(pid)}\n`);
