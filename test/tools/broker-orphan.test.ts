/** What is left of a broker whose command was killed, and what only looks like it. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { endOrphan, noteServer } from "../../tools/broker/orphan.js";
import { temporaryFolder } from "./support/temporary-folder.js";

describe("The broker of a run that was killed", function () {
  this.timeout(20_000);
  const folder = temporaryFolder();
  const children: ChildProcess[] = [];

  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  /** A process that holds out against SIGTERM, started as a Mosquitto would be. */
  async function stubborn(state: string): Promise<ChildProcess> {
    const program = "process.on('SIGTERM', () => 0); setInterval(() => 0, 1000); console.log('ready');";
    const child = spawn(process.execPath, ["-e", program, `${state}/mosquitto.conf`]);
    children.push(child);
    await once(child.stdout, "data");
    return child;
  }

  it("is killed when it does not end by itself", async () => {
    const state = fs.mkdtempSync(folder.join("state-"));
    const child = await stubborn(state);
    const ended = once(child, "exit");
    noteServer(state, child.pid);
    await endOrphan(state);
    assert.deepEqual(await ended, [null, "SIGKILL"]);
    assert.equal(fs.existsSync(`${state}/mosquitto.pid`), false);
  });

  it("is left alone when it belongs to another folder, or the note is damaged", async () => {
    const state = fs.mkdtempSync(folder.join("state-"));
    const child = await stubborn(`${state}-other`);
    for (const note of [String(child.pid), "", "-1", "1e3", "x".repeat(1000), `${child.pid} 1`]) {
      fs.writeFileSync(`${state}/mosquitto.pid`, note);
      await endOrphan(state);
      assert.equal(fs.existsSync(`${state}/mosquitto.pid`), false, note.slice(0, 20));
    }
    assert.equal(child.exitCode, null);
    assert.equal(child.signalCode, null);
  });
});
