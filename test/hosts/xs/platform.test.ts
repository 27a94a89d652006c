/** The device that the XS host simulates: names, connections, network, power, and what is burnt in. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { hostProgram, root, type Variant } from "../../../tools/xs/paths.js";
import { mapOptions, runOnXS } from "../../../tools/xs/run.js";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";
import { hostIsBuilt } from "./support.js";

const variant: Variant = { bits: 64 };
const probe = join(root, "dist", "test", "xs", "firmware", "probe.js");

describe("A device on the XS host", function () {
  this.timeout(20_000);
  const folder = temporaryFolder();
  before(hostIsBuilt(variant));

  interface Told {
    readonly exitCode: number | null;
    readonly lines: unknown[];
    readonly errors: string;
  }

  const environment = (device: string, settings: object): NodeJS.ProcessEnv => ({
    ...process.env,
    SEALWIRE_DEVICE: folder.join(device),
    SEALWIRE_DEVICE_SETTINGS: JSON.stringify(settings),
  });

  async function tell(device: string, commands: string[], settings: object = {}): Promise<Told> {
    const result = await runOnXS(probe, commands, {
      variant,
      environment: environment(device, settings),
      timeout: 15_000,
    });
    const lines = result.output.split("\n").filter(Boolean);
    return {
      exitCode: result.exitCode,
      lines: lines.map((line) => JSON.parse(line) as unknown),
      errors: result.errors,
    };
  }

  describe("resolver", () => {
    it("gives the device's own names, numbers as they are, and those that the desktop knows", async () => {
      const { lines, errors } = await tell(
        "names",
        ["resolve Broker.example", "resolve 192.0.2.7", "resolve 2001:db8::7", "resolve localhost"],
        { hosts: { "broker.example": "192.0.2.1" } },
      );
      assert.deepEqual(lines.slice(0, 3), ["192.0.2.1", "192.0.2.7", "2001:db8::7"], errors);
      assert.match(String(lines[3]), /^(127\.0\.0\.1|::1)$/);
    });

    it("says that a name could not be resolved: unknown, no name at all, or without a network", async () => {
      const names = ["resolve nothing.invalid", "resolve not/a/name"];
      assert.deepEqual((await tell("unknown", names)).lines, ["NAME_NOT_RESOLVED", "NAME_NOT_RESOLVED"]);
      assert.deepEqual((await tell("unknown", ["resolve 192.0.2.7"], { networkUp: false })).lines, [
        "NAME_NOT_RESOLVED",
      ]);
    });
  });

  describe("TCP", () => {
    const servers: Server[] = [];
    const sockets = new Set<Socket>();
    /** Answers with what it gets. @returns the port */
    async function serve(address: string): Promise<number | undefined> {
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.on("error", () => undefined).pipe(socket);
      });
      servers.push(server);
      return new Promise((resolve) => {
        server.on("error", () => resolve(undefined));
        server.listen(0, address, () => resolve((server.address() as AddressInfo).port));
      });
    }
    afterEach(() => {
      for (const socket of sockets) socket.destroy();
      for (const server of servers.splice(0)) server.close();
    });

    it("connects over IPv4", async () => {
      assert.deepEqual((await tell("tcp", [`echo 127.0.0.1 ${await serve("127.0.0.1")}`])).lines, ["ping"]);
    });

    it("connects over IPv6", async function () {
      const port = await serve("::1");
      if (port === undefined) this.skip();
      const { lines, errors } = await tell("tcp", [`echo ::1 ${port}`]);
      assert.deepEqual(lines, ["ping"], errors);
    });

    it("says that nothing listens", async () => {
      const port = await serve("127.0.0.1");
      await new Promise((resolve) => servers.pop()!.close(resolve));
      assert.deepEqual((await tell("tcp", [`echo 127.0.0.1 ${port}`])).lines, ["CONNECTION_REFUSED"]);
    });

    it("refuses while the network is down", async () => {
      const { lines } = await tell("tcp", ["network", "echo 127.0.0.1 9"], { networkUp: false });
      assert.deepEqual(lines, ["down", "NETWORK_DOWN"]);
    });

    it("loses its connections when the network is taken down from outside, and the firmware is told", async () => {
      const port = await serve("127.0.0.1");
      const child = spawn(
        hostProgram(variant),
        [...mapOptions(), probe, "--", "observe 0", `hold 127.0.0.1 ${port}`, "network", "pause 200", "network"],
        { env: environment("signals", {}), stdio: ["ignore", "pipe", "inherit"] },
      );
      const lines: unknown[] = [];
      for await (const line of createInterface(child.stdout)) {
        lines.push(JSON.parse(line));
        if (line === '"connected"') child.kill("SIGUSR1");
        else if (lines.length === 4) child.kill("SIGUSR2");
      }
      assert.deepEqual(lines.slice(0, 1), ["connected"]);
      assert.deepEqual(lines.slice(1, 4).sort(), ["NETWORK_DOWN", "down", "down"]);
      assert.deepEqual(lines.slice(4), ["up", "up"]);
    });
  });

  describe("power", () => {
    it("notes a deep sleep: exit code 80, and what the next start is told", async () => {
      const { exitCode, lines } = await tell("sleep", ["wake", "sleep 1500", "wake"]);
      assert.deepEqual([exitCode, lines], [80, ["power"]]);
      const note = JSON.parse(readFileSync(folder.join("sleep", "wake"), "utf8")) as object;
      assert.deepEqual(note, { cause: "sleep", milliseconds: 1500 });
      assert.deepEqual((await tell("sleep", ["wake"])).lines, ["sleep"]);
      assert.deepEqual(
        (await tell("sleep", ["wake"])).lines,
        ["power"],
        "a start that nobody announced is a power cut",
      );
    });

    it("notes a restart: exit code 81", async () => {
      assert.equal((await tell("restart", ["restart"])).exitCode, 81);
      assert.deepEqual((await tell("restart", ["wake"])).lines, ["restart"]);
    });

    it("keeps retained memory through sleep and restart, and has random bytes after a power cut", async () => {
      const read = "retained 100 3";
      await tell("retained", ["retain 100 1 2 3", "sleep 1"]);
      assert.deepEqual((await tell("retained", [read, "restart"])).lines, [[1, 2, 3]]);
      assert.deepEqual((await tell("retained", [read])).lines, [[1, 2, 3]]);
      assert.notDeepEqual(
        (await tell("retained", ["retained 0 16"])).lines,
        (await tell("retained", ["retained 0 16"])).lines,
      );
    });

    it("has as much retained memory as was asked for, and guards its bounds", async () => {
      const commands = ["memory", "retained 30 3", "retain 31 1 2", "retained -1 1"];
      const bounds = ["INVALID_ARGUMENT", "INVALID_ARGUMENT", "INVALID_ARGUMENT"];
      assert.deepEqual((await tell("bounds", commands, { retainedBytes: 32 })).lines, [32, ...bounds]);
      assert.deepEqual((await tell("bounds", ["memory"], { retainedBytes: 0 })).lines, ["none"]);
      assert.deepEqual((await tell("bounds", ["memory"])).lines, [4096]);
    });
  });

  describe("what is burnt in", () => {
    it("has a MAC address of its own that stays, unicast and locally administered", async () => {
      const [mac] = (await tell("mac", ["mac"])).lines as number[][];
      assert.equal(mac!.length, 6);
      assert.equal(mac![0]! & 3, 2);
      assert.deepEqual((await tell("mac", ["mac"])).lines, [mac]);
      assert.notDeepEqual((await tell("another", ["mac"])).lines, [mac]);
    });

    it("has a counter when asked for, which never goes back, and says when its file is damaged", async () => {
      const settings = { counter: true };
      assert.deepEqual((await tell("counter", ["count"])).lines, ["none"]);
      assert.deepEqual((await tell("counter", ["counted", "count", "count"], settings)).lines, [0, 1, 2]);
      assert.deepEqual((await tell("counter", ["counted"], settings)).lines, [2]);
      writeFileSync(folder.join("counter", "counter"), "two");
      assert.deepEqual((await tell("counter", ["counted", "count"], settings)).lines, [
        "STORAGE_CORRUPT",
        "STORAGE_CORRUPT",
      ]);
    });

    it("has a root of trust that stays, where there is cryptography, or none when told so", async () => {
      assert.deepEqual((await tell("trust", ["trust"], { rootOfTrust: false })).lines, ["none"]);
      const [first] = (await tell("trust", ["trust"])).lines;
      assert.deepEqual((await tell("trust", ["trust"])).lines, [first]);
      if (first === "none") assert.ok(!existsSync(folder.join("trust", "efuse")));
      else assert.equal((first as number[]).length, 32);
    });

    it("destroys the provisioning record when told to", async () => {
      assert.deepEqual((await tell("provisioned", ["provisioning"])).lines, ["none"]);
      writeFileSync(folder.join("provisioned", "provisioning.bin"), Uint8Array.of(1, 2, 3));
      assert.deepEqual((await tell("provisioned", ["provisioning", "erase", "provisioning"])).lines, [
        [1, 2, 3],
        "none",
      ]);
      assert.ok(!existsSync(folder.join("provisioned", "provisioning.bin")));
    });
  });
});
