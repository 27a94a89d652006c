/**
 * Apps that were written for the SDK's own MQTT clients, on Sealwire's: the ECMA-419 one and the classic `mqtt`, each over plain TCP and
 * over TLS with the device's own certificate.
 */
import { join } from "node:path";
import { PlainMosquitto } from "../../tools/brokers/index.js";
import { Cleanup } from "../../tools/cleanup.js";
import { packageFolder } from "../../tools/paths.js";
import { type CheckContext, want } from "./check-step.js";
import { runApp } from "../../tools/moddable/runner.js";
import { buildApp } from "../../tools/moddable/sdk.js";
import { openWorld } from "../../tools/moddable/world.js";

const timeout = 30_000;

const expected: Readonly<Record<string, readonly string[]>> = {
  "ecma-419": [
    "SUBACK 2,0",
    "UNSUBACK",
    "PINGRESP",
    "PUBCOMP",
    "PUBACK 1234",
    "small SMALL",
    "empty 0",
    "large 16387, topics 1",
    "all there",
  ],
  classic: [
    "not yet connected",
    "drop/text: temperature 21 \u00b0C",
    "drop/number: 42",
    "drop/empty: ",
    "drop/large: 6000",
    "ready again",
    "closed by the broker",
    "all there",
  ],
};

export async function checkDropIn(context: CheckContext): Promise<void> {
  for (const name of Object.keys(expected)) {
    const manifest = join(packageFolder, "test", "moddable", name, "manifest.json");
    const { app, seconds } = await buildApp(context.sdk, { manifest, output: context.output, debug: false });
    context.say(`  ${name}: built in ${seconds.toFixed(0)} s`);
    for (const scheme of ["mqtt", "mqtts"] as const) await tryApp(context, name, app, scheme);
  }
}

async function tryApp(
  { program, say }: CheckContext,
  name: string,
  app: string,
  scheme: "mqtt" | "mqtts",
): Promise<void> {
  const cleanup = new Cleanup();
  try {
    const { folder, port, identifier } = await (scheme === "mqtt" ? openPlain : openSecure)(cleanup);
    const environment = {
      BROKER_SCHEME: scheme,
      BROKER_PORT: String(port),
      ...(identifier && { CLIENT_ID: identifier }),
    };
    const { exitCode, lines } = await runApp(program, app, { folder, environment, timeout });
    const missing = expected[name]!.filter((line) => !lines.includes(line));
    want(
      exitCode === 0 && missing.length === 0,
      `${name} over ${scheme} ended with ${exitCode}, and did not say ${JSON.stringify(missing)}:`,
      lines,
    );
    say(`    ${scheme}: everything came back`);
  } finally {
    await cleanup.run();
  }
}

interface Place {
  readonly folder: string;
  readonly port: number;
  readonly identifier?: string;
}

async function openPlain(cleanup: Cleanup): Promise<Place> {
  const broker = new PlainMosquitto({});
  cleanup.add(() => broker.stop());
  await broker.start();
  return { folder: cleanup.temporaryFolder("sealwire-device-"), port: broker.port };
}

async function openSecure(cleanup: Cleanup): Promise<Place> {
  const { broker, folder, clientIdentifier } = await openWorld(cleanup, { minimum: "TLSv1.2", maximum: "TLSv1.2" });
  return { folder, port: broker.port, identifier: clientIdentifier };
}
