/** What a server may ask for on an open connection, and Mbed TLS cannot give: new keys (RFC 8446 section 4.6.3), a new handshake (RFC 5246). */
import { equal, match, ok } from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { preloadOptions } from "../../../tools/xs/manifest.js";
import { hostProgram, root as packageRoot } from "../../../tools/xs/paths.js";
import { mapOptions } from "../../../tools/xs/run.js";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";
import { type Issued, issue } from "../node/support/pki.js";
import { at } from "../node/support/tls.js";
import { OpenSSLServer } from "./openssl-server.js";
import { RemoteDevice } from "./remote.js";
import { hostIsBuilt } from "./support.js";
import { tlsBuilds } from "./tls-builds.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const sentence = "The server changed its keys (TLS 1.3 KeyUpdate), which the TLS library cannot follow.";

for (const { name, variant, versions } of tlsBuilds)
  describe(`XS host: an open TLS connection and a server that wants more, with ${name}`, function () {
    this.timeout(30_000);
    const device = new RemoteDevice(variant);
    const folder = temporaryFolder();
    let root: Issued;
    let leaf: Issued;
    let own: Issued;
    let server: OpenSSLServer | undefined;
    before(hostIsBuilt(variant));
    before(async () => {
      root = await issue({ name: "root", ca: true });
      leaf = await issue({ name: "server", issuer: root, dns: ["localhost"] });
      own = await issue({ name: "device", issuer: root });
      await device.start();
    });
    after(() => device.stop());
    afterEach(() => {
      server?.stop();
      server = undefined;
    });

    const options = () => ({ trustAnchors: [root.der], serverName: "localhost", time: at(Date.now()) });

    if (versions.includes("TLSv1.3"))
      for (const command of ["k", "K"] as const)
        it(`ends with an error that says so, and an alert, when the server changes its keys${command === "K" ? " and asks for ours" : ""}`, async () => {
          server = await OpenSSLServer.start(folder, leaf, "TLSv1.3");
          // With 4.0 the first connection makes what stays.
          const warm = await device.connect(server.port, options());
          await warm.opened();
          await warm.close();
          const before = await device.memory();
          const client = await device.connect(server.port, options());
          await client.opened();
          client.write("hello");
          await server.until(() => server!.output.includes("hello"), "hello");
          server.write("last words\n");
          await client.until(() => client.text === "last words\n");
          server.write(`${command}\n`);
          const { code, message } = await client.failed();
          equal(code, "CONNECTION_LOST", message);
          equal(message, sentence);
          await server.until(() => /unexpected message/.test(server!.output), "the alert");
          await client.close();
          ok((await device.memory()).now <= before.now);
          // The next one has keys of its own, and the tickets are good.
          const again = await device.connect(server.port, { ...options(), session: client.sessions.at(-1) });
          equal((await again.opened()).resumed, true);
          again.write("again");
          await server.until(() => server!.output.includes("again"), "again");
          await again.close();
        });

    if (versions.includes("TLSv1.3"))
      it("has a whole device connect again, resumed", async () => {
        server = await OpenSSLServer.start(folder, leaf, "TLSv1.3");
        const settings = folder.join("settings.json");
        writeFileSync(
          settings,
          JSON.stringify({
            folder: folder.join("device"),
            port: server.port,
            root: hex(root.der),
            certificateChain: [hex(own.der)],
            privateKey: hex(own.keyDER),
            maximumVersion: "TLSv1.3",
            then: "stay",
          }),
        );
        const module = join(packageRoot, "dist", "test", "xs", "firmware", "tls-device.js");
        const heap = variant.bits === 32 ? ["--static", "53248", "--stack", "512", ...preloadOptions()] : [];
        const child = spawn(hostProgram(variant), [...mapOptions(), ...heap, module, "--", settings], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        let output = "";
        child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
        try {
          for (const [i, how] of ["full", "resumed"].entries()) {
            // CONNECT, of MQTT 3.1.1 or 5, and the answer that fits it.
            await server.until(() => server!.output.split("MQTT").length === i + 2, "CONNECT");
            const level = server.output.split("MQTT").at(-1)!.charCodeAt(0);
            server.write(level === 5 ? "\x20\x03\0\0\0" : "\x20\x02\0\0");
            await server.until(() => output.includes(`connected TLSv1.3 ${how}\n`), `${how}: ${output}`);
            if (i === 0) server.write("K\n");
          }
          match(
            output,
            /^connected TLSv1\.3 full\nCONNECTION_LOST: The server changed its keys[^\n]*\nconnected TLSv1\.3 resumed\n$/,
          );
        } finally {
          child.kill("SIGKILL");
        }
      });

    it("declines a new handshake that a server of TLS 1.2 asks for", async () => {
      server = await OpenSSLServer.start(folder, leaf, "TLSv1.2");
      const client = await device.connect(server.port, options());
      await client.opened();
      client.write("hello");
      await server.until(() => server!.output.includes("hello"), "hello");
      server.write("r\n");
      // OpenSSL hangs up then.
      const { code, message } = await client.failed();
      equal(code, "TLS_ALERT_RECEIVED");
      match(message, /handshake_failure/);
      match(server.output, /no renegotiation/);
      await client.close();
    });
  });
