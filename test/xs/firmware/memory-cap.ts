/** Runs each operation with all the memory it wants, then with every smaller cap: it must fail as out of memory, and leave nothing behind. */
import { platform } from "../../../hosts/xs/index.js";
import { capMemory, memory, resetMemoryPeak } from "../../../hosts/mbedtls/library.js";
import { print } from "../../../hosts/xs/native/system.js";
import { SealwireError } from "../../../src/errors.js";

const { crypto } = platform;
const none = new Uint8Array(0);
const data = new Uint8Array(100);
const key = crypto.importKey("secret", new Uint8Array(32));
const pair = crypto.generateKey();
const der = crypto.exportPrivateKey(pair);
const peer = crypto.importKey("public", crypto.publicKey(pair));
const signature = crypto.sign(pair, data);
const tag = crypto.encrypt({ algorithm: "AES-GCM", key, nonce: new Uint8Array(12), data });
const ciphertext = data.slice();

const operations: readonly [string, () => unknown][] = [
  ["hmac", () => crypto.hmac(key, data)],
  ["deriveKey", () => crypto.deriveKey(key, none, none, 32).close()],
  ["pbkdf2", () => crypto.pbkdf2(key, none, 1, 32).close()],
  ["encrypt", () => crypto.encrypt({ algorithm: "AES-CCM", key, nonce: new Uint8Array(12), data: data.slice() })],
  [
    "decrypt",
    () => crypto.decrypt({ algorithm: "AES-GCM", key, nonce: new Uint8Array(12), data: ciphertext.slice() }, tag),
  ],
  ["importKey", () => crypto.importKey("private", der).close()],
  ["sign", () => crypto.sign(pair, ciphertext)],
  ["verify", () => crypto.verify(peer, new Uint8Array(100), signature)],
  ["agree", () => crypto.agree(pair, peer).close()],
];

for (const [name, operation] of operations) {
  const before = memory(0)!;
  operation();
  resetMemoryPeak();
  operation();
  const peak = memory(1)! - before;
  let refusals = 0;
  for (let room = 1; room < peak; room += Math.max(1, Math.floor(peak / 50))) {
    capMemory(before + room);
    try {
      operation();
    } catch (error) {
      if (!(error instanceof SealwireError) || error.code !== "CRYPTO_OUT_OF_MEMORY") throw error;
      refusals++;
    } finally {
      capMemory(0);
    }
    if (memory(0) !== before) throw new Error(`${name} leaves ${memory(0)! - before} bytes behind`);
  }
  operation();
  if (peak > 0 && refusals === 0) throw new Error(`${name} was never refused, although it takes ${peak} bytes`);
  print(`${name} ${peak}`);
}
