/** Runs the vectors of the files that it is given, and prints a line of JSON for each. */
import { platform } from "../../../hosts/xs/index.js";
import * as file from "../../../hosts/xs/native/file.js";
import { argument, print } from "../../../hosts/xs/native/system.js";
import { fromUTF8 } from "../../../src/bytes.js";
import { runVectors, type VectorFile } from "../../support/wycheproof.js";

for (let i = 0; ; i++) {
  const path = argument(i);
  if (path === undefined) break;
  const name = path.slice(path.lastIndexOf("/") + 1);
  const text = fromUTF8(new Uint8Array(file.read(path)!));
  print(JSON.stringify({ name, ...runVectors(platform.crypto, name, JSON.parse(text!) as VectorFile) }));
}
