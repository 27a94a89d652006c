/**
 * A command receiver: it keeps its link up, does what it is told, and answers. It may do no more than its permissions say, keeps a log that survives a restart, and
 * reports its health. Commands and answers are sealed end to end: the broker can neither read them nor give commands of its own, and a command
 * that is repeated is not done twice.
 */
import { Device } from "sealwire";
import { platform } from "sealwire/host";
import { line, Monitor, plain } from "sealwire/monitor";
import { Permissions } from "sealwire/permissions";
import { Sealing } from "sealwire/sealing";

const monitor = new Monitor({
  onLine: ({ level, text }) => platform.log(`${level}: ${text}`),
  health: { interval: 3_600_000 },
});

const device = new Device({
  platform,
  monitor,
  sealing: new Sealing(),
  permissions: new Permissions([
    { topic: "%c/commands/+", operation: "subscribe" },
    { topic: "%c/answers/+", operation: "publish" },
    { topic: "%c/health", operation: "publish" },
  ]),
  will: { topic: "%c/answers/offline", QoS: 1 },
});

const commands: Record<string, (argument: string) => string> = {
  echo: (argument) => argument,
  uptime: () => String(Math.round(platform.ticks())),
  wake: () => platform.wakeCause,
};

// Before start(): commands that came while the device was away are delivered with the connection.
const subscribed = device.subscribe(
  "%c/commands/+",
  async ({ topic, payload }) => {
    const name = topic.slice(topic.lastIndexOf("/") + 1);
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    monitor.log("info", () => line`command ${plain(name)}, known ${command !== undefined}`);
    const argument = String.fromCharCode(...payload.subarray(0, 64));
    await device.publish(`%c/answers/${name}`, command ? command(argument) : "unknown command", { qos: 1, seal: true });
  },
  { qos: 1, sealed: true },
);

await device.start();
await subscribed;
platform.log(`${device.clientIdentifier} waits for commands`);
