/** The publisher on XS. */
import { createPlatform } from "../../hosts/xs/index.js";
import { argument, cpu } from "../../hosts/xs/native/system.js";
import { measurePublishing } from "./publisher.js";

const platform = createPlatform({ folder: argument(0)! });
const [port, qos, messages, warmup] = [1, 2, 3, 4].map((index) => Number(argument(index)));
const result = await measurePublishing({
  platform,
  cpu,
  port: port!,
  qos: qos as 0 | 1,
  messages: messages!,
  warmup: warmup!,
});
platform.log(JSON.stringify(result));
