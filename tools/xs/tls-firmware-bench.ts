/**
 * Runs a whole firmware with mutual TLS, `examples/telemetry`: a `Device` with its vault, provisioned as at the factory, against a broker in
 * this process.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { Aedes } from "aedes";
import { STORAGE_KEY } from "../../src/storage/index.js";
import { DevelopmentPKI, toPEM } from "../pki/index.js";
import { BackEnd } from "../simulate/back-end.js";
import { provision } from "../simulate/provision.js";
import { preloadOptions } from "./manifest.js";
import { root, type Variant } from "./paths.js";
import { runOnXS } from "./run.js";

/** How the device comes to its connection. */
export type Start =
  /** The first start: the vault imports what the factory wrote, and the handshake is full. */
  | "first start, full handshake"
  /** The power was cut and the ticket is gone; the vault is read. */
  | "full handshake"
  /** A wake from deep sleep. */
  | "resumed handshake";

export interface FirmwareRun {
  /** Whether it published everything and went to sleep, after a handshake of the kind that was asked for. */
  readonly complete: boolean;
  /** Native bytes of TLS and cryptography, at the peak. */
  readonly native: number;
  /** What it wrote. */
  readonly report: string;
}

const variant: Variant = { bits: 32, sanitize: false };
const asleep = 80;
/** The example reads it from its credentials. */
const versions = { minimum: "TLSv1.2", maximum: "TLSv1.2" } as const;

export class TLSFirmwareBench {
  readonly #aedes: Aedes;
  readonly #server: Server;
  readonly #folder: string;
  readonly #resumed: boolean[];
  #next = 1000;

  private constructor(aedes: Aedes, server: Server, folder: string, resumed: boolean[]) {
    this.#aedes = aedes;
    this.#server = server;
    this.#folder = folder;
    this.#resumed = resumed;
  }

  /**
   * @param options.sealed whether it holds a payload secret, so that it seals what it publishes
   * @throws Error when the firmware does not come through its first start in a roomy heap
   */
  static async open({ sealed }: { readonly sealed: boolean }): Promise<TLSFirmwareBench> {
    const folder = mkdtempSync(join(tmpdir(), "sealwire-fit-"));
    const pki = await DevelopmentPKI.open({ folder: join(folder, "certs"), names: ["localhost"] });
    const aedes = await Aedes.createBroker();
    const resumed: boolean[] = [];
    const server = createServer(
      {
        cert: pki.server.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
        key: toPEM("PRIVATE KEY", pki.server.privateKey),
        ca: toPEM("CERTIFICATE", pki.root),
        requestCert: true,
        maxVersion: "TLSv1.2",
      },
      (socket: TLSSocket) => {
        resumed.push(socket.isSessionReused());
        socket.on("error", () => undefined);
        void aedes.handle(socket);
      },
    );
    server.on("tlsClientError", () => undefined);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const factory = join(folder, "first start, full handshake");
    mkdirSync(factory, { mode: 0o700 });
    const credentials = await pki.device("device");
    provision({
      folder: factory,
      broker: { host: "localhost", port },
      trustAnchors: [pki.root],
      credentials,
      payloadSecret: sealed ? BackEnd.newSecret() : undefined,
      versions,
    });
    const bench = new TLSFirmwareBench(aedes, server, folder, resumed);
    const first = await bench.run("first start, full handshake", [], "resumed handshake");
    if (!first.complete)
      throw new Error(`The telemetry firmware does not come through its first start: ${first.report}`);
    const cut = join(folder, "full handshake");
    cpSync(join(folder, "resumed handshake"), cut, { recursive: true });
    for (const gone of ["wake", "retained"]) rmSync(join(cut, gone), { force: true });
    const stored = readdirSync(join(cut, "storage"));
    for (const name of stored.filter((entry) => decodeURIComponent(entry).startsWith(STORAGE_KEY.tlsSession)))
      rmSync(join(cut, "storage", name));
    return bench;
  }

  /**
   * @param heap options of the host program that size the heap and cap the native memory
   * @param keep the name under which the device's folder is kept
   */
  async run(start: Start, heap: readonly string[], keep = String(this.#next++)): Promise<FirmwareRun> {
    const device = join(this.#folder, keep);
    cpSync(join(this.#folder, start), device, { recursive: true });
    this.#resumed.length = 0;
    const module = join(root, "dist", "examples", "telemetry", "main.js");
    const settings = JSON.stringify({ hosts: { localhost: "127.0.0.1" } });
    const { exitCode, output, errors } = await runOnXS(module, [], {
      variant,
      host: ["--heap", ...heap, ...preloadOptions("examples/telemetry/manifest.json")],
      environment: { ...process.env, SEALWIRE_DEVICE: device, SEALWIRE_DEVICE_SETTINGS: settings },
      timeout: 30_000,
    });
    const library = /"library":\{"used":\d+,"peak":(\d+)/.exec(errors)?.[1];
    const isResumed = start === "resumed handshake";
    return {
      complete: exitCode === asleep && this.#resumed.join() === String(isResumed) && output.includes("sleeps for"),
      native: Number(library ?? NaN),
      report: `exit code ${exitCode}\n${output}${errors}`,
    };
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#aedes.close(() => this.#server.close(() => resolve())));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
