/** The debugger protocol: the host attaches, stops at a breakpoint, tells where, and goes on. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import type { Variant } from "../../../tools/xs/paths.js";
import { root } from "../../../tools/xs/paths.js";
import { runOnXS } from "../../../tools/xs/run.js";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";
import { hostIsBuilt } from "./support.js";

const variant: Variant = { bits: 64 };
const source = join(root, "test", "xs", "firmware", "debugged.ts");
const lineOf = (text: string): number =>
  readFileSync(source, "utf8")
    .split("\n")
    .findIndex((line) => line.includes(text)) + 1;

/** As much of xsbug as answers a machine: it logs in, gets breakpoints, and is told to go on whenever it stops. */
class Debugger {
  readonly received: string[] = [];
  readonly #server: Server;

  constructor(breakpoints: string) {
    this.#server = createServer((socket) => {
      let text = "";
      socket.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        for (let end = text.indexOf("</xsbug>"); end >= 0; end = text.indexOf("</xsbug>")) {
          const message = text.slice(0, end);
          text = text.slice(end + "</xsbug>".length);
          this.received.push(message);
          if (message.includes("<login "))
            socket.write(`\r\n<set-all-breakpoints>${breakpoints}</set-all-breakpoints>\r\n`);
          if (message.includes("<login ") || message.includes("<break ")) socket.write("\r\n<go/>\r\n");
        }
      });
      socket.on("error", () => undefined);
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
  }
}

describe("--xsbug", function () {
  this.timeout(20_000);
  const folder = temporaryFolder();
  before(hostIsBuilt(variant));

  it("attaches, stops at a breakpoint in the TypeScript source, shows its frames, and goes on to the end", async () => {
    const line = lineOf("total += value");
    const xsbug = new Debugger(`<breakpoint path="${source}" line="${line}"/>`);
    try {
      const address = await xsbug.listen();
      const module = join(root, "dist", "test", "xs", "firmware", "debugged.js");
      const { output, errors, exitCode } = await runOnXS(module, [], {
        variant,
        host: ["--xsbug", address],
        timeout: 10_000,
      });
      assert.equal(output, "6\n", errors);
      assert.equal(exitCode, 0);
      const stops = xsbug.received.filter((message) => message.includes("<break "));
      assert.match(xsbug.received[0]!, /<login name="sealwire-xs"/);
      assert.equal(stops.length, 3, xsbug.received.join("\n"));
      assert.ok(stops.every((stop) => stop.includes(`path="${source}" line="${line}"`)));
      assert.ok(xsbug.received.some((message) => message.includes("<frames>") && message.includes("sum")));
    } finally {
      xsbug.close();
    }
  });

  it("says so when no debugger listens, or the address is none", async () => {
    const module = folder.join("empty.js");
    writeFileSync(module, "");
    const nobody = await runOnXS(module, [], { variant, host: ["--xsbug", "127.0.0.1:1"] });
    assert.equal(nobody.errors, "USAGE: xsbug does not answer at 127.0.0.1:1; start it first.\n");
    const nonsense = await runOnXS(module, [], { variant, host: ["--xsbug", "5002"] });
    assert.equal(nonsense.errors, "USAGE: --xsbug wants HOST:PORT, not 5002.\n");
    assert.deepEqual([nobody.exitCode, nonsense.exitCode], [2, 2]);
  });
});
