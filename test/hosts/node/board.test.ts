import { deepEqual, equal, match, notEqual, ok, rejects } from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Board, type BoardEvent, type BoardExit } from "../../../hosts/node/index.js";
import type { SealwireError } from "../../../src/errors.js";
import { until } from "./support/tls.js";

const firmware = fileURLToPath(new URL("./firmware/probe.js", import.meta.url));
const patience = 8000;

describe("node host: board", () => {
  let folder: string;
  let board: Board;
  let logs: string[];
  let exits: BoardExit[];
  let events: BoardEvent[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sealwire-board-"));
    [logs, exits, events] = [[], [], []];
  });
  afterEach(async () => {
    await board.off();
    rmSync(folder, { recursive: true, force: true });
  });

  function create(probe: string): Board {
    board = new Board({
      folder,
      firmware,
      env: { PROBE: probe },
      onLog: (line) => logs.push(line),
      onExit: (exit) => exits.push(exit),
      onEvent: (event) => events.push(event),
    });
    return board;
  }

  const nextBoot = () => board.waitFor(({ event }) => event === "boot", patience, "a boot");

  it("runs firmware, with its lines and events", async () => {
    await create("").powerOn();
    const boot = await nextBoot();
    equal(boot["wakeCause"], "power");
    equal(boot["boots"], 1);
    equal(board.running, true);
    await until(() => logs.includes("a line"), "a line");
    await board.powerCut();
    equal(board.running, false);
    deepEqual(exits, [{ reason: "power" }]);
  });

  it("wakes from deep sleep in a new process, with retained memory, storage and MAC address", async () => {
    await create("sleep:30").powerOn();
    const first = await nextBoot();
    const second = await nextBoot();
    notEqual(first["retained"], Buffer.from("retained").toString("hex"));
    equal(second["wakeCause"], "sleep");
    equal(second["retained"], Buffer.from("retained").toString("hex"));
    equal(second["boots"], 2);
    equal(second["mac"], first["mac"]);
    deepEqual(exits, [{ reason: "sleep", milliseconds: 30 }]);
    await board.waitFor(({ event }) => event === "after", patience);
    // Nothing after sleep() ran in the first life.
    equal(events.filter(({ event }) => event === "after").length, 1);
  });

  it("restarts with retained memory", async () => {
    await create("restart").powerOn();
    await nextBoot();
    const second = await nextBoot();
    equal(second["wakeCause"], "restart");
    equal(second["retained"], Buffer.from("retained").toString("hex"));
  });

  it("loses retained memory, not storage, in a power cut, asleep or awake", async () => {
    await create("").powerOn();
    await nextBoot();
    await board.powerCut();
    await board.powerOn();
    const second = await nextBoot();
    equal(second["wakeCause"], "power");
    equal(second["boots"], 2);
    notEqual(second["retained"], Buffer.from("retained").toString("hex"));
    await board.off();

    rmSync(folder, { recursive: true });
    await create("sleep:60000").powerOn();
    await nextBoot();
    while (board.running) await new Promise((resolve) => setTimeout(resolve, 5));
    await board.powerCut();
    await board.powerOn();
    const woken = await nextBoot();
    equal(woken["wakeCause"], "power");
    notEqual(woken["retained"], Buffer.from("retained").toString("hex"));
  });

  it("tells at once that the firmware crashed, and why", async () => {
    await create("crash").powerOn();
    const waiting = board.waitFor(({ event }) => event === "never", 60_000, "the first publish");
    await rejects(waiting, (error: SealwireError) => {
      equal(error.code, "STORAGE_CORRUPT");
      match(error.message, /the first publish.*The probe fell over/);
      return true;
    });
    equal(exits[0]?.reason, "crash");
    ok(logs.includes("The firmware crashed: The probe fell over. (STORAGE_CORRUPT)"), logs.join());
    await rejects(board.waitFor(({ event }) => event === "never", 60_000));
    equal(board.running, false);
  });

  it("takes an unhandled rejection for a crash, and a program that ends for one that does nothing any more", async () => {
    await create("reject").powerOn();
    await rejects(
      board.waitFor(() => false, 60_000),
      /nobody caught this/,
    );
    await create("exit").powerOn();
    await rejects(
      board.waitFor(() => false, 60_000),
      /ended by itself/,
    );
    equal(exits.at(-1)?.reason, "ended");
  });

  it("cuts the power of firmware that hangs", async () => {
    await create("hang").powerOn();
    await board.waitFor(({ event }) => event === "hanging", patience);
    await board.powerCut();
    equal(board.running, false);
  });

  for (const [title, probe, awaited] of [
    ["ends with its board, even when that is killed", "", "boot"],
    ["ends with its board even when it hangs", "hang-later", "hanging"],
  ] as const)
    it(title, async () => {
      create("");
      const script = fileURLToPath(new URL("./firmware/board-parent.js", import.meta.url));
      const parent = spawn(process.execPath, [script, folder, firmware, probe, awaited], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const text = await new Promise<string>((resolve) =>
        parent.stdout.once("data", (bytes: Buffer) => resolve(bytes.toString())),
      );
      const pid = Number(text);
      const isThere = (): boolean => {
        try {
          // A zombie that nobody waits for has ended too.
          return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
        } catch {
          return false;
        }
      };
      if (!existsSync("/proc/self/status")) return;
      equal(isThere(), true);
      parent.kill("SIGKILL");
      await until(() => !isThere(), "the end of the firmware", patience);
    });

  it("gives up waiting with a sentence that says for what", async () => {
    await create("").powerOn();
    await nextBoot();
    await rejects(
      board.waitFor(() => false, 20, "a connection"),
      (error: SealwireError) => error.code === "TIMEOUT" && /20 ms for a connection/.test(error.message),
    );
  });

  it("loses no event of a process that ends at once", async () => {
    await create("flood:5000").powerOn();
    const restarted = () => exits.length > 0;
    while (!restarted()) await new Promise((resolve) => setTimeout(resolve, 5));
    await board.powerCut();
    const numbers = events.filter(({ event }) => event === "flood").map(({ number }) => number);
    deepEqual(
      numbers.slice(0, 5000),
      Array.from({ length: 5000 }, (_, number) => number),
    );
  });

  it("refuses a folder that cannot be used, and firmware that is not there", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    board = new Board({ folder: join(file, "below"), firmware });
    await rejects(
      board.powerOn(),
      (error: SealwireError) => error.code === "STORAGE_FAILED" && /file/.test(error.message),
    );
    board = new Board({ folder, firmware: join(folder, "missing.js") });
    await rejects(board.powerOn(), (error: SealwireError) => error.code === "INVALID_ARGUMENT");
    if (process.getuid?.() !== 0) {
      chmodSync(folder, 0o500);
      board = new Board({ folder, firmware });
      await rejects(board.powerOn(), (error: SealwireError) => error.code === "STORAGE_FAILED");
      chmodSync(folder, 0o700);
    }
  });

  describe("with a network", () => {
    let server: Server;
    let peers: Socket[];
    let port: number;

    beforeEach(async () => {
      peers = [];
      server = createServer((socket) => {
        peers.push(socket);
        socket.on("error", () => undefined);
        socket.write("0123456789");
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      port = (server.address() as AddressInfo).port;
    });
    afterEach(() => {
      for (const peer of peers) peer.destroy();
      server.close();
    });

    it("takes the network away without a goodbye, and gives it back", async () => {
      await create(`connect:${port}`).powerOn();
      await board.waitFor(({ event }) => event === "writable", patience, "a connection");
      // The device may know of the connection before the server has accepted it.
      while (peers.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      const reset = new Promise<string | undefined>((resolve) =>
        peers[0]!.on("error", (error: NodeJS.ErrnoException) => resolve(error.code)),
      );
      await board.network(false);
      equal((await board.waitFor(({ event }) => event === "lost", patience))["code"], "NETWORK_DOWN");
      equal(await reset, "ECONNRESET");
      await board.powerCut();
      // The network stays as it was left.
      await board.powerOn();
      equal((await nextBoot())["networkUp"], false);
      equal((await board.waitFor(({ event }) => event === "lost", patience))["code"], "NETWORK_DOWN");
      await board.network(true);
      equal((await board.waitFor(({ event }) => event === "network", patience))["up"], true);
    });

    it("adds a row of bytes and milliseconds to each connect, even if the device sleeps at once", async () => {
      await create(`connected-and-sleep:${port}`).powerOn();
      for (const resumed of [false, true, true]) {
        const row = await board.waitFor(({ event }) => event === "connect", patience, "a row");
        equal(row["protocol"], "TLSv1.3");
        equal(row["resumed"], resumed);
        equal(typeof row["milliseconds"], "number");
        equal(row["bytesOut"], 0);
        ok(row["bytesIn"] === 10 || row["bytesIn"] === 0);
      }
    });
  });
});
