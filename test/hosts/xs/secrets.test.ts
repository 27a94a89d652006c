/** The memory of the process, searched for key bytes: they are there while a key is in use, and gone once it is closed. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createECDH, createPrivateKey, generateKeyPairSync, hkdfSync, pbkdf2Sync, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeProvisioningRecord } from "../../../src/vault/index.js";
import { hostProgram, root as projectRoot, type Variant } from "../../../tools/xs/paths.js";
import { mapOptions } from "../../../tools/xs/run.js";
import { temporaryFolder } from "../../tools/support/temporary-folder.js";
import { issue } from "../node/support/pki.js";
import { count, linesOf } from "./process-memory.js";
import { hostIsBuilt } from "./support.js";

const empty = Buffer.alloc(0);

for (const bits of [64, 32] as const)
  describe(`The memory of the XS host, ${bits} bits`, function () {
    this.timeout(60_000);
    const variant: Variant = { bits };
    const folder = temporaryFolder();
    before(hostIsBuilt(variant));

    it("holds the bytes of keys that are in use, and none of those that were closed", async () => {
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const peer = generateKeyPairSync("ec", { namedCurve: "P-256" });
      writeFileSync(folder.join("private.der"), privateKey.export({ type: "pkcs8", format: "der" }));
      writeFileSync(folder.join("peer.der"), peer.publicKey.export({ type: "spki", format: "der" }));
      const module = join(projectRoot, "dist", "test", "xs", "firmware", "secrets.js");
      const child = spawn(hostProgram(variant), [...mapOptions(), module, "--", folder.join()], {
        env: { ...process.env, SEALWIRE_DEVICE: folder.join("device") },
        stdio: ["ignore", "pipe", "inherit"],
      });
      try {
        const lines = linesOf(child);
        const publicKey = Buffer.from(await lines.next(), "hex");
        const ecdh = createECDH("prime256v1");
        ecdh.setPrivateKey(Buffer.from(peer.privateKey.export({ format: "jwk" }).d!, "base64url"));
        const secrets: Record<string, Uint8Array> = {
          "private key": Buffer.from(privateKey.export({ format: "jwk" }).d!, "base64url"),
          "agreed key": ecdh.computeSecret(publicKey.subarray(-65)),
          "derived key": new Uint8Array(hkdfSync("sha256", Uint8Array.of(1, 2, 3), empty, empty, 32)),
          "key of a password": pbkdf2Sync(Uint8Array.of(1, 2, 3), empty, 2, 32, "sha256"),
        };
        const seen = (): Record<string, number> =>
          Object.fromEntries(Object.entries(secrets).map(([name, bytes]) => [name, count(child.pid!, bytes)]));
        assert.equal(await lines.next(), "step 1");
        for (const [name, times] of Object.entries(seen()))
          assert.equal(times, 1, `${name}: the control finds ${times}`);
        writeFileSync(folder.join("go-1"), "");
        assert.equal(await lines.next(), "step 2");
        for (const [name, times] of Object.entries(seen())) assert.equal(times, 0, `${name} is still there`);
      } finally {
        child.kill("SIGKILL");
      }
    });

    it("holds what a vault was provisioned with while it is open, in one copy, and nothing of it once it was closed", async () => {
      // The steps of the test above left their marks in the folder.
      const place = folder.join("vault");
      mkdirSync(place);
      const root = await issue({ name: "root", ca: true });
      const device = await issue({ name: "device", issuer: root });
      const secrets = {
        "private key": Buffer.from(
          createPrivateKey({ key: Buffer.from(device.keyDER), format: "der", type: "pkcs8" }).export({ format: "jwk" })
            .d!,
          "base64url",
        ),
        "payload secret": randomBytes(32),
        password: Buffer.from(randomBytes(24).toString("base64")),
      };
      const record = encodeProvisioningRecord({
        broker: { host: "broker.example", port: 8883 },
        trustAnchors: [root.der],
        certificateChain: [device.der],
        privateKey: device.keyDER,
        username: "device",
        password: secrets.password,
        payloadSecrets: new Map([[0, secrets["payload secret"]]]),
      });
      writeFileSync(join(place, "record.cbor"), record);
      const module = join(projectRoot, "dist", "test", "xs", "firmware", "vault-secrets.js");
      const child = spawn(hostProgram(variant), [...mapOptions(), module, "--", place], {
        env: { ...process.env, SEALWIRE_DEVICE: folder.join("vault-device") },
        stdio: ["ignore", "pipe", "inherit"],
      });
      try {
        const lines = linesOf(child);
        const expect = async (step: number, times: number): Promise<void> => {
          assert.equal(await lines.next(), `step ${step}`);
          const seen = Object.fromEntries(
            Object.entries(secrets).map(([name, bytes]) => [name, count(child.pid!, bytes)]),
          );
          for (const [name, found] of Object.entries(seen))
            assert.equal(found, times, `${name}, step ${step}: ${found}`);
          writeFileSync(join(place, `go-${step}`), "");
        };
        await expect(1, 1);
        await expect(2, 1);
        await expect(3, 0);
      } finally {
        child.kill("SIGKILL");
      }
    });
  });
