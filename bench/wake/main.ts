/** `npm run bench:wake`: what a wake costs until its reading is acknowledged, against MQTT.js, on Mosquitto behind a slow network. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import type { TLSVersion } from "../../src/platform.js";
import { MosquittoBroker } from "../../tools/brokers/index.js";
import { DevelopmentPKI, toPEM } from "../../tools/pki/index.js";
import { positive } from "../../tools/positive.js";
import { spreadOf } from "../statistics.js";
import type { FromWorker, ToWorker, WakeResult, WakeSettings } from "./protocol.js";
import { RoundTripProxy } from "./round-trip-proxy.js";

interface Options {
  readonly delay: number;
  readonly runs: number;
  readonly json: boolean;
}

interface WakeCase {
  readonly name: string;
  readonly resumed: boolean;
  /** 1 for TCP, DNS queries, and the times that the server answered on the wire. */
  readonly roundTrips: number;
  readonly bytesOut: number;
  readonly bytesIn: number;
  /** Medians over the runs, from the start of the connection to the PUBACK. */
  readonly milliseconds: number;
  readonly cpuMicroseconds: number;
}

interface Wake extends WakeResult {
  readonly roundTrips: number;
  readonly bytesOut: number;
  readonly bytesIn: number;
}

const contestants = ["sealwire", "mqtt.js"] as const;

class Worker {
  readonly #child: ChildProcess;

  constructor(settings: WakeSettings) {
    this.#child = fork(fileURLToPath(new URL("./worker.js", import.meta.url)), [JSON.stringify(settings)]);
  }

  async wake(proxy: RoundTripProxy): Promise<Wake> {
    proxy.reset();
    const answer = await this.#ask("wake");
    if (answer.kind !== "acknowledged") throw new Error("The process that is measured lost its way.");
    const { alternations, bytesOut, bytesIn } = proxy.traffic;
    await this.#ask("sleep");
    const { result } = answer;
    return { ...result, roundTrips: 1 + result.dnsQueries + alternations, bytesOut, bytesIn };
  }

  async end(): Promise<void> {
    this.#child.send("end" satisfies ToWorker);
    await once(this.#child, "exit");
  }

  async #ask(request: ToWorker): Promise<FromWorker> {
    const gone = once(this.#child, "exit").then(() => Promise.reject(new Error("The process that is measured ended.")));
    this.#child.send(request);
    const [answer] = (await Promise.race([once(this.#child, "message"), gone])) as [FromWorker];
    return answer;
  }
}

async function measure(version: TLSVersion, { delay, runs }: Options, folder: string): Promise<WakeCase[]> {
  const pki = await DevelopmentPKI.open({ folder: join(folder, "pki"), names: ["broker.example"] });
  const issued = await pki.device("bench");
  const broker = new MosquittoBroker({
    server: pki.server,
    root: pki.root,
    versions: { minimum: version, maximum: version },
  });
  await broker.start();
  const proxy = new RoundTripProxy(broker.port, delay);
  await proxy.start();
  try {
    const cases: WakeCase[] = [];
    for (const contestant of contestants) {
      const full: Wake[] = [];
      const resumed: Wake[] = [];
      for (let run = 0; run < runs; run++) {
        const worker = new Worker({
          contestant,
          port: proxy.port,
          folder: join(folder, `${contestant}-${version}-${run}`),
          delay,
          root: toPEM("CERTIFICATE", pki.root),
          certificate: issued.certificateChain.map((each) => toPEM("CERTIFICATE", each)).join(""),
          key: toPEM("PRIVATE KEY", issued.privateKey),
        });
        full.push(await worker.wake(proxy));
        // The second wake is the first of its kind in this process; the third runs code that is warm, as the first of many wakes would on a chip.
        await worker.wake(proxy);
        resumed.push(await worker.wake(proxy));
        await worker.end();
      }
      cases.push(
        summary(`${contestant}, ${version}, full`, full),
        summary(`${contestant}, ${version}, resumed`, resumed),
      );
    }
    return cases;
  } finally {
    await proxy.stop();
    await broker.stop();
  }
}

function summary(name: string, wakes: readonly Wake[]): WakeCase {
  const middle = (of: (wake: Wake) => number): number => Math.round(spreadOf(wakes.map(of)).median);
  return {
    name,
    resumed: wakes.every(({ resumed }) => resumed),
    roundTrips: middle(({ roundTrips }) => roundTrips),
    bytesOut: middle(({ bytesOut }) => bytesOut),
    bytesIn: middle(({ bytesIn }) => bytesIn),
    milliseconds: middle(({ milliseconds }) => milliseconds),
    cpuMicroseconds: middle(({ cpuMicroseconds }) => cpuMicroseconds),
  };
}

function table(cases: readonly WakeCase[]): string {
  const lines = [
    "wake to PUBACK              resumed  round trips  bytes out  bytes in    ms  CPU ms",
    "--------------------------  -------  -----------  ---------  --------  ----  ------",
  ];
  for (const each of cases)
    lines.push(
      [
        each.name.padEnd(26),
        (each.resumed ? "yes" : "no").padEnd(7),
        String(each.roundTrips).padStart(11),
        String(each.bytesOut).padStart(9),
        String(each.bytesIn).padStart(8),
        String(each.milliseconds).padStart(4),
        (each.cpuMicroseconds / 1000).toFixed(1).padStart(6),
      ].join("  "),
    );
  return lines.join("\n");
}

async function bench(options: Options): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sealwire-bench-wake-"));
  try {
    const cases = [...(await measure("TLSv1.2", options, folder)), ...(await measure("TLSv1.3", options, folder))];
    const { delay, runs } = options;
    process.stdout.write(
      options.json ? `${JSON.stringify({ delay, runs, cases })}\n` : `${table(cases)}\n\nOne way takes ${delay} ms.\n`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const command = new Command("bench:wake")
  .description("What a wake costs until its reading is acknowledged, on the installed Mosquitto behind a slow network.")
  .option("--delay <ms>", "milliseconds that each direction of the network takes", positive, 40)
  .option("--runs <n>", "runs of each case", positive, 5)
  .option("--json", "one JSON object instead of a table", false)
  .action(bench);

try {
  await command.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
