/** The storm over a real broker: real sockets, cut at bytes that follow from the seed; what time does to them does not. */
import { setTimeout as wait } from "node:timers/promises";
import mqtt, { type MqttClient } from "mqtt";
import { createTCP } from "../../hosts/node/tcp.js";
import { SimulatedNetwork } from "../../hosts/node/network.js";
import { SystemClock } from "../../hosts/node/clock.js";
import { PlainMosquitto } from "../../tools/brokers/index.js";
import { BrokerConduct } from "./broker-conduct.js";
import { CuttingProxy } from "./cutting-proxy.js";
import type { Damage } from "./damage.js";
import { StormDevice } from "./device.js";
import { ChanceFate } from "./fate.js";
import { InboundLedger } from "./inbound-ledger.js";
import { type LegResult, legName, resultOf } from "./leg.js";
import { type Assured, decode, encode } from "./numbered.js";
import { OutboundLedger } from "./outbound-ledger.js";
import { Random } from "./random.js";
import { Violations } from "./violations.js";

/** For `PlainMosquitto`: with a limit of its own, Mosquitto 2.0.11 puts queued messages into a wrong order. */
export const brokerSettings = ["max_inflight_messages 0"];

export interface MosquittoLegOptions {
  readonly broker: PlainMosquitto;
  /** Of each QoS, each way. */
  readonly messages: number;
  readonly seed: number;
  readonly version: 4 | 5;
  readonly manual: boolean;
  readonly damage?: Damage | undefined;
}

/** Milliseconds without any progress after which the storm gives up. */
const patience = 20_000;

/** Bytes after which a connection is cut, on average. */
const bytesPerCut = 30_000;

/**
 * When a client with messages in flight comes back, Mosquitto 2.0.11 miscounts: it has been seen to have 156 under way where it was told 64, and 20 by
 * its own configuration. A session that insists would lose its connection again and again.
 */
const receiveMaximum = 1_000;

/** Inbound messages of each QoS that may be at the broker, which sends all of them again when the device comes back. */
const ahead = 30;

/** Publications of the peer that may be unacknowledged. */
const peerWindow = 20;

const assured = [1, 2] as const;

/** The other side, which no cut hits: a client of another make, subscriber and publisher. */
async function connectPeer(port: number): Promise<MqttClient> {
  return mqtt.connectAsync({
    protocol: "mqtt",
    host: "127.0.0.1",
    port,
    clientId: `storm-peer-${port}`,
    protocolVersion: 4,
    reconnectPeriod: 0,
  });
}

export async function mosquittoLeg(options: MosquittoLegOptions): Promise<LegResult> {
  const { broker, messages, seed, version, manual, damage } = options;
  const random = new Random(seed);
  const cutting = random.fork();
  const fate = new ChanceFate(random.fork());
  const violations = new Violations();
  const outbound = new OutboundLedger(violations, false);
  const inbound = new InboundLedger(violations, manual);
  const clock = new SystemClock();
  const network = new SimulatedNetwork();
  const conduct = new BrokerConduct(version, {
    repeated: (message) => inbound.excuseRepeated(message),
    early: (message) => inbound.excuseEarly(message),
  });
  const proxy = new CuttingProxy(
    broker.port,
    () => (fate.active ? { after: cutting.around(bytesPerCut), reset: cutting.chance(0.5) } : undefined),
    () => conduct.connection(),
  );
  await proxy.start();
  const peer = await connectPeer(broker.port);
  peer.on("message", (_topic, payload, { qos }) => outbound.deliver(decode(payload), qos));
  // Legs share the broker, which forgets nothing.
  const outboundTopic = `storm/${seed}/out`;
  const inboundTopic = `storm/${seed}/in`;
  await peer.subscribeAsync(`${outboundTopic}/#`, { qos: 2 });
  const device = new StormDevice({
    world: {
      timer: clock.timer,
      ticks: () => clock.ticks(),
      address: "127.0.0.1",
      port: proxy.port,
      io: createTCP(network),
      vanish: () => {
        network.set(false);
        network.set(true);
      },
    },
    clientIdentifier: `storm-${seed}`,
    outboundTopic,
    inboundTopic,
    version,
    manual,
    receiveMaximum,
    random,
    fate,
    outbound,
    inbound,
    violations,
    damage,
  });
  let failure: Error | undefined;
  let publishing = 0;
  peer.once("close", () => (failure ??= new Error("its connection ended.")));
  const feed = (qos: Assured): void => {
    for (let i = random.below(20); i > 0 && inbound.published(qos) < messages; i--) {
      if (inbound.published(qos) - inbound.recorded(qos) >= ahead) return;
      if (publishing >= peerWindow) return;
      const message = { qos, number: inbound.published(qos) + 1 };
      inbound.publish(message);
      publishing++;
      peer.publish(`${inboundTopic}/${qos}`, Buffer.from(encode(message)), { qos }, (error) => {
        publishing--;
        if (error) failure = error;
      });
    }
  };
  const revive = (): void => {
    if (!device.alive) device.boot();
    device.connect(random.chance(0.5));
  };
  const until = async (done: () => boolean, work: () => void): Promise<void> => {
    // Power that fails again and again is no progress.
    let before = "";
    let since = Date.now();
    while (!done() && violations.count === 0 && failure === undefined) {
      revive();
      work();
      await wait(1);
      const progress = assured.map((qos) => `${outbound.delivered(qos)} ${inbound.recorded(qos)}`).join(" ");
      if (progress !== before) since = Date.now();
      before = progress;
      if (Date.now() - since > patience) violations.add(`Nothing goes on: ${device.state}.`);
    }
  };
  try {
    fate.active = true;
    await until(
      () => device.subscribed,
      () => undefined,
    );
    await until(
      () => assured.every((qos) => outbound.delivered(qos) === messages && inbound.recorded(qos) === messages),
      () => {
        for (const qos of assured) {
          device.publish(qos, random.below(20), messages);
          feed(qos);
        }
        device.acknowledge(random.below(40));
        if (random.chance(0.02)) device.toggleSubscription();
        if (random.chance(0.01)) device.crash();
      },
    );
    fate.active = false;
    await until(
      () => device.idle,
      () => device.acknowledge(1_000),
    );
    // One too many would come right behind.
    await wait(100);
    if (failure) violations.add(`The other side failed: ${failure.message}`);
    if (device.leftovers > 0) violations.add(`${device.leftovers} acknowledged publications are still in storage.`);
    outbound.finish();
    inbound.finish();
  } finally {
    device.close();
    peer.removeAllListeners("close");
    await peer.endAsync(true);
    await proxy.stop();
  }
  return resultOf(legName(broker.name, version, manual), {
    outbound,
    inbound,
    device,
    cuts: proxy.cuts,
    fate,
    violations,
    real: true,
  });
}
