/*
 * Written for the classic module `mqtt` of the Moddable SDK, in the style of its examples: nothing of Sealwire but where the broker is.
 * Two lives of a connection: the first is closed here, the second by the broker, when it takes over the client identifier.
 */
import Client from "mqtt";
import Timer from "timer";
import { environment, exit } from "sealwire/hosts/simulator/native/desktop";

const secure = environment("BROKER_SCHEME") === "mqtts";
const options = {
  host: "localhost",
  port: Number(environment("BROKER_PORT")),
  id: environment("CLIENT_ID") ?? "classic",
  timeout: 60_000,
  will: { topic: "drop/will", message: "gone", retain: false },
  ...(secure && { secure: {} }),
};

const seen = new Set();
function note(what) {
  trace(`${what}\n`);
  seen.add(what);
  if (seen.size === 5) first.unsubscribe("drop/text");
  if (seen.size === 5) again();
}

const first = new Client(options);
try {
  first.publish("drop/early", "too early");
} catch {
  note("not yet connected");
}
first.onReady = function () {
  this.subscribe("drop/text");
  this.subscribe("drop/number");
  this.subscribe("drop/large");
  this.subscribe("drop/empty");
  this.timer = Timer.set(() => {
    this.publish("drop/text", "temperature 21 \u00b0C", { quality: 1 });
    this.publish("drop/number", 42);
    this.publish("drop/empty", "");
    this.publish("drop/large", new ArrayBuffer(6000));
  }, 100);
};
first.onMessage = (topic, body) =>
  note(`${topic}: ${body.byteLength > 100 ? body.byteLength : String.fromArrayBuffer(body)}`);
first.onClose = () => {
  trace("lost the first\n");
  exit(1);
};

function again() {
  first.close();
  class Second extends Client {
    onReady() {
      trace("ready again\n");
      // Whoever connects with the same name takes over.
      new Client(options).onReady = () => trace("taken over\n");
    }
    onClose() {
      trace("closed by the broker\nall there\n");
      Timer.set(() => exit(0), 50);
    }
  }
  Timer.set(() => new Second(options), 100);
}
