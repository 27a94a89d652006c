/** A whole device on the XS host, over mutual TLS with Mosquitto: what it resumes, told by the device and by the wire. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { STORAGE_KEY } from "../../../src/storage/index.js";
import { MosquittoBroker } from "../../../tools/brokers/index.js";
import { Tap } from "../../../tools/simulate/tap.js";
import { preloadOptions } from "../../../tools/xs/manifest.js";
import { hostProgram, root } from "../../../tools/xs/paths.js";
import { mapOptions } from "../../../tools/xs/run.js";
import { requireMosquitto } from "../../tools/support/mosquitto.js";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";
import { generateKeys, type Issued, issue } from "../node/support/pki.js";
import { helloOf, Recorder, ticketExtension } from "./hello.js";
import { hostIsBuilt } from "./support.js";
import { tlsBuilds } from "./tls-builds.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const asleep = 80;

/** Root, server and device, each of both with the issuing authority that signed it. */
interface Credentials {
  readonly root: Uint8Array;
  readonly server: DeviceCredentials;
  readonly device: DeviceCredentials;
}

interface DeviceCredentials {
  readonly certificateChain: Uint8Array[];
  readonly privateKey: Uint8Array;
}

const rsa2048 = {
  name: "RSASSA-PKCS1-v1_5",
  modulusLength: 2048,
  publicExponent: Uint8Array.of(1, 0, 1),
  hash: "SHA-256",
};

/** Certificates and keys of one algorithm throughout. */
async function credentialsOf(kind: "EC" | "RSA"): Promise<Credentials> {
  const keys = async (): Promise<object> => (kind === "RSA" ? { keys: await generateKeys(rsa2048) } : {});
  const root = await issue({ name: "root", ca: true, ...(await keys()) });
  const issuing = await issue({ name: "issuing", ca: true, issuer: root, ...(await keys()) });
  const server = await issue({ name: "server", issuer: issuing, dns: ["localhost"], ...(await keys()) });
  const device = await issue({ name: "device", issuer: issuing, ...(await keys()) });
  const withKey = (issued: Issued): DeviceCredentials => ({
    certificateChain: [issued.der, issuing.der],
    privateKey: issued.keyDER,
  });
  return { root: root.der, server: withKey(server), device: withKey(device) };
}

/** Files, what is in each and when it was written. */
function contentOf(folder: string): Record<string, string> {
  const names = readdirSync(folder).sort();
  return Object.fromEntries(
    names.map((name) => [name, `${statSync(join(folder, name)).mtimeMs} ${hex(readFileSync(join(folder, name)))}`]),
  );
}

const cases = tlsBuilds.flatMap((build) => [
  ...build.versions.flatMap((version) =>
    (["EC", "RSA"] as const).map((kind) => ({ ...build, version, kind, tickets: true })),
  ),
  { ...build, version: "TLSv1.2", kind: "EC", tickets: false } as const,
]);

for (const { name, variant, version, kind, tickets } of cases)
  describe(`A device on XS with Mosquitto, ${version}, ${kind}, ${tickets ? "" : "without tickets, "}${name}`, function () {
    this.timeout(30_000);
    const folder = temporaryFolder();
    let pki: Credentials;
    let broker: MosquittoBroker | undefined;
    let tap: Tap;
    const recorder = new Recorder(() => tap.port);
    let child: ChildProcess | undefined;

    before(hostIsBuilt(variant));
    before(async function () {
      requireMosquitto(this);
      pki = await credentialsOf(kind);
      broker = new MosquittoBroker({
        server: pki.server,
        root: pki.root,
        versions: { minimum: version, maximum: version },
        tickets,
      });
      await broker.start();
      tap = new Tap({ target: { address: broker.address, port: broker.port } });
      await tap.start();
      await recorder.start();
    });
    after(async () => {
      child?.kill("SIGKILL");
      recorder.stop();
      if (broker === undefined) return;
      await tap.stop();
      await broker.stop();
    });

    /** One life of the program. @returns how it connected, and the exit code, or none when its power was cut */
    async function live(
      then: "sleep" | "wait",
      { name: device = "device", ...others }: { name?: string; retainedBytes?: number; sessionsInFlash?: boolean } = {},
    ): Promise<{ connected: string; exitCode: number | null }> {
      const issued = pki.device;
      const settings = folder.join("settings.json");
      writeFileSync(
        settings,
        JSON.stringify({
          folder: folder.join(device),
          port: recorder.port,
          root: hex(pki.root),
          certificateChain: issued.certificateChain.map(hex),
          privateKey: hex(issued.privateKey),
          // See "Versions and RSA" in docs/tls.md.
          maximumVersion: kind === "RSA" ? version : "TLSv1.3",
          then,
          ...others,
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

    function checkBytes(): void {
      const [full, ...others] = tap.connections.map(({ bytesIn, bytesOut }) => bytesIn + bytesOut);
      for (const other of others) assert.ok(other < full! * 0.7, `${other} bytes are not much less than ${full}`);
    }

    if (tickets)
      it("shakes hands in full once, and resumes after a deep sleep and after power cuts", async () => {
        assert.deepEqual(await live("sleep"), { connected: `${version} full`, exitCode: asleep });
        assert.deepEqual(await live("sleep"), { connected: `${version} resumed`, exitCode: asleep });
        assert.deepEqual(await live("wait"), { connected: `${version} resumed`, exitCode: null });
        assert.deepEqual(await live("wait"), { connected: `${version} resumed`, exitCode: null });
        checkBytes();
      });
    else
      it("resumes by session ID after a deep sleep, and from flash when power failed while it slept", async () => {
        const resumes = { connected: `${version} resumed`, exitCode: asleep };
        assert.deepEqual(await live("sleep"), { connected: `${version} full`, exitCode: asleep });
        assert.deepEqual(await live("sleep"), resumes);
        // A broker forgets whom it lost without a goodbye, so it is asleep that power fails: its retained memory is gone then.
        for (let i = 0; i < 2; i++) {
          rmSync(folder.join("device", "wake"));
          rmSync(folder.join("device", "retained"));
          assert.deepEqual(await live("sleep"), resumes);
        }
        checkBytes();
        const hellos = recorder.connections.map(({ sent, received }) => [helloOf(sent), helloOf(received)] as const);
        const { sessionID } = hellos[0]![1];
        assert.equal(sessionID.byteLength, 32);
        for (const [ours, theirs] of hellos) {
          assert.equal(ours.extensions.get(ticketExtension)!.content.byteLength, 0, "a ticket was offered");
          assert.ok(!theirs.extensions.has(ticketExtension), "a ticket was announced");
          assert.deepEqual(theirs.sessionID, sessionID);
        }
        for (const [ours] of hellos.slice(1)) assert.deepEqual(ours.sessionID, sessionID);
        // One that has forgotten them all gives another one, in the same connection.
        await broker!.restart();
        assert.deepEqual(await live("sleep"), { connected: `${version} full`, exitCode: asleep });
        assert.equal(recorder.connections.length, hellos.length + 1);
        const { sent, received } = recorder.connections.at(-1)!;
        assert.deepEqual(helloOf(sent).sessionID, sessionID);
        assert.notDeepEqual(helloOf(received).sessionID, sessionID);
        assert.deepEqual(await live("sleep"), resumes);
      });

    if (!tickets || version === "TLSv1.3" || kind === "RSA") return;

    /** What an ESP8266 has beside the SDK's clock. */
    const retainedBytes = 464;
    const full = { connected: `${version} full`, exitCode: asleep };
    const resumed = { connected: `${version} resumed`, exitCode: asleep };

    it("resumes after a deep sleep from flash when its ticket is too large for retained memory, without a write at a wake", async () => {
      const small = { name: "ticket-in-flash", retainedBytes };
      assert.deepEqual(await live("sleep", small), full);
      const before = contentOf(join(folder.join(small.name), "storage"));
      assert.deepEqual(await live("sleep", small), resumed);
      assert.deepEqual(await live("sleep", small), resumed);
      assert.deepEqual(contentOf(join(folder.join(small.name), "storage")), before);
    });

    it("resumes by ID, from retained memory, when its ticket is too large and nothing of TLS may lie in flash", async () => {
      const frugal = { name: "by-id", retainedBytes, sessionsInFlash: false };
      // The first learns that the ticket is too large, the second asks for an ID.
      assert.deepEqual(await live("sleep", frugal), full);
      assert.deepEqual(await live("sleep", frugal), full);
      const before = contentOf(join(folder.join(frugal.name), "storage"));
      for (let wake = 0; wake < 3; wake++) assert.deepEqual(await live("sleep", frugal), resumed);
      // No session, and nothing that the session left no room for.
      assert.deepEqual(contentOf(join(folder.join(frugal.name), "storage")), before);
      assert.ok(!Object.keys(before).some((key) => decodeURIComponent(key).startsWith(STORAGE_KEY.tlsSession)));
    });
  });
