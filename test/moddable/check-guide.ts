/**
 * `docs/getting-started-moddable.md`, word for word, in an empty folder: its files, its commands, the output that it shows. Only what gets the
 * package is another: it comes from the packed tarball instead of the registry, and TypeScript from this clone.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Cleanup } from "../../tools/cleanup.js";
import { packageFolder } from "../../tools/paths.js";
import { installPackage } from "../integration/support/install-package.js";
import { type CheckContext, want } from "./check-step.js";

const timeout = 600_000;

interface Block {
  readonly language: string;
  readonly text: string;
  /** The file that the line before it names. */
  readonly file: string | undefined;
}

function blocksOf(guide: string): Block[] {
  const blocks = guide.matchAll(/(?:`([\w.-]+)`:\n\n)?^```(\w*)\n([\s\S]*?)^```$/gm);
  return [...blocks].map(([, file, language, text]) => ({ language: language!, text: text!, file }));
}

/** Runs lines as a shell does. @returns what they wrote */
function shell(folder: string, env: NodeJS.ProcessEnv, script: string, group: ChildProcess[]): Promise<string> {
  // A group of its own: what it leaves in the background is ended with it.
  const child = spawn("bash", ["-e", "-c", script], {
    cwd: folder,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  group.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes: Buffer) => (output += bytes.toString()));
  const timer = setTimeout(() => end(child), timeout);
  return once(child, "exit").then(async ([exitCode]) => {
    clearTimeout(timer);
    // What was written last may still be on its way; a program in the background keeps the streams open.
    await new Promise((resolve) => setTimeout(resolve, 100));
    want(exitCode === 0, `${script.trim()} ended with ${String(exitCode)}:`, output.split("\n"));
    return output;
  });
}

function end({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, "SIGKILL");
  } catch {
    // All of it has ended.
  }
}

async function accepts(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(port, "127.0.0.1");
    const up = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "error").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Nothing accepts connections at port ${port}.`);
}

export async function checkGuide({ sdk, say }: CheckContext): Promise<void> {
  const cleanup = new Cleanup();
  const group: ChildProcess[] = [];
  cleanup.add(() => group.forEach(end));
  try {
    const folder = join(cleanup.temporaryFolder("sealwire-guide-"), "pumps");
    mkdirSync(folder);
    const guide = readFileSync(join(packageFolder, "docs/getting-started-moddable.md"), "utf8");
    const [, install, ...blocks] = blocksOf(guide);
    want(/^npm init -y\nnpm install sealwire typescript@/.test(install!.text), "The guide installs otherwise:", []);
    execFileSync("npm", ["init", "-y"], { cwd: folder, stdio: "ignore" });
    installPackage(folder);
    symlinkSync(join(packageFolder, "node_modules/typescript"), join(folder, "node_modules/typescript"));
    symlinkSync("../typescript/bin/tsc", join(folder, "node_modules/.bin/tsc"));
    // The SDK's tools and the app's, and nothing of this clone's.
    const own = join(packageFolder, "node_modules/.bin");
    const path = (sdk.environment["PATH"] ?? "").split(":").filter((part) => part !== own);
    const env = { ...sdk.environment, PATH: [...path, join(folder, "node_modules/.bin")].join(":") };
    let output = "";
    for (const { language, text, file } of blocks) {
      if (file !== undefined) writeFileSync(join(folder, file), text);
      else if (language === "sh") {
        const begin = performance.now();
        output = await shell(folder, env, text, group);
        say(`  ${text.trim().split("\n").at(-1)!}: ${((performance.now() - begin) / 1000).toFixed(0)} s`);
        if (text.includes("broker run")) await accepts(portOf(folder));
      } else {
        want(output.includes(text), "The guide shows another output:", output.split("\n"));
        for (const line of text.trim().split("\n")) say(`    ${line}`);
      }
    }
  } finally {
    await cleanup.run();
  }
}

function portOf(folder: string): number {
  const { broker } = JSON.parse(readFileSync(join(folder, "fleet.json"), "utf8")) as { broker: string };
  return Number(broker.slice(broker.lastIndexOf(":") + 1));
}
