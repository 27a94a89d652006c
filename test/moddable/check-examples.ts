/** Builds every firmware app of `examples/` for the desktop simulator, and runs those that need nothing but a broker. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { TLSVersion } from "../../src/platform.js";
import { Cleanup } from "../../tools/cleanup.js";
import { packageFolder } from "../../tools/paths.js";
import { type CheckContext, want } from "./check-step.js";
import { deviceExit, runApp } from "../../tools/moddable/runner.js";
import { type AppBuild, buildApp } from "../../tools/moddable/sdk.js";
import { includedRooms, optionalRooms } from "../../tools/rooms.js";
import { type RoomSize, roomSizes } from "../../tools/moddable/sizes.js";
import { openWorld } from "../../tools/moddable/world.js";

const lives = 3;
const lifeTimeout = 30_000;
/** The system's Mbed TLS of Debian 12 has no TLS 1.3. */
const version: TLSVersion = "TLSv1.2";

/** Of an ESP8266: a session with a client certificate in its ticket does not fit, and lies in flash. */
const smallMemory = 464;

/** Examples that end their lives asleep, and need nothing but a broker; how they say that they are connected. */
const sleepers: Readonly<Record<string, { full: RegExp; resumed: RegExp }>> = {
  telemetry: { full: /^connected: TLSv1\.2, full handshake$/, resumed: /^connected: TLSv1\.2, resumed$/ },
  sensor: { full: /^connected in \d+ ms, full handshake$/, resumed: /^connected in \d+ ms, resumed$/ },
};

/** The firmware apps with a manifest of their own. */
export function examples(): string[] {
  const folder = join(packageFolder, "examples");
  return readdirSync(folder).filter((name) => existsSync(join(folder, name, "manifest.json")));
}

/** @param chosen all when there are none */
export async function checkExamples(context: CheckContext, chosen: readonly string[] = []): Promise<void> {
  const { say, debug } = context;
  let sizes: AppBuild | undefined;
  for (const name of chosen.length > 0 ? chosen : examples()) {
    for (const forDebugging of debug ? [false, true] : [false]) {
      const manifest = join(packageFolder, "examples", name, "manifest.json");
      const build = await buildApp(context.sdk, { manifest, output: context.output, debug: forDebugging });
      say(`  ${name}, ${forDebugging ? "debug" : "release"}: built in ${build.seconds.toFixed(0)} s`);
      if (!forDebugging) checkRooms(manifest, roomSizes(build.modules), name);
      // The one with the most rooms.
      if (!forDebugging && (sizes === undefined || name === "commands")) sizes = build;
      if (!(name in sleepers)) continue;
      await tryAsleep(context, build, sleepers[name]!);
      if (name === "sensor") await tryAsleep(context, build, sleepers[name]!, smallMemory);
    }
  }
  if (sizes === undefined) return;
  say("  Byte code by room, in flash:");
  for (const { room, modules, bytes } of roomSizes(sizes.modules))
    say(
      `    ${room.padEnd(20)} ${String(modules).padStart(3)} modules ${bytes.toLocaleString("en").padStart(7)} bytes`,
    );
}

/** An app holds of the rooms with a manifest of their own those that it includes, and no others. */
function checkRooms(manifest: string, sizes: readonly RoomSize[], name: string): void {
  const included = includedRooms(manifest);
  for (const room of optionalRooms()) {
    const wanted = included.includes(room);
    const there = sizes.some((size) => size.room === room);
    want(there === wanted, `${name} ${there ? "holds" : "lacks"} the room ${room}.`, []);
  }
}

/** Files, when each was written, and how large it is. */
function contentOf(folder: string): string {
  const files = readdirSync(folder).map((name) => ({ name, stat: statSync(join(folder, name)) }));
  return files.map(({ name, stat }) => `${name} ${stat.mtimeMs} ${stat.size}`).join("\n");
}

/**
 * A device that sleeps: a full handshake in its first life, resumption in those after. A wake of the sensor writes nothing to storage.
 * @param retainedBytes of its retained memory
 */
async function tryAsleep(
  { program, say }: CheckContext,
  { app }: AppBuild,
  says: { full: RegExp; resumed: RegExp },
  retainedBytes?: number,
): Promise<void> {
  const cleanup = new Cleanup();
  try {
    const world = await openWorld(cleanup, { minimum: version, maximum: version });
    const settings = retainedBytes === undefined ? {} : { retainedBytes };
    let stored = "";
    for (let life = 1; life <= lives; life++) {
      const begin = performance.now();
      const { exitCode, lines } = await runApp(program, app, { folder: world.folder, settings, timeout: lifeTimeout });
      const expected = life === 1 ? says.full : says.resumed;
      const connected = lines.find((line) => expected.test(line));
      want(
        exitCode === deviceExit.sleep && connected !== undefined,
        `Life ${life} ended with ${exitCode}, and should have slept and said ${String(expected)}:`,
        [...lines, ...world.log.slice(-8)],
      );
      const room = retainedBytes === undefined ? "" : `, ${retainedBytes} bytes retained`;
      say(`    life ${life}${room}: ${connected!}, asleep after ${Math.round(performance.now() - begin)} ms`);
      const now = contentOf(join(world.folder, "storage"));
      want(retainedBytes === undefined || life === 1 || now === stored, `Life ${life} wrote to storage:`, [
        stored,
        now,
      ]);
      stored = now;
    }
    const accepted = world.log.filter((line) => line.includes(`as ${world.clientIdentifier}`)).length;
    want(accepted >= lives, `Mosquitto accepted ${accepted} connections of ${lives}:`, world.log);
  } finally {
    await cleanup.run();
  }
}
