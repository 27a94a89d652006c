/** Runs the firmware whose TLS is measured, `test/xs/firmware/tls-budget.ts`, against a server in this process. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { Aedes } from "aedes";
import { DevelopmentPKI, toPEM } from "../pki/index.js";
import type { TLSVersion } from "../../src/platform.js";
import { type BenchRun, parseMeasured } from "./budget-bench.js";
import { preloadOptions } from "./manifest.js";
import { root, type Variant } from "./paths.js";
import { runOnXS } from "./run.js";

export interface TLSBenchOptions {
  readonly protocol: TLSVersion;
  /** Whether a durable MQTT session runs over it, and seals its payload; `sealed`: ready to before it connects; `session`: without sealing. */
  readonly mqtt: boolean | "sealed" | "session";
  /** Builds Mbed TLS without TLS 1.3. */
  readonly tls12?: boolean;
}

export class TLSBudgetBench {
  readonly #options: TLSBenchOptions;
  readonly #aedes: Aedes;
  readonly #server: Server;
  readonly #folder: string;
  /** Of each connection that the server accepted, whether it was resumed. One run at a time. */
  readonly #resumed: boolean[];
  /** Four digits: the same length, so that each run needs the same memory. */
  #next = 1000;

  private constructor(options: TLSBenchOptions, aedes: Aedes, server: Server, folder: string, resumed: boolean[]) {
    this.#options = options;
    this.#aedes = aedes;
    this.#server = server;
    this.#folder = folder;
    this.#resumed = resumed;
  }

  /** Mutual TLS on P-256, both sides with an issuing authority. */
  static async open(options: TLSBenchOptions): Promise<TLSBudgetBench> {
    const folder = mkdtempSync(join(tmpdir(), "sealwire-budget-"));
    const pki = await DevelopmentPKI.open({ folder: join(folder, "certs"), names: ["localhost"] });
    const { certificateChain, privateKey } = await pki.device("device");
    const files = { root: pki.root, device: certificateChain[0]!, issuing: certificateChain[1]!, key: privateKey };
    for (const [name, der] of Object.entries(files)) writeFileSync(join(folder, `${name}.der`), der, { mode: 0o600 });
    const aedes = await Aedes.createBroker();
    const resumed: boolean[] = [];
    const server = createServer(
      {
        cert: pki.server.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
        key: toPEM("PRIVATE KEY", pki.server.privateKey),
        ca: toPEM("CERTIFICATE", pki.root),
        requestCert: true,
        minVersion: options.protocol,
        maxVersion: options.protocol,
      },
      (socket: TLSSocket) => {
        resumed.push(socket.isSessionReused());
        socket.on("error", () => undefined);
        if (options.mqtt !== false) void aedes.handle(socket);
        else socket.pipe(socket);
      },
    );
    server.on("tlsClientError", () => undefined);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new TLSBudgetBench(options, aedes, server, folder, resumed);
  }

  /** @param heap options of the host program that size the heap */
  async run(heap: readonly string[]): Promise<BenchRun> {
    const { protocol, mqtt, tls12 = false } = this.#options;
    const { port } = this.#server.address() as { port: number };
    const firmware = join(root, "dist", "test", "xs", "firmware");
    const variant: Variant = { bits: 32, sanitize: false, tls12 };
    this.#resumed.length = 0;
    const name = mqtt === "session" ? "tls-budget-session" : "tls-budget";
    const modules = [...new Set(["tls-budget-app", `${name}-app`])].map((module) => join(firmware, `${module}.js`));
    const { exitCode, output, errors } = await runOnXS(
      join(firmware, `${name}.js`),
      [
        this.#folder,
        String(port),
        typeof mqtt === "string" ? mqtt : mqtt ? "mqtt" : "echo",
        protocol,
        String(this.#next++),
      ],
      {
        variant,
        host: ["--measure", ...heap, ...preloadOptions(), ...modules.flatMap((module) => ["--preload", module])],
        timeout: 30_000,
      },
    );
    return {
      steps: parseMeasured(errors),
      complete: exitCode === 0 && this.#resumed.join() === "false,true",
      report: `exit code ${exitCode}\n${output}${errors}`,
    };
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#aedes.close(() => this.#server.close(() => resolve())));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
