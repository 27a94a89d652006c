/** The legs of the storm against the installed Mosquitto: real connections, cut at random bytes, and a device that loses its power. */
import { connectAsync, type MqttClient } from "mqtt";
import { SimulatedNetwork } from "../../hosts/node/network.js";
import { createTCP } from "../../hosts/node/tcp.js";
import { fromUTF8 } from "../../src/bytes.js";
import { SealwireError } from "../../src/errors.js";
import { MQTTSession, type SessionMessage, type SessionOptions } from "../../src/mqtt/index.js";
import type { BufferLike, TransportConstructor, TransportOptions } from "../../src/platform.js";
import { PlainMosquitto } from "../../tools/brokers/index.js";
import { Flash } from "../support/session-world.js";
import { compare, emptyCounts, type Counts } from "./counts.js";
import type { Version } from "./model.js";
import type { Random } from "./random.js";

/** Cuts that each leg aims at, at least. */
const CUTS = 600;
/** Milliseconds without progress after which a leg is given up. */
const PATIENCE = 20_000;

const timer = {
  set: (callback: () => void, milliseconds: number) => setTimeout(callback, milliseconds),
  clear: (handle: unknown) => clearTimeout(handle as NodeJS.Timeout | undefined),
};

function turn(milliseconds = 0): Promise<void> {
  return new Promise((resolve) => (milliseconds > 0 ? setTimeout(resolve, milliseconds) : setImmediate(resolve)));
}

/** A transport that is cut after so many bytes, of both directions together. */
function cutting(budget: () => number, onCut: () => void, isDead: () => boolean): TransportConstructor {
  const TCP = createTCP(new SimulatedNetwork());
  return class extends TCP {
    readonly #options: TransportOptions;
    #left = budget();
    #cut = false;

    constructor(options: TransportOptions) {
      super(options);
      this.#options = options;
    }

    override read(count?: number): ArrayBuffer | undefined;
    override read(buffer: BufferLike): number | undefined;
    override read(target?: number | BufferLike): ArrayBuffer | number | undefined {
      const result = typeof target === "object" ? super.read(target) : super.read(target);
      this.#spend(typeof result === "number" ? result : (result?.byteLength ?? 0));
      return result;
    }

    override write(buffer: BufferLike): number {
      // Power is gone: what the program does until it notices reaches nobody.
      if (isDead()) return 0;
      const bytes = buffer instanceof Uint8Array ? buffer : new Uint8Array(buffer);
      // The first bytes of a packet get through, the rest does not.
      const writable = super.write(bytes.subarray(0, Math.max(0, this.#left)));
      this.#spend(bytes.byteLength);
      return writable;
    }

    #spend(count: number): void {
      this.#left -= count;
      if (this.#left > 0 || this.#cut) return;
      this.#cut = true;
      onCut();
      setTimeout(() => {
        this.close();
        this.#options.onError?.(new SealwireError("CONNECTION_LOST", "The storm cut the connection."));
      }, 1);
    }
  };
}

/** A device whose flash outlives it. */
class Device {
  flash = new Flash();
  session!: MQTTSession;
  fallen = false;
  readonly #port: number;
  readonly #options: Partial<SessionOptions>;
  readonly #counts: Counts;
  readonly #random: Random;
  readonly #averageBytes: number;

  constructor(port: number, counts: Counts, random: Random, averageBytes: number, options: Partial<SessionOptions>) {
    this.#port = port;
    this.#counts = counts;
    this.#random = random;
    this.#averageBytes = averageBytes;
    this.#options = options;
  }

  /** Begins a life; power fails at a write that is drawn now. */
  start(): void {
    const random = this.#random;
    const { flash } = this;
    this.fallen = false;
    const place = random.pick(["before a write", "after a write"]);
    flash.cutIn = random.integer(1, 400);
    flash.cutAfterWrite = place === "after a write";
    flash.onPowerLoss = () => {
      this.fallen = true;
      this.#counts.crashes[place] = (this.#counts.crashes[place] ?? 0) + 1;
    };
    this.session = new MQTTSession({
      clientIdentifier: "device",
      timer,
      ticks: () => performance.now(),
      durability: "power",
      storage: flash,
      queue: { messages: 60, bytes: 100_000 },
      ...this.#options,
    });
  }

  connect(): void {
    const { flash } = this;
    const io = cutting(
      () => this.#random.integer(1, 2 * this.#averageBytes),
      () => this.#counts.cuts++,
      () => flash.dead,
    );
    this.session.connect({ address: "127.0.0.1", port: this.#port, socket: { io, noDelay: true } });
  }

  /** The power has failed: what is in memory is gone. */
  bury(): void {
    this.flash.die();
    this.session.close();
    this.flash = new Flash(new Map(this.flash.values));
  }

  stored(): number {
    let count = 0;
    for (const key of this.flash.values.keys()) if (key.startsWith("sw.mq.o")) count++;
    return count;
  }
}

/** Lets the device live until `act` says that all is done. */
async function run(device: Device, act: () => boolean, progress: () => number): Promise<void> {
  let last = -1;
  let since = performance.now();
  device.start();
  for (;;) {
    await turn();
    if (progress() !== last) [last, since] = [progress(), performance.now()];
    if (performance.now() - since > PATIENCE) throw new Error(`no progress since ${last}`);
    if (device.fallen) {
      device.bury();
      device.start();
      continue;
    }
    if (!device.session.connected) {
      if (!device.session.connecting) device.connect();
      await turn(1);
      continue;
    }
    if (act()) break;
  }
  device.bury();
}

async function withMosquitto(leg: (port: number, peer: MqttClient) => Promise<Counts>): Promise<Counts> {
  const broker = new PlainMosquitto({ persistence: true, settings: ["set_tcp_nodelay true"] });
  await broker.start();
  const peer = await connectAsync({ host: "127.0.0.1", port: broker.port, clientId: "peer", clean: false });
  try {
    return await leg(broker.port, peer);
  } finally {
    await peer.endAsync(true);
    await broker.stop();
  }
}

function outbound(qos: 1 | 2, version: Version, messages: number, random: Random): Promise<Counts> {
  const counts = emptyCounts(`Mosquitto, outbound, QoS ${qos}, MQTT ${version}`, messages);
  return withMosquitto(async (port, peer) => {
    const arrived: number[] = [];
    peer.on("message", (_, payload) => arrived.push(Number(payload.toString())));
    await peer.subscribeAsync("out", { qos: 2 });
    const stored: number[] = [];
    let next = 0;
    const device = new Device(port, counts, random, Math.max(400, Math.ceil((messages * 30 * qos) / CUTS)), {
      version,
    });
    const act = (): boolean => {
      while (next < messages && device.session.pending.messages < 50 && !device.fallen) {
        const before = device.stored();
        device.session.publish("out", `${next}`, { qos }).catch(() => undefined);
        if (device.stored() > before) stored.push(next);
        next++;
      }
      return next >= messages && device.session.pending.messages === 0;
    };
    await run(device, act, () => arrived.length);
    await settle(() => new Set(arrived).size >= stored.length);
    compare(counts, stored, arrived);
    if (qos === 2) counts.wrongRepeats += counts.repeats;
    return { ...counts, messages: stored.length };
  });
}

function inbound(qos: 1 | 2, version: Version, manual: boolean, messages: number, random: Random): Promise<Counts> {
  const name = manual ? "manual" : "plain callback";
  const counts = emptyCounts(`Mosquitto, inbound, QoS ${qos}, MQTT ${version}, ${name}`, messages);
  return withMosquitto(async (port, peer) => {
    const handled: number[] = [];
    const known = new Set<number>();
    let repeatable = 0;
    const onMessage = (message: SessionMessage): void => {
      if (device.fallen) return;
      const number = Number(fromUTF8(message.payload));
      const repeated = known.has(number);
      if (repeated && !message.redelivered) counts.wrongRepeats++;
      if (!manual || !repeated) handled.push(number);
      known.add(number);
      if (random.chance(0.002)) {
        // Power fails within the callback, after its effect.
        repeatable++;
        device.fallen = true;
        device.flash.die();
        counts.crashes["in a callback"] = (counts.crashes["in a callback"] ?? 0) + 1;
        throw new Error("the power failed");
      }
      if (manual) message.acknowledge();
    };
    const options: Partial<SessionOptions> = { version, acknowledge: manual ? "manual" : "auto", onMessage };
    const device = new Device(port, counts, random, Math.max(400, Math.ceil((messages * 60 * qos) / CUTS)), options);
    let published = 0;
    /** Over 3.1.1 Mosquitto 2.0.11 drops QoS 2 messages of a client that has more than 20 under way; MQTT.js has no window. */
    let unacknowledged = 0;
    let subscribed = false;
    const act = (): boolean => {
      if (!subscribed)
        device.session.subscribe("in", { qos }).then(
          () => (subscribed = true),
          () => undefined,
        );
      while (subscribed && published < messages && published < known.size + 100 && unacknowledged < 15) {
        unacknowledged++;
        peer.publish("in", `${published++}`, { qos }, () => unacknowledged--);
      }
      return known.size >= messages && device.session.pending.inbound === 0;
    };
    await run(device, act, () => known.size);
    compare(
      counts,
      Array.from({ length: messages }, (_, i) => i),
      handled,
    );
    if (manual) counts.wrongRepeats += counts.repeats;
    // One message at most is between its callback and its mark when power fails at a write.
    else if (qos === 2) counts.wrongRepeats += Math.max(0, counts.repeats - repeatable - crashesIn(counts));
    return counts;
  });
}

function crashesIn({ crashes }: Counts): number {
  return (crashes["before a write"] ?? 0) + (crashes["after a write"] ?? 0);
}

/** Waits for what is still on its way. */
async function settle(done: () => boolean): Promise<void> {
  for (const end = performance.now() + 5000; !done() && performance.now() < end;) await turn(5);
  await turn(50);
}

export function mosquittoLegs(messages: number): ((random: Random) => Promise<Counts>)[] {
  return [
    (random) => outbound(1, 4, messages, random),
    (random) => outbound(2, 5, messages, random),
    (random) => inbound(1, 5, true, messages, random),
    (random) => inbound(2, 4, false, messages, random),
    (random) => inbound(2, 5, true, messages, random),
  ];
}
