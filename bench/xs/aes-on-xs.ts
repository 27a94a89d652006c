/** AES-128-GCM by the XS host's cryptography. Arguments: a folder, bytes of a message, milliseconds of processor time. */
import { createPlatform } from "../../hosts/xs/index.js";
import { argument, cpu } from "../../hosts/xs/native/system.js";

const platform = createPlatform({ folder: argument(0)! });
const [size, limit] = [Number(argument(1)), Number(argument(2))];
const key = platform.crypto.importKey(
  "secret",
  Uint8Array.from({ length: 16 }, (_, i) => i + 1),
);
const nonce = new Uint8Array(12);
const data = new Uint8Array(size);
const begin = cpu();
let done = 0;
do {
  for (let i = 0; i < 16; i++) {
    nonce[0] = (nonce[0]! + 1) & 255;
    platform.crypto.encrypt({ algorithm: "AES-GCM", key, nonce, data });
  }
  done += 16 * size;
} while (cpu() - begin < limit);
platform.log(((done / (cpu() - begin)) * 1000).toFixed(0));
