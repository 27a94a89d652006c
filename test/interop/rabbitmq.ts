/** The RabbitMQ that is installed on this machine, over plain TCP, with an epmd, a node name and data of its own. */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram, freePort, loopback, programFolders, ServerProcess } from "../../tools/brokers/index.js";
import { FORBIDDEN_TOPIC, type BrokerUnderTest } from "./broker-under-test.js";

/** The program itself comes first: what Debian has in /usr/sbin changes to the user of the service. */
const folders = ["/usr/lib/rabbitmq/bin", ...programFolders()];

export class RabbitMQ implements BrokerUnderTest {
  #epmd: ServerProcess | undefined;
  #server: ServerProcess | undefined;

  static installed(): boolean {
    return findProgram("rabbitmq-server", folders) !== undefined && findProgram("epmd") !== undefined;
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  async start(): Promise<void> {
    // Without one of our own, RabbitMQ would start one that outlives it.
    this.#epmd = new ServerProcess({
      name: "epmd",
      program: findProgram("epmd")!,
      configure: (_, port) => ({ arguments: ["-d", "-port", `${port}`, "-address", loopback] }),
      ready: /epmd running/,
    });
    await this.#epmd.start();
    const epmdPort = this.#epmd.port;
    this.#server = new ServerProcess({
      name: "RabbitMQ",
      program: findProgram("rabbitmq-server", folders)!,
      configure: async (folder, port) => ({
        arguments: [],
        environment: configure(folder, port, epmdPort, await freePort()),
      }),
      ready: /Server startup complete/,
      // It waits 3 to 6 s for other nodes of a cluster.
      startTime: 50_000,
      stopTime: 10_000,
    });
    await this.#server.start();
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    await this.#epmd?.stop();
  }
}

/** Writes the configuration into a folder. @returns the environment that makes RabbitMQ use nothing outside it */
function configure(folder: string, port: number, epmdPort: number, distributionPort: number): Record<string, string> {
  const write = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const salt = Buffer.alloc(4);
  const user = "device";
  const definitions = {
    users: [
      {
        name: user,
        password_hash: Buffer.concat([salt, createHash("sha256").update(salt).update(user).digest()]).toString(
          "base64",
        ),
        hashing_algorithm: "rabbit_password_hashing_sha256",
        tags: [],
      },
    ],
    vhosts: [{ name: "/" }],
    permissions: [{ user, vhost: "/", configure: ".*", write: ".*", read: ".*" }],
    topic_permissions: [
      {
        user,
        vhost: "/",
        exchange: "amq.topic",
        write: ".*",
        read: `^(?!${FORBIDDEN_TOPIC.replaceAll("/", "[.]")}$).*`,
      },
    ],
  };
  const settings = [
    "listeners.tcp = none",
    `mqtt.listeners.tcp.default = ${loopback}:${port}`,
    "mqtt.allow_anonymous = true",
    // The one whom clients without a name are.
    `mqtt.default_user = ${user}`,
    `mqtt.default_pass = ${user}`,
    `load_definitions = ${write("definitions.json", JSON.stringify(definitions))}`,
    "log.console = true",
    "log.file = false",
  ];
  return {
    HOME: folder,
    ERL_EPMD_PORT: `${epmdPort}`,
    RABBITMQ_NODENAME: `sealwire-${port}@localhost`,
    RABBITMQ_DIST_PORT: `${distributionPort}`,
    RABBITMQ_CONFIG_FILE: write("rabbitmq.conf", `${settings.join("\n")}\n`),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, "advanced.config"),
    RABBITMQ_CONF_ENV_FILE: join(folder, "rabbitmq-env.conf"),
    RABBITMQ_ENABLED_PLUGINS_FILE: write("enabled_plugins", "[rabbitmq_mqtt].\n"),
    RABBITMQ_FEATURE_FLAGS_FILE: join(folder, "feature_flags"),
    RABBITMQ_MNESIA_BASE: join(folder, "mnesia"),
    RABBITMQ_LOG_BASE: join(folder, "log"),
    RABBITMQ_PID_FILE: join(folder, "pid"),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `-noinput -kernel inet_dist_use_interface {${loopback.replaceAll(".", ",")}}`,
    // The process that is started is then the Erlang machine, not a shell that starts it.
    RABBITMQ_ALLOW_INPUT: "true",
  };
}
