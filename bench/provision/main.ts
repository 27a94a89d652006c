/**
 * `npm run bench:provision`: how long a fleet takes to provision, and whether memory stays flat. It runs the real command on a table, with certificates,
 * encrypted records and NVS images, in a temporary folder, and watches its process.
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { createPKI } from "../../tools/pki/index.js";
import { positive } from "../../tools/positive.js";

interface Options {
  readonly devices: number;
  readonly limit: number;
  readonly json: boolean;
}

const passphrase = "the passphrase of a benchmark";
const main = fileURLToPath(new URL("../../tools/main.js", import.meta.url));

/** Megabytes that the process has in RAM; `undefined` where the system does not tell. */
function residentMegabytes(pid: number): number | undefined {
  try {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
  } catch {
    return undefined;
  }
}

async function bench({ devices, limit, json }: Options): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sealwire-bench-"));
  process.once("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
  const pki = path.join(folder, "pki");
  const importPassphrase = (): Promise<string> => Promise.resolve("");
  await createPKI({ folder: pki, name: "Bench", algorithm: "P-256", passphrase, importPassphrase });
  const csv = path.join(folder, "fleet.csv");
  const rows = Array.from({ length: devices }, (_, i) => `device-${i + 1}\n`);
  fs.writeFileSync(csv, `id\n${rows.join("")}`);
  const out = path.join(folder, "out");
  const args = ["provision", "--pki", pki, "--csv", csv, "--broker", "broker.example", "--format", "nvs", "--encrypt"];
  const began = performance.now();
  const child = spawn(process.execPath, [main, ...args, "--out", out, "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, SEALWIRE_PKI_PASSPHRASE: passphrase, NODE_OPTIONS: undefined },
  });
  let stdout = "";
  child.stdout.on("data", (chunk) => (stdout += String(chunk)));
  /** Figures over time, one a second. */
  const memory: number[] = [];
  const watch = setInterval(() => {
    const megabytes = residentMegabytes(child.pid!);
    if (megabytes !== undefined) memory.push(megabytes);
  }, 1000);
  const exitCode = await new Promise((resolve) => child.once("close", resolve));
  clearInterval(watch);
  const seconds = (performance.now() - began) / 1000;
  const { provisioned } = JSON.parse(stdout) as { provisioned: number };
  const peak = (part: readonly number[]): number | undefined =>
    part.length === 0 ? undefined : Math.round(Math.max(...part));
  const quarter = Math.ceil(memory.length / 4);
  const quarters = [0, 1, 2, 3].map((i) => peak(memory.slice(i * quarter, (i + 1) * quarter)));
  const result = {
    devices: provisioned,
    seconds: Math.round(seconds * 10) / 10,
    perSecond: Math.round(provisioned / seconds),
    peakMegabytes: quarters,
  };
  if (json) console.log(JSON.stringify(result, undefined, 2));
  else {
    console.log(`${result.devices.toLocaleString("en")} devices with certificate, encrypted record and NVS image`);
    console.log(`${result.seconds} s, ${result.perSecond} devices/s`);
    console.log(`Peak memory in each quarter of the time: ${quarters.map((each) => `${each ?? "?"} MB`).join(", ")}`);
  }
  if (exitCode !== 0 || provisioned !== devices) throw new Error("The command did not provision all devices.");
  if (seconds > limit) throw new Error(`It took longer than ${limit} s.`);
}

await new Command("bench:provision")
  .description("Provisions a fleet and measures time and memory.")
  .option("--devices <count>", "devices", positive, 10_000)
  .option("--limit <seconds>", "fail when it takes longer", positive, 180)
  .option("--json", "print one JSON object", false)
  .action(bench)
  .parseAsync();
