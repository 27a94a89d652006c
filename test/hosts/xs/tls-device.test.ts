/** A whole device on the XS host, over mutual TLS with Mosquitto: what it resumes, told by the device and by the wire. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { MosquittoBroker } from "../../../tools/brokers/index.js";
import { DevelopmentPKI } from "../../../tools/pki/index.js";
import { Tap } from "../../../tools/simulate/tap.js";
import { preloadOptions } from "../../../tools/xs/manifest.js";
import { hostProgram, root } from "../../../tools/xs/paths.js";
import { mapOptions } from "../../../tools/xs/run.js";
import { requireMosquitto } from "../../tools/support/mosquitto.js";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";
import { hostIsBuilt } from "./support.js";
import { tlsBuilds } from "./tls-builds.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const asleep = 80;

for (const { name, variant, versions } of tlsBuilds)
  for (const version of versions)
    describe(`A device on XS with Mosquitto, ${version}, ${name}`, function () {
      this.timeout(30_000);
      const folder = temporaryFolder();
      let pki: DevelopmentPKI;
      let broker: MosquittoBroker;
      let tap: Tap;
      let child: ChildProcess | undefined;

      before(hostIsBuilt(variant));
      before(async function () {
        requireMosquitto(this);
        pki = await DevelopmentPKI.open({ folder: folder.join("pki"), names: ["localhost"] });
        broker = new MosquittoBroker({
          server: pki.server,
          root: pki.root,
          versions: { minimum: version, maximum: version },
        });
        await broker.start();
        tap = new Tap({ target: { address: broker.address, port: broker.port } });
        await tap.start();
      });
      after(async () => {
        child?.kill("SIGKILL");
        await tap.stop();
        await broker.stop();
      });

      /** One life of the program. @returns how it connected, and the exit code, or none when its power was cut */
      async function live(then: "sleep" | "wait"): Promise<{ connected: string; exitCode: number | null }> {
        const issued = await pki.device("device");
        const settings = folder.join("settings.json");
        writeFileSync(
          settings,
          JSON.stringify({
            folder: folder.join("device"),
            port: tap.port,
            root: hex(pki.root),
            certificateChain: issued.certificateChain.map(hex),
            privateKey: hex(issued.privateKey),
            then,
          }),
        );
        const module = join(root, "dist", "test", "xs", "firmware", "tls-device.js");
        const heap = variant.bits === 32 ? ["--static", "53248", "--stack", "512", ...preloadOptions()] : [];
        child = spawn(hostProgram(variant), [...mapOptions(), ...heap, module, "--", settings], {
          stdio: ["ignore", "pipe", "pipe"],
        });
        let output = "";
        const published = new Promise<void>((resolve) => {
          child!.stdout!.setEncoding("utf8").on("data", (text: string) => {
            output += text;
            if (output.includes("published")) resolve();
          });
        });
        child.stderr!.setEncoding("utf8").on("data", (text: string) => (output += text));
        const end = once(child, "close") as Promise<[number | null]>;
        await Promise.race([published, end]);
        if (then === "wait") {
          // Tickets of TLS 1.3 come after the handshake, and are written to flash.
          await new Promise((resolve) => setTimeout(resolve, 200));
          child.kill("SIGKILL");
        }
        const [exitCode] = await end;
        const connected = /^connected (.*)$/m.exec(output)?.[1];
        assert.ok(connected !== undefined && output.includes("published"), output);
        // The other side's own handshake, as it passed on the wire, tells the same.
        assert.equal(tap.connections.at(-1)?.decision?.resumed, connected.endsWith("resumed"), output);
        return { connected, exitCode };
      }

      it("shakes hands in full once, and resumes after a deep sleep and after power cuts", async () => {
        assert.deepEqual(await live("sleep"), { connected: `${version} full`, exitCode: asleep });
        assert.deepEqual(await live("sleep"), { connected: `${version} resumed`, exitCode: asleep });
        assert.deepEqual(await live("wait"), { connected: `${version} resumed`, exitCode: null });
        assert.deepEqual(await live("wait"), { connected: `${version} resumed`, exitCode: null });
        const [full, ...others] = tap.connections.map(({ bytesIn, bytesOut }) => bytesIn + bytesOut);
        for (const other of others) assert.ok(other < full! * 0.7, `${other} bytes are not much less than ${full}`);
      });
    });
