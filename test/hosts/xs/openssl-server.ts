/** `openssl s_server`: it does on command what Node's server cannot. */
import { spawn, type ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import type { TLSVersion } from "../../../src/platform.js";
import { freePort } from "../../../tools/brokers/free-port.js";
import type { TemporaryFolder } from "../../tools/support/temporary-folder.js";
import type { Issued } from "../node/support/pki.js";

export class OpenSSLServer {
  readonly port: number;
  /** What it says, in the words of OpenSSL, and what clients send. */
  output = "";
  readonly #child: ChildProcess;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding("latin1").on("data", (text: string) => (this.output += text));
  }

  /** @param more further options of s_server(1) */
  static async start(
    folder: TemporaryFolder,
    leaf: Issued,
    protocol: TLSVersion,
    more: readonly string[] = [],
  ): Promise<OpenSSLServer> {
    const [certificate, key] = [folder.join("server.pem"), folder.join("server-key.pem")];
    writeFileSync(certificate, leaf.pem);
    writeFileSync(key, leaf.keyPEM);
    const port = await freePort();
    const version = protocol === "TLSv1.3" ? "-tls1_3" : "-tls1_2";
    const parameters = ["s_server", "-accept", String(port), "-cert", certificate, "-key", key, version, ...more];
    const server = new OpenSSLServer(port, spawn("openssl", parameters, { stdio: ["pipe", "pipe", "pipe"] }));
    await server.until(() => server.output.includes("ACCEPT"), "s_server");
    return server;
  }

  /** Bytes for the client; or, as a line of its own, a command of s_server(1) such as `k`, an update of keys. */
  write(text: string): void {
    this.#child.stdin!.write(text, "latin1");
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const end = performance.now() + 10_000;
    while (!condition()) {
      if (performance.now() > end) throw new Error(`waited in vain for ${what}: ${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }
}
