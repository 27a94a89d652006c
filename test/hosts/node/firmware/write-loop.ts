/** Writes one stored value over and over, until it is killed: `node write-loop.js FOLDER`. */
import { FolderStorage } from "../../../../hosts/node/storage.js";

const storage = new FolderStorage(process.argv[2]!, JSON.parse(process.argv[3] ?? "{}") as object);
process.stdout.write("ready\n");
for (let round = 0; ; round++) storage.write("value", new Uint8Array(3000).fill(round));
