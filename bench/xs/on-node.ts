/** The publisher on Node. */
import { createPlatform } from "../../hosts/node/index.js";
import { measurePublishing } from "./publisher.js";

const platform = createPlatform({ folder: process.argv[2]! });
const [port, qos, messages, warmup] = process.argv.slice(3).map(Number);
const cpu = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const result = await measurePublishing({
  platform,
  cpu,
  port: port!,
  qos: qos as 0 | 1,
  messages: messages!,
  warmup: warmup!,
});
platform.log(JSON.stringify(result));
