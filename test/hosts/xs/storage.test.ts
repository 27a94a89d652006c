/** Storage of the XS host when the process dies at any moment: each key has its old or its new value. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { hostProgram, root, type Variant } from "../../../tools/xs/paths.js";
import { mapOptions, runOnXS } from "../../../tools/xs/run.js";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";
import { hostIsBuilt } from "./support.js";

const variant: Variant = { bits: 64 };
const module = join(root, "dist", "test", "xs", "firmware", "write-loop.js");
const actions = ["kill-before", "kill-between", "kill-after"] as const;

/** What the device told before it died: for each key the value that is durable, and the one that was being written. */
function told(output: string): Map<string, { done: number; begun: number }> {
  const keys = new Map(["a", "b", "C.3"].map((key) => [key, { done: 0, begun: 0 }]));
  for (const line of output.split("\n").slice(0, -1)) {
    const [what, key, round] = line.split(" ");
    keys.get(key!)![what === "done" ? "done" : "begun"] = Number(round);
  }
  return keys;
}

describe("Storage of the XS host", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  before(hostIsBuilt(variant));

  async function check(device: string, output: string): Promise<void> {
    const after = await runOnXS(module, [device, "null"], { variant });
    const values = new Map(
      after.output
        .split("\n")
        .filter(Boolean)
        .map((line) => line.split(" ") as [string, string]),
    );
    for (const [key, { done, begun }] of told(output))
      assert.ok(
        [String(done), String(begun)].includes(values.get(key)!),
        `${key} is ${values.get(key)}, expected ${done} or ${begun}`,
      );
    assert.deepEqual(
      readdirSync(join(device, "storage")).filter((name) => name.endsWith(".tmp")),
      [],
      "an unfinished write is left behind",
    );
  }

  it("is old or new, key by key, whenever the process is killed", async () => {
    let written = 0;
    for (let i = 0; i < 20; i++) {
      const device = folder.join(`kill-${i}`);
      const child = spawn(hostProgram(variant), [...mapOptions(), module, "--", device], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      const delay = 60 + Math.random() * 60;
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        // From the first write on.
        if (output === "") setTimeout(() => child.kill("SIGKILL"), Math.max(1, delay - 60));
        output += text;
      });
      const [, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
        child.on("close", (exitCode, ended) => resolve([exitCode, ended])),
      );
      assert.equal(signal, "SIGKILL", "it came to its end before it was killed");
      written += told(output).get("C.3")!.done;
      await check(device, output);
    }
    assert.ok(written > 0, "nothing was ever written");
  });

  for (const action of actions)
    it(`is old or new, key by key, when power fails at the n-th write (${action})`, async () => {
      for (const atWrite of [1, 2, 3, 4, 5, 6, 17]) {
        const device = folder.join(`${action}-${atWrite}`);
        const { output, signal } = await runOnXS(module, [device, JSON.stringify({ atWrite, action })], { variant });
        assert.equal(signal, "SIGKILL");
        assert.equal(output.split("\n").filter((line) => line.startsWith("done")).length, atWrite - 1);
        await check(device, output);
      }
    });
});
