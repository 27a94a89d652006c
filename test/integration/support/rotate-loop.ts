/**
 * Rotates the password of a vault over and over, until it is killed: `node rotate-loop.js FOLDER [FAULT]`. Says the number of each password before it
 * is tried and after it was committed. FAULT is a `StorageFault` as JSON: the process kills itself at that write.
 */
import { writeSync } from "node:fs";
import { createPlatform } from "../../../hosts/node/index.js";
import type { StorageFault } from "../../../hosts/node/storage.js";
import { toUTF8 } from "../../../src/bytes.js";
import { Vault } from "../../../src/vault/index.js";

const [folder, fault] = process.argv.slice(2);
const { storage, crypto, rootOfTrust, counter } = createPlatform({
  folder: folder!,
  counter: true,
  storage: { fault: fault === undefined ? undefined : (JSON.parse(fault) as StorageFault) },
});
const vault = Vault.open({ storage, crypto, rootOfTrust, counter, clock: { now: () => Date.now() } });
const { password } = vault.credentials;
for (let number = Number(Buffer.from(password!).toString().split(" ").at(-1)) + 1; ; number++) {
  writeSync(1, `try ${number}\n`);
  vault.stage({ password: toUTF8(`the password of rotation ${number}`) });
  vault.prove();
  vault.commit();
  writeSync(1, `done ${number}\n`);
}
