/** A rotation whose process is killed with -9: at every write, and at any moment. The vault opens with the old or the new credentials. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createPlatform } from "../../hosts/node/index.js";
import type { StorageFault } from "../../hosts/node/storage.js";
import { toUTF8 } from "../../src/bytes.js";
import { Vault } from "../../src/vault/index.js";
import { temporaryFolder } from "../tools/support/temporary-folder.js";

const rotateLoop = fileURLToPath(new URL("./support/rotate-loop.js", import.meta.url));

function open(folder: string): Vault {
  const { storage, crypto, rootOfTrust, counter } = createPlatform({ folder, counter: true, log: () => undefined });
  return Vault.open({ storage, crypto, rootOfTrust, counter, clock: { now: () => Date.now() } });
}

function provision(folder: string): void {
  const vault = open(folder);
  vault.provision({
    broker: { host: "broker.example", port: 8883 },
    trustAnchors: [Uint8Array.of(48, 0)],
    certificateChain: [],
    username: "device",
    password: toUTF8("the password of rotation 1"),
  });
  vault.close();
}

/** The number of the password in force. */
function inForce(folder: string): number {
  const vault = open(folder);
  try {
    assert.equal(vault.status.integrity, "ok");
    return Number(Buffer.from(vault.credentials.password!).toString().split(" ").at(-1));
  } finally {
    vault.close();
  }
}

interface Killed {
  /** The last that was tried, and the last that was said to be in force. */
  readonly tried: number;
  readonly done: number;
  readonly signal: NodeJS.Signals | null;
}

/** Runs rotations until the process kills itself, or so many milliseconds after the first one was committed. */
async function killed(folder: string, when: StorageFault | number): Promise<Killed> {
  const fault = typeof when === "number" ? [] : [JSON.stringify(when)];
  const child = spawn(process.execPath, [rotateLoop, folder, ...fault], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    const first = !output.includes("done");
    output += String(chunk);
    if (typeof when === "number" && first && output.includes("done")) setTimeout(() => child.kill("SIGKILL"), when);
  });
  const [, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  const last = (what: string): number =>
    Number(Array.from(output.matchAll(new RegExp(`${what} (\\d+)\n`, "g"))).at(-1)?.[1] ?? 0);
  return { tried: last("try"), done: last("done"), signal };
}

describe("A rotation whose process is killed", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();

  for (const action of ["kill-before", "kill-between", "kill-after"] as const)
    it(`at each of its writes (${action}): the old or the new credentials are in force, and the next rotation succeeds`, async () => {
      const found = new Set<number>();
      // The first ones clear up as the vault is opened; then come slot, pointer, pointer, pointer, floor, and the slot of the old record.
      for (let atWrite = 1; atWrite <= 9; atWrite++) {
        const where = folder.join(`${action}-${atWrite}`);
        provision(where);
        const { tried, done, signal } = await killed(where, { atWrite, action });
        assert.equal(signal, "SIGKILL", `write ${atWrite}`);
        assert.ok(tried === 0 || tried === 2 || tried === 3, `write ${atWrite}: tried ${tried}`);
        const number = inForce(where);
        found.add(number);
        assert.ok(number === Math.max(1, done) || number === tried, `write ${atWrite}: said ${done}, found ${number}`);
        const again = await killed(where, 0);
        assert.ok(again.done > number);
        assert.ok(inForce(where) >= again.done);
      }
      assert.ok(found.has(1) && found.has(2), "some writes are before the commit, others after it");
    });

  it("at any moment, twenty times on the same device: what was said to be in force is", async () => {
    const where = folder.join("any");
    provision(where);
    for (let i = 0; i < 20; i++) {
      const { tried, done, signal } = await killed(where, Math.random() * 60);
      assert.equal(signal, "SIGKILL");
      const number = inForce(where);
      assert.ok(number === done || number === tried, `said ${done}, tried ${tried}, found ${number}`);
    }
  });
});
