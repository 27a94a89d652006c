/** The storm over a broker in this process: every byte, cut and loss of power follows from the seed. */
import { BrokerModel } from "../support/broker-model.js";
import { ManualTime } from "../support/manual-time.js";
import { MemoryNetwork } from "../support/memory-network.js";
import type { Damage } from "./damage.js";
import { type StormWorld, StormDevice } from "./device.js";
import { ChanceFate } from "./fate.js";
import { InboundLedger } from "./inbound-ledger.js";
import { type LegResult, legName, resultOf } from "./leg.js";
import { decode, encode } from "./numbered.js";
import { OutboundLedger } from "./outbound-ledger.js";
import { Random } from "./random.js";
import { Violations } from "./violations.js";

export interface ModelLegOptions {
  /** Of each QoS, each way. */
  readonly messages: number;
  readonly seed: number;
  readonly version: 4 | 5;
  readonly manual: boolean;
  readonly damage?: Damage | undefined;
}

const outboundTopic = "storm/out";
const inboundTopic = "storm/in";

/** Rounds without any progress after which the storm gives up. */
const patience = 200;

/** Bytes after which a connection is cut, on average. */
const bytesPerCut = 6_000;

export async function modelLeg({ messages, seed, version, manual, damage }: ModelLegOptions): Promise<LegResult> {
  const random = new Random(seed);
  const cutting = random.fork();
  const fate = new ChanceFate(random.fork());
  const violations = new Violations();
  const outbound = new OutboundLedger(violations, true);
  const inbound = new InboundLedger(violations, manual);
  const broker = new BrokerModel();
  const network = new MemoryNetwork(broker.accept);
  const time = new ManualTime();
  let seen = 0;
  /** Takes over what the broker has handed to its subscribers. */
  const collect = (): void => {
    for (const { topic, payload, qos } of broker.published.slice(seen))
      if (topic.startsWith(outboundTopic)) outbound.deliver(decode(payload), qos);
    seen = broker.published.length;
    broker.seen.length = 0;
  };
  const world: StormWorld = {
    timer: time.timer,
    ticks: time.ticks,
    address: "192.0.2.1",
    port: 1883,
    io: network.socket.io,
    vanish: () => network.crash(),
  };
  broker.onRoute = collect;
  network.chunk = () => 1 + cutting.around(cutting.chance(0.5) ? 20 : 700);
  const device = new StormDevice({
    world,
    clientIdentifier: "storm",
    outboundTopic,
    inboundTopic,
    version,
    manual,
    random,
    fate,
    outbound,
    inbound,
    violations,
    damage,
  });
  const storming = (storm: boolean): void => {
    fate.active = storm;
    network.cutAfter = storm ? () => cutting.around(bytesPerCut) : undefined;
  };
  const round = async (): Promise<void> => {
    if (!device.alive) device.boot();
    if (device.offline) {
      // Of each connection, from one that takes hardly a packet at a time to one that takes many.
      network.capacity = 64 + cutting.below(4_000);
      device.connect(random.chance(0.5));
    }
    await network.run();
  };
  storming(true);
  while (!device.subscribed) await round();
  for (let stuck = 0, before = ""; stuck < patience;) {
    const finished = [1, 2].every(
      (qos) => outbound.delivered(qos as 1 | 2) === messages && inbound.recorded(qos as 1 | 2) === messages,
    );
    if (finished || violations.count > 0) break;
    for (const qos of random.chance(0.5) ? ([1, 2] as const) : ([2, 1] as const)) {
      device.publish(qos, random.below(20), messages);
      for (let i = random.below(20); i > 0 && inbound.published(qos) < messages; i--) {
        if (inbound.published(qos) - inbound.recorded(qos) > 60) break;
        const message = { qos, number: inbound.published(qos) + 1 };
        inbound.publish(message);
        broker.publish(`${inboundTopic}/${qos}`, encode(message), qos);
      }
    }
    device.acknowledge(random.below(40));
    if (random.chance(0.05)) device.toggleSubscription();
    if (random.chance(0.05)) network.cut();
    // A receive maximum that changes from connection to connection is written down.
    if (random.chance(0.05)) broker.connackProperties = Uint8Array.of(0x21, 0, 5 + random.below(30));
    if (random.chance(0.01)) device.crash();
    await round();
    const progress = `${outbound.delivered(1)} ${outbound.delivered(2)} ${inbound.recorded(1)} ${inbound.recorded(2)}`;
    stuck = progress === before ? stuck + 1 : 0;
    before = progress;
    if (stuck === patience) violations.add(`Nothing goes on: ${device.state}.`);
  }
  // The weather clears: what is under way comes to its end.
  storming(false);
  for (let i = 0; i < 20 && violations.count === 0; i++) {
    await round();
    device.acknowledge(1_000);
  }
  collect();
  if (!device.idle) violations.add(`The session has not come to rest: ${device.state}.`);
  if (device.leftovers > 0) violations.add(`${device.leftovers} acknowledged publications are still in storage.`);
  outbound.finish();
  inbound.finish();
  device.close();
  await network.run();
  return resultOf(legName("broker model", version, manual), {
    outbound,
    inbound,
    device,
    cuts: device.disconnects,
    fate,
    violations,
    real: false,
  });
}
