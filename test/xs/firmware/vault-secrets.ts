/**
 * Takes a provisioning record over into a vault and closes it, one step at a time, so that somebody can look into the memory of the process. The first
 * argument names a folder: `record.cbor` in it is the record; each file `go-N` starts the next step.
 */
import { platform } from "../../../hosts/xs/index.js";
import * as file from "../../../hosts/xs/native/file.js";
import { argument, print, setTimer } from "../../../hosts/xs/native/system.js";
import { Vault } from "../../../src/vault/index.js";

const folder = argument(0)!;

function reached(step: number): Promise<void> {
  print(`step ${step}`);
  return new Promise((resolve) => {
    const look = (): void => {
      if (file.size(`${folder}/go-${step}`) >= 0) resolve();
      else setTimer(look, 5);
    };
    look();
  });
}

const { crypto, storage, rootOfTrust } = platform;
const clock = { now: (): undefined => undefined };
const open = (): Vault => Vault.open({ storage, crypto, rootOfTrust, clock });
const path = `${folder}/record.cbor`;

let vault = open();
vault.import({
  read: () => {
    const bytes = file.read(path);
    return bytes && new Uint8Array(bytes);
  },
  erase: () => void file.remove(path),
});
vault.close();
vault = open();
await reached(1);
vault.stage({ username: "another" });
vault.prove();
vault.commit();
await reached(2);
vault.close();
await reached(3);
