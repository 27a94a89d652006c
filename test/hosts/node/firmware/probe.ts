/** Firmware for the tests of the board: does what the environment variable PROBE says, and shows what it sees. */
import { setTimeout as delay } from "node:timers/promises";
import { platform } from "sealwire/host";
import { SealwireError } from "../../../../src/errors.js";

const [action, argument = ""] = (process.env["PROBE"] ?? "").split(":");
const retained = new Uint8Array(platform.retainedMemory?.byteLength ?? 0);
platform.retainedMemory?.read(0, retained);
const stored = platform.storage?.read("boots");
const boots = stored === undefined ? 1 : new Uint8Array(stored)[0]! + 1;
platform.storage?.write("boots", Uint8Array.of(boots));
platform.observe?.({
  event: "boot",
  wakeCause: platform.wakeCause,
  boots,
  pid: process.pid,
  mac: Buffer.from(platform.mac()).toString("hex"),
  retained: Buffer.from(retained.subarray(0, 8)).toString("hex"),
  networkUp: platform.network?.up,
});
platform.network?.observe((up) => platform.observe?.({ event: "network", up }));
platform.retainedMemory?.write(0, Buffer.from("retained"));
platform.log("a line");

function connect(port: number, onWritable: () => void): void {
  const show = (event: string, code?: string): void => platform.observe?.({ event, code });
  new platform.tcp({
    address: "127.0.0.1",
    port,
    onWritable,
    onError: (error) => show("lost", error?.code),
  });
}

switch (action) {
  case "sleep":
    if (boots === 1) platform.sleep(Number(argument));
    platform.observe?.({ event: "after" });
    break;
  case "restart":
    if (boots === 1) platform.restart();
    break;
  case "crash":
    await delay(20);
    throw new SealwireError("STORAGE_CORRUPT", "The probe\nfell over.");
  case "reject":
    void Promise.reject(new Error("nobody caught this"));
    break;
  case "exit":
    process.exit(0);
  case "hang-later":
    await delay(1500);
    platform.observe?.({ event: "hanging" });
    for (;;);
  case "hang":
    platform.observe?.({ event: "hanging" });
    for (;;);
  case "connect":
    connect(Number(argument), () => platform.observe?.({ event: "writable" }));
    break;
  case "connected-and-sleep": {
    let done = false;
    connect(Number(argument), () => {
      if (done) return;
      done = true;
      platform.observe?.({ event: "connected", protocol: "TLSv1.3", resumed: boots > 1 });
      if (boots < 3) platform.sleep(10);
    });
    break;
  }
  case "flood":
    for (let number = 0; number < Number(argument); number++) platform.observe?.({ event: "flood", number });
    platform.restart();
}
