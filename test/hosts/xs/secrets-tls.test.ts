/** The memory of the process, searched for the client's private key: there while a TLS connection is open, gone after close(). */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DevelopmentPKI, toPEM } from "../../../tools/pki/index.js";
import { hostProgram, root, type Variant } from "../../../tools/xs/paths.js";
import { mapOptions } from "../../../tools/xs/run.js";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";
import { closeServers, startServer } from "../node/support/tls.js";
import { count, linesOf } from "./process-memory.js";
import { hostIsBuilt } from "./support.js";

for (const bits of [64, 32] as const)
  describe(`The memory of the XS host with TLS, ${bits} bits`, function () {
    this.timeout(60_000);
    const variant: Variant = { bits };
    const folder = temporaryFolder();
    before(hostIsBuilt(variant));

    for (const version of ["TLSv1.2", "TLSv1.3"] as const)
      it(`holds the client's private key while a ${version} connection is open, and nothing of it after close()`, async function () {
        const pki = await DevelopmentPKI.open({ folder: folder.join("certs"), names: ["localhost"] });
        const { certificateChain, privateKey } = await pki.device("device");
        const names = ["root", "device", "issuing", "key"];
        for (const [i, der] of [pki.root, certificateChain[0]!, certificateChain[1]!, privateKey].entries())
          writeFileSync(folder.join(`${names[i]!}.der`), der);
        const server = await startServer({
          cert: pki.server.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
          key: toPEM("PRIVATE KEY", pki.server.privateKey),
          ca: toPEM("CERTIFICATE", pki.root),
          requestCert: true,
          maxVersion: version,
        });
        const scalar = Buffer.from(
          createPrivateKey({ key: Buffer.from(privateKey), format: "der", type: "pkcs8" }).export({ format: "jwk" }).d!,
          "base64url",
        );
        // As bytes, and as the library computes with it.
        const shapes = [scalar, Buffer.from(scalar).reverse()];
        const module = join(root, "dist", "test", "xs", "firmware", "secrets-tls.js");
        const child = spawn(
          hostProgram(variant),
          [...mapOptions(), module, "--", folder.join(), String(server.port), version],
          { env: { ...process.env, SEALWIRE_DEVICE: folder.join("device") }, stdio: ["ignore", "pipe", "inherit"] },
        );
        try {
          const lines = linesOf(child);
          const reached = await lines.next();
          // 2.28 has no TLS 1.3: the connection is one of TLS 1.2 then.
          if (reached !== version) assert.equal(reached, "TLSv1.2");
          assert.ok(count(child.pid!, scalar) >= 1, "the control finds nothing");
          assert.equal(server.sockets[0]!.authorized, true);
          writeFileSync(folder.join(`go-${version}`), "");
          assert.equal(await lines.next(), "closed");
          for (const shape of shapes) assert.equal(count(child.pid!, shape), 0, "the private key is still there");
        } finally {
          child.kill("SIGKILL");
          await closeServers();
        }
      });
  });
