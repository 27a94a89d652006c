/** What a device does in one wake: it connects, publishes a few readings, and sleeps. */
import { clientIdentifier } from "sealwire/identity";
import { MQTTSession } from "sealwire/mqtt";
import type { Platform } from "sealwire/platform";

export interface Broker {
  readonly host: string;
  readonly port: number;
}

export interface Schedule {
  readonly readings: number;
  /** Milliseconds between two readings. */
  readonly period: number;
  /** Milliseconds. */
  readonly sleep: number;
  /** The longest pause before it connects again, in milliseconds: spread, so that a fleet does not come back at once. */
  readonly retry: number;
}

export async function telemetry(platform: Platform, broker: Broker, schedule: Schedule): Promise<void> {
  const identifier = clientIdentifier(platform.mac());
  let done = false;
  const connect = (): void =>
    session.connect({ ...broker, dns: { io: platform.resolver }, socket: { io: platform.tcp } });
  const session = new MQTTSession({
    clientIdentifier: identifier,
    timer: platform.timer,
    ticks: () => platform.ticks(),
    // A reading that was handed over survives a power cut until the broker has it.
    durability: "power",
    storage: platform.storage,
    onDisconnected: (cause) => {
      if (done) return;
      platform.log(`disconnected: ${cause?.message ?? "closed"}`);
      platform.timer.set(connect, Math.random() * schedule.retry);
    },
    onError: (error) => platform.log(`${error.code}: ${error.message}`),
  });
  platform.log(`${identifier} starts (${platform.wakeCause})`);
  connect();
  for (let count = 1; count <= schedule.readings; count++) {
    const reading = { count, uptime: Math.round(platform.ticks()) };
    await session.publish(`${identifier}/telemetry`, JSON.stringify(reading), { qos: 1 });
    await new Promise<void>((resolve) => void platform.timer.set(resolve, schedule.period));
  }
  done = true;
  await session.disconnect();
  session.close();
  platform.log(`sleeps for ${schedule.sleep} ms`);
  platform.sleep(schedule.sleep);
}
