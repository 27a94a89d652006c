/** The ejabberd that is installed on this machine, over plain TCP: an Erlang machine without a node name, thus without epmd. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram, loopback, ServerProcess } from "../../tools/brokers/index.js";
import type { BrokerUnderTest } from "./broker-under-test.js";

/** Where packages put the libraries: Debian's folder of the architecture, and the others. */
const libraries = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/local/lib"].join(":");

export class Ejabberd implements BrokerUnderTest {
  #server: ServerProcess | undefined;

  static installed(): boolean {
    return findProgram("ejabberdctl") !== undefined && findProgram("erl") !== undefined;
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  async start(): Promise<void> {
    this.#server = new ServerProcess({
      name: "ejabberd",
      // ejabberdctl would change to the user of the service and start an epmd.
      program: findProgram("erl")!,
      configure: (folder, port) => {
        const file = join(folder, "ejabberd.yml");
        writeFileSync(file, `${configuration(port).join("\n")}\n`, { mode: 0o600 });
        return {
          arguments: ["-noinput", "-mnesia", "dir", JSON.stringify(join(folder, "spool")), "-s", "ejabberd"],
          environment: {
            HOME: folder,
            ERL_LIBS: libraries,
            ERL_CRASH_DUMP_BYTES: "0",
            EJABBERD_CONFIG_PATH: file,
            EJABBERD_LOG_PATH: join(folder, "ejabberd.log"),
          },
        };
      },
      ready: /Start accepting TCP connections at \S+ for mod_mqtt/,
      startTime: 30_000,
      stopTime: 10_000,
    });
    await this.#server.start();
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }
}

function configuration(port: number): string[] {
  return [
    "hosts: [localhost]",
    "loglevel: info",
    "listen:",
    `  - { ip: "${loopback}", port: ${port}, module: mod_mqtt }`,
    "auth_method: anonymous",
    "anonymous_protocol: login_anon",
    "allow_multiple_connections: true",
    "modules:",
    "  mod_mqtt:",
    // One rule that allows is enough: the forbidden topic is the only one that none of them matches.
    "    access_subscribe:",
    '      "+": [{ allow: all }]',
    '      "+/+": [{ allow: all }]',
    "    access_publish:",
    '      "#": [{ allow: all }]',
  ];
}
