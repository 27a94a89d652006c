/**
 * Holds secrets in key handles, and gives them up one step at a time, so that somebody can look into the memory of the process. The
 * first argument names a folder: `private.der` in it is a P-256 key, `peer.der` a public key; each file `go-N` starts the next step.
 */
import { platform } from "../../../hosts/xs/index.js";
import * as file from "../../../hosts/xs/native/file.js";
import { argument, print, setTimer } from "../../../hosts/xs/native/system.js";
import { toHex } from "../../../src/bytes.js";
import type { Key } from "../../../src/platform.js";

const folder = argument(0)!;
const { crypto } = platform;
const none = new Uint8Array(0);
const read = (name: string): Uint8Array => new Uint8Array(file.read(`${folder}/${name}`)!);

function reached(step: number): Promise<void> {
  print(`step ${step}`);
  return new Promise((resolve) => {
    const look = (): void => void (file.size(`${folder}/go-${step}`) >= 0 ? resolve() : setTimer(look, 5));
    look();
  });
}

const der = read("private.der");
const own = crypto.importKey("private", der);
der.fill(0);
const pair = crypto.generateKey();
print(toHex(crypto.publicKey(pair)));
const agreed = crypto.agree(pair, crypto.importKey("public", read("peer.der")));
const root = crypto.importKey("secret", Uint8Array.of(1, 2, 3));
const derived = crypto.deriveKey(root, none, none, 32);
const stretched = crypto.pbkdf2(root, none, 2, 32);

function use(key: Key): void {
  const data = new Uint8Array(1000);
  const nonce = new Uint8Array(12);
  for (const algorithm of ["AES-GCM", "AES-CCM"] as const)
    crypto.decrypt({ algorithm, key, nonce, data }, crypto.encrypt({ algorithm, key, nonce, data }));
  crypto.hmac(key, data);
  crypto.deriveKey(key, none, none, 16).close();
}

for (const key of [agreed, derived, stretched]) use(key);
crypto.sign(own, none);
crypto.publicKey(own);
await crypto.certificateRequest({ key: own, commonName: "x" });
await reached(1);
for (const key of [own, agreed, derived, stretched]) key.close();
await reached(2);
