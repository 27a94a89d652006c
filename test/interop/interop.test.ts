/**
 * One suite for every broker and each version that it speaks: aedes and Mosquitto, RabbitMQ and ejabberd where they are installed.
 * SEALWIRE_BROKERS=all makes a missing one a failure.
 */
import assert from "node:assert/strict";
import { freePort } from "../../tools/brokers/index.js";
import type { BrokerUnderTest, Subject } from "./broker-under-test.js";
import { available, brokers } from "./brokers.js";
import { clientCases } from "./client-cases.js";
import { options, run } from "./client-run.js";
import { connectionCases } from "./connection-cases.js";
import { sessionCases } from "./session-cases.js";
import { version5Cases } from "./version5-cases.js";

describe("Interoperability", () => {
  const running = new Map<string, { readonly broker: BrokerUnderTest; readonly started: Promise<void> }>();

  before(() => {
    // All at once: the slow ones start while the quick ones are tested.
    for (const { name, make, installed } of brokers) {
      if (!installed()) continue;
      const broker = make();
      const started = broker.start();
      // Reported where it is waited for.
      started.catch(() => undefined);
      running.set(name, { broker, started });
    }
  });
  after(async function () {
    this.timeout(20_000);
    await Promise.all([...running.values()].map(({ broker }) => broker.stop()));
  });

  for (const entry of brokers) {
    const { name, install, login } = entry;
    const versions = entry.versions.map(([version]) => version);
    for (const [version, traits] of entry.versions)
      describe(`${name}, MQTT ${version === 4 ? "3.1.1" : "5.0"}`, function () {
        before(`starts ${name}, which you get so: ${install}`, async function () {
          this.timeout(60_000);
          if (!available(entry)) {
            console.log(`      ${name} is not installed: ${install}.`);
            this.skip();
          }
          await running.get(name)!.started;
        });

        const subject: Subject = { version, versions, traits, login, port: () => running.get(name)!.broker.port };
        connectionCases(subject);
        clientCases(subject);
        sessionCases(subject);
        if (version === 5) version5Cases(subject);
      });
  }

  it("reports a port at which nobody listens", async () => {
    const port = await freePort();
    await assert.rejects(
      run(options({ port: () => port, version: 4, login: undefined }), () => undefined),
      { code: "CONNECTION_REFUSED" },
    );
  });
});
