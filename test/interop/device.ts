/** A device with a session of `src/mqtt` on the loopback interface. */
import assert from "node:assert/strict";
import { createTCP } from "../../hosts/node/tcp.js";
import { SimulatedNetwork } from "../../hosts/node/network.js";
import { MQTTSession, type SessionMessage, type SessionOptions } from "../../src/mqtt/index.js";
import type { Subject } from "./broker-under-test.js";

const timer = {
  set: (callback: () => void, milliseconds: number) => setTimeout(callback, milliseconds),
  clear: (handle: unknown) => clearTimeout(handle as NodeJS.Timeout | undefined),
};

/** A session that connects again at once, as often as it must. */
export class Device {
  readonly session: MQTTSession;
  readonly messages: SessionMessage[] = [];
  readonly versions: number[] = [];
  present: boolean[] = [];
  readonly network = new SimulatedNetwork();
  #stopped = false;

  constructor({ port, login }: Pick<Subject, "port" | "login">, options: Partial<SessionOptions>) {
    const connection = { address: "127.0.0.1", port: port(), socket: { io: createTCP(this.network) } };
    const session: MQTTSession = new MQTTSession({
      clientIdentifier: `device-${Math.random().toString(36).slice(2)}`,
      timer,
      ticks: () => performance.now(),
      onMessage: (message) => void this.messages.push(message),
      onVersion: (version) => void this.versions.push(version),
      onConnected: ({ sessionPresent }) => void this.present.push(sessionPresent),
      onDisconnected: () => {
        if (!this.#stopped) setTimeout(() => this.#stopped || session.connect(connection), 10);
      },
      ...login,
      ...options,
    });
    this.session = session;
    session.connect(connection);
  }

  texts(): string[] {
    return this.messages.map(({ payload }) => Buffer.from(payload).toString());
  }

  /** Pulls the cable and plugs it in again. */
  cut(): void {
    this.network.set(false);
    this.network.set(true);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.session.disconnect();
    this.session.close();
  }
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 5000; !condition();) {
    if (Date.now() > end) assert.fail(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
