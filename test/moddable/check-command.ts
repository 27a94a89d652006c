/** The command line of `npm run check:moddable`. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { TLSVersion } from "../../src/platform.js";
import { Cleanup } from "../cleanup.js";
import { packageFolder } from "../paths.js";
import { checkNatives } from "./natives.js";
import { deviceExit, headlessRunner, runApp } from "./runner.js";
import { type AppBuild, buildApp, findSDK, installSDK, type SDK, versionOf } from "./sdk.js";
import { roomSizes } from "./sizes.js";
import { openWorld } from "./world.js";

const lives = 3;
const lifeTimeout = 30_000;

const say = (line: string): void => console.log(line);

/** The firmware apps with a manifest of their own. */
function examples(): string[] {
  const folder = join(packageFolder, "examples");
  return readdirSync(folder).filter((name) => existsSync(join(folder, name, "manifest.json")));
}

/** A device that sleeps: a full handshake in its first life, resumption in those after. */
async function tryAsleep(program: string, { app }: AppBuild, version: TLSVersion): Promise<void> {
  const cleanup = new Cleanup();
  try {
    const world = await openWorld(cleanup, { minimum: version, maximum: version });
    for (let life = 1; life <= lives; life++) {
      const begin = performance.now();
      const { exitCode, lines } = await runApp(program, app, { folder: world.folder, timeout: lifeTimeout });
      const connected = lines.find((line) => line.startsWith("connected: "));
      const expected = `connected: ${version}, ${life === 1 ? "full handshake" : "resumed"}`;
      if (exitCode !== deviceExit.sleep || connected !== expected)
        throw new Error(
          `life ${life} ended with ${exitCode}, and did not say "${expected}":\n${[...lines, ...world.log.slice(-8)].join("\n")}`,
        );
      say(`    life ${life}: ${connected}, asleep after ${Math.round(performance.now() - begin)} ms`);
    }
    const accepted = world.log.filter((line) => line.includes(`as ${world.clientIdentifier}`)).length;
    if (accepted < lives) throw new Error(`Mosquitto accepted ${accepted} connections of ${lives}.`);
  } finally {
    await cleanup.run();
  }
}

async function checkExample(sdk: SDK, program: string, name: string, output: string): Promise<AppBuild> {
  let release: AppBuild | undefined;
  for (const debug of [false, true]) {
    const manifest = join(packageFolder, "examples", name, "manifest.json");
    const build = await buildApp(sdk, { manifest, output, debug });
    say(`  ${name}, ${debug ? "debug" : "release"}: built in ${build.seconds.toFixed(0)} s`);
    if (!debug) release = build;
    // The system's Mbed TLS of Debian 12 has no TLS 1.3.
    if (sleepers.includes(name)) await tryAsleep(program, build, "TLSv1.2");
  }
  return release!;
}

/** Examples that end their lives asleep, and need nothing but a broker. */
const sleepers = ["telemetry", "deep-sleep"];

async function check(): Promise<void> {
  const sdk = findSDK();
  if (sdk === undefined) {
    say(`Skipped: ${installSDK}`);
    return;
  }
  const program = headlessRunner(sdk);
  say(`Moddable SDK ${versionOf(sdk)} in ${sdk.folder}`);
  const output =
    process.env["SEALWIRE_MODDABLE_OUTPUT"] ?? join(packageFolder, "node_modules/.cache/sealwire/moddable");
  const chosen = process.argv.slice(2);
  let sizes: AppBuild | undefined;
  for (const name of chosen.length > 0 ? chosen : examples()) {
    const build = await checkExample(sdk, program, name, output);
    sizes ??= build;
  }
  if (sizes) {
    say("Byte code in flash, by room:");
    for (const { room, modules, bytes } of roomSizes(sizes.modules))
      say(`  ${room.padEnd(20)} ${String(modules).padStart(3)} modules ${String(bytes).padStart(7)} bytes`);
  }
  say("Native code:");
  for (const line of await checkNatives(sdk)) say(`  ${line}`);
}

try {
  await check();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
