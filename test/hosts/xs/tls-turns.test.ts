/** TLS on the XS host: turns of the event loop that the engine takes. One too few is a connection that stands still, one too many a battery. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { root as packageRoot } from "../../../tools/xs/paths.js";
import { runOnXS } from "../../../tools/xs/run.js";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";
import { type Issued, issue } from "../node/support/pki.js";
import { closeServers, startServer } from "../node/support/tls.js";
import { hostIsBuilt } from "./support.js";
import { tlsBuilds } from "./tls-builds.js";

for (const { name, variant, versions } of tlsBuilds)
  describe(`XS host: turns that TLS takes with ${name}`, function () {
    this.timeout(20_000);
    const folder = temporaryFolder();
    let leaf: Issued;
    before(hostIsBuilt(variant));
    before(async () => {
      const root = await issue({ name: "root", ca: true });
      leaf = await issue({ name: "server", issuer: root, dns: ["localhost"] });
      writeFileSync(folder.join("root.der"), root.der);
    });
    after(closeServers);

    for (const protocol of versions)
      it(`${protocol}: tells of room to write while something is unread, and takes no turn while it can only wait`, async () => {
        const server = await startServer({ minVersion: protocol, maxVersion: protocol }, [leaf]);
        const module = join(packageRoot, "dist", "test", "xs", "firmware", "tls-turns.js");
        const parameters = [String(server.port), folder.join("root.der"), protocol];
        const environment = { ...process.env, SEALWIRE_DEVICE: folder.join(`device-${protocol}`) };
        const { exitCode, output, errors } = await runOnXS(module, parameters, {
          variant,
          environment,
          timeout: 15_000,
        });
        equal(exitCode, 0, output + errors);
        const lines = output.trim().split("\n");
        deepEqual(
          lines.map((line) => line.replace(/\d+ turns$/, "turns")),
          [
            "idle: turns",
            "unread: true",
            "unread: turns",
            "told of room while something is unread: true",
            "blocked: true, unread: true",
            "blocked: turns",
            "told of room: false",
            "told of room once it was sent: true",
            "blocked: true, unread: false",
            "blocked: turns",
            "told of room: false",
            "told of room once it was sent: true",
            "a part of a header: turns",
            "a part of a body: turns",
          ],
          output + errors,
        );
        for (const line of lines) ok(Number(/(\d+) turns/.exec(line)?.[1] ?? 0) <= 2, output);
      });
  });
