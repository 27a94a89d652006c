/** Mosquitto over plain TCP, with the rules of the suite. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PlainMosquitto } from "../../tools/brokers/index.js";
import { FORBIDDEN_TOPIC, type BrokerUnderTest } from "./broker-under-test.js";

export class InteropMosquitto implements BrokerUnderTest {
  #folder: string | undefined;
  #broker: PlainMosquitto | undefined;

  get port(): number {
    return this.#broker?.port ?? 0;
  }

  async start(): Promise<void> {
    const folder = (this.#folder = mkdtempSync(join(tmpdir(), "sealwire-interop-")));
    const write = (name: string, text: string): string => {
      const file = join(folder, name);
      writeFileSync(file, text, { mode: 0o600 });
      return file;
    };
    // A file without users: who gives no name is let in, every name is refused.
    const users = write("users", "");
    const rules = write("rules", `topic readwrite #\ntopic deny ${FORBIDDEN_TOPIC}\n`);
    this.#broker = new PlainMosquitto({
      persistence: true,
      settings: ["set_tcp_nodelay true", `password_file ${users}`, `acl_file ${rules}`],
    });
    await this.#broker.start();
  }

  async stop(): Promise<void> {
    await this.#broker?.stop();
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }
}
