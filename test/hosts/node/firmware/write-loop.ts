/** Writes one stored value over and over, until it is killed: `node write-loop.js FOLDER`. */
import { FolderStorage } from "../../../../hosts/node/storage.js";

const storage = new FolderStorage(process.argv[2]!, JSON.parse(process.argv[3] ?? "{}") as object);
for (let round = 0; ; round++) {
  storage.write("value", new Uint8Array(3000).fill(round));
  // There is a value from now on, whenever the end comes.
  if (round === 0) process.stdout.write("ready\n");
}
