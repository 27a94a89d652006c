/** A PKI that was interrupted, copied in part, or grew old: nobody who was revoked comes back, and no device is given what ends too soon. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { createPKI, fromPEM, readRevocationList } from "../../tools/pki/index.js";
import { type CommandResult, runCommand } from "./support/run-command.js";
import { temporaryFolder } from "./support/temporary-folder.js";

const passphrase = "four horses ate my battery";
const day = 24 * 60 * 60 * 1000;

describe("sealwire pki, in the long run", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();

  function make(name: string, options: Partial<Parameters<typeof createPKI>[0]> = {}): Promise<void> {
    return createPKI({
      folder: folder.join(name),
      name: "Acme",
      algorithm: "P-256",
      passphrase,
      importPassphrase: () => Promise.resolve(""),
      ...options,
    });
  }

  const run = (name: string, ...args: string[]): Promise<CommandResult> =>
    runCommand(["pki", ...args, "--pki", folder.join(name)], { SEALWIRE_PKI_PASSPHRASE: passphrase });

  async function succeed(name: string, ...args: string[]): Promise<CommandResult> {
    const result = await run(name, ...args);
    assert.equal(result.exitCode, 0, result.stderr);
    return result;
  }

  /** What a broker reads: serial numbers of the list of the issuing authority. */
  async function revokedIn(name: string, file = "crl.pem"): Promise<string[]> {
    const [issuer] = fromPEM("CERTIFICATE", fs.readFileSync(folder.join(name, "issuing-ca.crt"), "utf8"));
    const lists = fromPEM("X509 CRL", fs.readFileSync(folder.join(name, file), "utf8"));
    const infos = await Promise.all(lists.map((list) => readRevocationList(list, issuer!).catch(() => undefined)));
    return infos.flatMap((info) => info?.serialNumbers ?? []).map((serial) => serial.toLowerCase());
  }

  async function issue(name: string, id: string): Promise<string> {
    return (JSON.parse((await succeed(name, "device", id, "--json")).stdout) as { serialNumber: string }).serialNumber;
  }

  describe("revocation that ended in the midst of it", () => {
    before(() => make("cut"));

    for (const file of ["issuing-ca.crl", "crl.pem"])
      it(`is completed by the same command, when ${file} could not be written`, async () => {
        const id = `of-${file}`;
        const serialNumber = await issue("cut", id);
        const target = folder.join("cut", file);
        fs.renameSync(target, folder.join("kept"));
        // Nothing can be renamed onto a folder that is not empty.
        fs.mkdirSync(path.join(target, "in the way"), { recursive: true });
        assert.equal((await run("cut", "revoke", id)).exitCode, 3);
        fs.rmSync(target, { recursive: true });
        fs.renameSync(folder.join("kept"), target);
        assert.ok(!(await revokedIn("cut")).includes(serialNumber));
        const { stdout } = await succeed("cut", "revoke", id);
        assert.match(stdout, new RegExp(`^Revoked {2}${serialNumber}  ${id}$`, "m"));
        assert.ok((await revokedIn("cut")).includes(serialNumber));
        assert.match((await succeed("cut", "revoke", id)).stdout, /^All of them are revoked already/);
      });
  });

  describe("the index", () => {
    before(() => make("lost"));

    it("when it is missing, is not begun anew: the next list would let back in who was revoked", async () => {
      const serialNumber = await issue("lost", "pump-1");
      await succeed("lost", "revoke", "pump-1");
      for (const name of fs.readdirSync(folder.join("lost")).filter((name) => name.startsWith("index.db")))
        fs.renameSync(folder.join("lost", name), folder.join(name));
      for (const args of [["crl"], ["device", "pump-2"], ["list"]]) {
        const { exitCode, stderr } = await run("lost", ...args);
        assert.equal(exitCode, 3);
        assert.match(stderr, /^sealwire: The index .*index\.db is missing: restore it from a copy/);
      }
      assert.deepEqual(await revokedIn("lost"), [serialNumber]);
      assert.equal(fs.existsSync(folder.join("lost", "index.db")), false);
      fs.renameSync(folder.join("index.db"), folder.join("lost", "index.db"));
    });

    it("when an old copy of it was restored, takes up what the newest lists revoke", async () => {
      fs.copyFileSync(folder.join("lost", "index.db"), folder.join("old.db"));
      const before = await revokedIn("lost");
      const serialNumber = await issue("lost", "pump-3");
      await succeed("lost", "revoke", "pump-3", "--reason", "keyCompromise");
      fs.copyFileSync(folder.join("old.db"), folder.join("lost", "index.db"));
      for (const name of ["index.db-wal", "index.db-shm"]) fs.rmSync(folder.join("lost", name), { force: true });
      await succeed("lost", "crl");
      assert.deepEqual((await revokedIn("lost")).sort(), [...before, serialNumber].sort());
      const { stdout } = await succeed("lost", "list", "--revoked", "--json");
      const { certificates } = JSON.parse(stdout) as { certificates: { serialNumber: string; reason: string }[] };
      assert.equal(certificates.find((each) => each.serialNumber === serialNumber)?.reason, "keyCompromise");
    });
  });

  describe("an issuing authority that expired", () => {
    before(() => make("expired", { now: Date.now() - 11 * 365 * day }));

    it("issues nothing, neither certificates nor lists, and the root can still renew it", async () => {
      for (const args of [["device", "pump-1"], ["server", "broker.example"], ["crl"]]) {
        const { exitCode, stderr } = await run("expired", ...args);
        assert.equal(exitCode, 3, args.join(" "));
        assert.match(
          stderr,
          /^sealwire: The certificate of the issuing authority expired on 20\d\d-\d\d-\d\d: issue it again with sealwire pki renew --issuing\.$/m,
        );
      }
      assert.deepEqual(fs.readdirSync(folder.join("expired", "devices")), []);
      await succeed("expired", "renew", "--issuing");
      await issue("expired", "pump-1");
    });
  });

  it("issues nothing by a clock that is before the authority's own beginning", async () => {
    await make("future", { now: Date.now() + 30 * day });
    const { exitCode, stderr } = await run("future", "device", "pump-1");
    assert.equal(exitCode, 3);
    assert.match(stderr, /^sealwire: The certificate of the issuing authority is not valid before .*: is the clock/);
  });

  describe("an issuing authority that ends soon", () => {
    before(() => make("soon", { issuingDays: 100 }));

    it("says that what it issues is cut short", async () => {
      const { stderr } = await succeed("soon", "device", "pump-1");
      assert.match(
        stderr,
        /^sealwire: Valid for (99|100) days only, not 3650: nothing outlives the issuing authority \(sealwire pki renew --issuing\)\.\n$/,
      );
      const certificate = new X509Certificate(fs.readFileSync(folder.join("soon", "devices", "pump-1.crt")));
      assert.ok(Date.parse(certificate.validTo) < Date.now() + 101 * day);
      assert.equal((await succeed("soon", "device", "pump-2", "--days", "90")).stderr, "");
    });

    it("says so once for a whole fleet that is provisioned", async () => {
      fs.writeFileSync(folder.join("fleet.csv"), "id\nf-1\nf-2\n");
      const args = ["provision", "--csv", folder.join("fleet.csv"), "--broker", "broker.example"];
      const { exitCode, stderr } = await runCommand(
        [...args, "--pki", folder.join("soon"), "--out", folder.join("out")],
        { SEALWIRE_PKI_PASSPHRASE: passphrase },
      );
      assert.equal(exitCode, 0);
      assert.match(stderr, /^sealwire: Valid for (99|100) days only, not 3650: [^\n]*\n$/);
    });
  });
});
