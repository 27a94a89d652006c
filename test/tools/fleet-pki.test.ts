/** The PKI of a fleet, by its commands: what it issues is what OpenSSL, Node and the devices accept. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { FleetPKI, fromPEM, readRevocationList, toPEM } from "../../tools/pki/index.js";
import { onSmallDisk, requireMount } from "./support/full-disk.js";
import { type CommandResult, runCommand } from "./support/run-command.js";
import { temporaryFolder } from "./support/temporary-folder.js";

const passphrase = "four horses ate my battery";
const environment = { SEALWIRE_PKI_PASSPHRASE: passphrase };
const main = fileURLToPath(new URL("../../tools/main.js", import.meta.url));
const writer = fileURLToPath(new URL("./support/index-writer.js", import.meta.url));
const hasOpenSSL = spawnSync("openssl", ["version"]).status === 0;

interface Entry {
  readonly serialNumber: string;
  readonly kind: string;
  readonly name: string;
  readonly revokedAt: string | null;
  readonly reason: string | null;
}

describe("sealwire pki", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  const pki = (): string => folder.join("pki");
  const file = (...parts: string[]): string => folder.join("pki", ...parts);
  const pem = (name: string): X509Certificate => new X509Certificate(fs.readFileSync(file(name)));

  const run = (args: readonly string[], more: NodeJS.ProcessEnv = {}, where = pki()): Promise<CommandResult> =>
    runCommand(["pki", ...args, "--pki", where], { ...environment, ...more });

  async function succeed<T = Record<string, unknown>>(...args: string[]): Promise<T> {
    const { exitCode, stdout, stderr } = await run([...args, "--json"]);
    assert.deepEqual([exitCode, stderr], [0, ""], stdout);
    return JSON.parse(stdout) as T;
  }

  async function fail(
    exitCode: number,
    sentence: RegExp,
    args: readonly string[],
    more?: NodeJS.ProcessEnv,
    where?: string,
  ): Promise<void> {
    const result = await run(args, more, where);
    assert.match(result.stderr, sentence);
    assert.deepEqual([result.exitCode, result.stdout], [exitCode, ""]);
    assert.equal(result.stderr.trimEnd().split("\n").length, 1);
  }

  async function list(...args: string[]): Promise<Entry[]> {
    return (await succeed<{ certificates: Entry[] }>("list", ...args)).certificates;
  }

  before(async () => {
    const { exitCode, stderr } = await run(["init", "--name", "Acme"]);
    assert.deepEqual([exitCode, stderr], [0, ""]);
  });

  describe("init", () => {
    it("makes a root, and an issuing authority under it that may sign no other", () => {
      const root = pem("root-ca.crt");
      const issuing = pem("issuing-ca.crt");
      assert.deepEqual([root.subject, issuing.subject], ["CN=Acme Root CA", "CN=Acme Issuing CA"]);
      assert.ok(root.ca && issuing.ca && root.verify(root.publicKey) && issuing.verify(root.publicKey));
      // Basic constraints: CA, path length 0, critical. Key usage: keyCertSign and cRLSign, critical.
      assert.ok(issuing.raw.toString("hex").includes("0603551d130101ff040830060101ff020100"));
      assert.ok(issuing.raw.toString("hex").includes("0603551d0f0101ff040403020106"));
    });

    it("encrypts the keys: PBES2, PBKDF2 with 600,000 rounds of HMAC-SHA-256, AES-256", () => {
      for (const name of ["root-ca.key", "issuing-ca.key"]) {
        const text = fs.readFileSync(file(name), "utf8");
        assert.match(text, /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
        assert.equal(fs.statSync(file(name)).mode & 0o777, 0o600);
        assert.throws(() => createPrivateKey({ key: text, passphrase: "wrong" }));
        assert.ok(createPrivateKey({ key: text, passphrase }));
        const der = Buffer.from(fromPEM("ENCRYPTED PRIVATE KEY", text)[0]!).toString("hex");
        for (const [what, hex] of [
          ["PBES2", "06092a864886f70d01050d"],
          ["PBKDF2", "06092a864886f70d01050c"],
          ["600,000", "02030927c0"],
          ["HMAC-SHA-256", "06082a864886f70d0209"],
          ["AES-256-CBC", "060960864801650304012a"],
        ] as const)
          assert.ok(der.includes(hex), what);
      }
    });

    it("leaves a PKI alone that is there, and a folder that holds something else", async () => {
      const before = fs.readFileSync(file("root-ca.crt"));
      await fail(3, /There is a PKI in .* already; it is left as it is\.$/m, ["init"]);
      assert.deepEqual(fs.readFileSync(file("root-ca.crt")), before);
      fs.mkdirSync(folder.join("other"));
      fs.writeFileSync(folder.join("other", "file"), "");
      await fail(3, /is not empty: name another one\.$/m, ["init"], {}, folder.join("other"));
    });

    it("refuses a passphrase that is weak, empty or missing, and never says it", async () => {
      const where = folder.join("weak");
      await fail(
        2,
        /^sealwire: The passphrase of the PKI is refused: it is a common default\.$/m,
        ["init"],
        { SEALWIRE_PKI_PASSPHRASE: "password1234567890" },
        where,
      );
      await fail(2, /fewer than 16 bytes\.$/m, ["init"], { SEALWIRE_PKI_PASSPHRASE: "tr4-Qz!9" }, where);
      await fail(2, /is empty\.$/m, ["init"], { SEALWIRE_PKI_PASSPHRASE: "" }, where);
      await fail(
        2,
        /is needed: name a file that holds it \(--passphrase-file\), or set SEALWIRE_PKI_PASSPHRASE\.$/m,
        ["init"],
        { SEALWIRE_PKI_PASSPHRASE: undefined },
        where,
      );
      assert.equal(fs.existsSync(where), false);
    });

    it("takes the passphrase from the first line of a file", async () => {
      fs.writeFileSync(folder.join("passphrase"), `${passphrase}\nnot this\n`);
      const more = { SEALWIRE_PKI_PASSPHRASE: undefined };
      const { exitCode } = await run(["crl", "--passphrase-file", folder.join("passphrase")], more);
      assert.equal(exitCode, 0);
      await fail(
        2,
        /^sealwire: Cannot read .*nothing \(--passphrase-file\): it does not exist\.$/m,
        ["crl", "--passphrase-file", folder.join("nothing")],
        more,
      );
    });

    it("removes what a run that was killed left, and not what one that runs is making", async () => {
      // No process has this number: it is above the largest there may be.
      const left = folder.join(".4194305.00000000.sealwire-pki");
      const running = folder.join(`.${process.pid}.00000000.sealwire-pki`);
      for (const each of [left, running]) fs.mkdirSync(each);
      assert.equal((await run(["init"], {}, folder.join("second"))).exitCode, 0);
      assert.deepEqual([fs.existsSync(left), fs.existsSync(running)], [false, true]);
    });
  });

  describe("certificates", () => {
    it("of a server have its names, for TLS servers only, a random serial, and a key that is theirs", async () => {
      const made = await succeed<{ certificate: string; key: string; serialNumber: string }>(
        "server",
        "broker.example",
        "192.0.2.7",
        "2001:db8::7",
        "*.b.example",
      );
      const certificate = new X509Certificate(fs.readFileSync(made.certificate));
      assert.equal(certificate.subject, "CN=broker.example");
      for (const name of ["broker.example", "x.b.example"]) assert.ok(certificate.checkHost(name), name);
      for (const address of ["192.0.2.7", "2001:db8::7"]) assert.ok(certificate.checkIP(address), address);
      assert.equal(certificate.checkHost("other.example"), undefined);
      assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
      assert.ok(certificate.raw.toString("hex").includes("0603551d0f0101ff040403020780"), "digitalSignature");
      assert.ok(certificate.checkPrivateKey(createPrivateKey(fs.readFileSync(made.key))));
      assert.equal(fs.statSync(made.key).mode & 0o777, 0o600);
      assert.match(made.serialNumber, /^[4-7][0-9a-f]{31}$/);
      assert.ok(certificate.verify(pem("issuing-ca.crt").publicKey));
    });

    it("of a device name its client identifier twice, and are for TLS clients only", async () => {
      const made = await succeed<{ certificate: string; key: string }>("device", "pump-0001", "--days", "30");
      const text = fs.readFileSync(made.certificate, "utf8");
      const { commonName, dnsNames } = createCrypto().certificate(fromPEM("CERTIFICATE", text)[0]!);
      assert.deepEqual([commonName, dnsNames], ["pump-0001", ["pump-0001"]]);
      assert.equal(fromPEM("CERTIFICATE", text).length, 2, "with the authority that signed it");
      const certificate = new X509Certificate(text);
      assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
      const days = (Date.parse(certificate.validTo) - Date.now()) / 86_400_000;
      assert.ok(days > 29.9 && days < 30.1);
    });

    it("may be RSA, where a server then may also be sent an encrypted key", async () => {
      const { certificate } = await succeed<{ certificate: string }>("server", "rsa.example", "--key", "RSA-2048");
      const parsed = new X509Certificate(fs.readFileSync(certificate));
      assert.equal(parsed.publicKey.asymmetricKeyDetails?.modulusLength, 2048);
      assert.ok(
        parsed.raw.toString("hex").includes("0603551d0f0101ff0404030205a0"),
        "digitalSignature, keyEncipherment",
      );
    });

    it("are not written over others, unless that is asked for", async () => {
      await fail(3, /pump-0001\.key is there already: it is left as it is \(--force replaces it\)\.$/m, [
        "device",
        "pump-0001",
      ]);
      const before = fs.readFileSync(file("devices", "pump-0001.crt"));
      await succeed("device", "pump-0001", "--force");
      assert.notDeepEqual(fs.readFileSync(file("devices", "pump-0001.crt")), before);
    });

    it("are not issued for names that no device or server can have", async () => {
      for (const id of ["", "../x", ".hidden", "a b", "a".repeat(65), "+", "#"])
        await fail(2, /^sealwire: A client identifier must be/m, ["device", id]);
      for (const name of ["", "a..b", "ex ample", "a".repeat(300), "a_/b"])
        await fail(2, /^sealwire: "[^"]*" is neither a DNS name nor an IP address\.$/m, ["server", name]);
      await fail(2, /--days must be a whole number/m, ["device", "x", "--days", "0"]);
    });

    it("never outlive what signed them", async () => {
      const { exitCode, stdout, stderr } = await run(["server", "long.example", "--days", "99999", "--json"]);
      assert.equal(exitCode, 0);
      assert.match(stderr, /^sealwire: Valid for 36\d\d days only, not 99999: /);
      const { certificate } = JSON.parse(stdout) as { certificate: string };
      assert.equal(new X509Certificate(fs.readFileSync(certificate)).validTo, pem("issuing-ca.crt").validTo);
    });

    it("are accepted by OpenSSL, with the lists", function () {
      if (!hasOpenSSL) this.skip();
      const leaf = file("servers", "broker.example.crt");
      const args = [
        "verify",
        "-x509_strict",
        "-crl_check_all",
        "-CRLfile",
        file("crl.pem"),
        "-CAfile",
        file("root-ca.crt"),
        "-untrusted",
        file("issuing-ca.crt"),
      ];
      assert.match(execFileSync("openssl", [...args, "-purpose", "sslserver", leaf], { encoding: "utf8" }), /: OK$/m);
      assert.match(
        execFileSync("openssl", [...args, "-purpose", "sslclient", file("devices", "pump-0001.crt")], {
          encoding: "utf8",
        }),
        /: OK$/m,
      );
    });
  });

  describe("sign", () => {
    const device = createCrypto();

    async function request(commonName: string, name: string): Promise<string> {
      const key = device.generateKey();
      fs.writeFileSync(folder.join(name), await device.certificateRequest({ key, commonName, dnsNames: [commonName] }));
      return folder.join(name);
    }

    it("signs a device's request, PEM or DER, for its own key", async () => {
      const der = await request("pump-0002", "2.csr");
      const signed = await succeed<{ certificate: string; key: null; name: string }>("sign", der, "--id", "pump-0002");
      assert.deepEqual([signed.name, signed.key], ["pump-0002", null]);
      fs.writeFileSync(
        folder.join("3.pem"),
        toPEM("CERTIFICATE REQUEST", fs.readFileSync(await request("pump-0003", "3.csr"))),
      );
      assert.equal((await succeed<{ name: string }>("sign", folder.join("3.pem"))).name, "pump-0003");
    });

    it("refuses one for another device, one whose signature is wrong, and what is none", async () => {
      const der = await request("pump-0004", "4.csr");
      await fail(2, /is for "pump-0004", not for "pump-0005"\.$/m, ["sign", der, "--id", "pump-0005"]);
      const bytes = fs.readFileSync(der);
      bytes[bytes.byteLength - 1]! ^= 1;
      fs.writeFileSync(folder.join("forged.csr"), bytes);
      await fail(2, /forged\.csr (is not signed with its own key|cannot be read)\.$/m, [
        "sign",
        folder.join("forged.csr"),
      ]);
      fs.writeFileSync(folder.join("none.csr"), "hello");
      await fail(2, /none\.csr cannot be read\.$/m, ["sign", folder.join("none.csr")]);
      await fail(2, /nowhere\.csr: it does not exist\.$/m, ["sign", folder.join("nowhere.csr")]);
    });

    it("takes nothing from a request but key and names: it cannot ask for being an authority", function () {
      if (!hasOpenSSL) this.skip();
      execFileSync(
        "openssl",
        [
          ...[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            folder.join("ca.key"),
          ],
          ...["-subj", "/O=Somebody/CN=evil", "-addext", "basicConstraints=CA:TRUE", "-out", folder.join("ca.csr")],
        ],
        { stdio: "ignore" },
      );
      return succeed<{ certificate: string }>("sign", folder.join("ca.csr")).then(({ certificate }) => {
        const parsed = new X509Certificate(fs.readFileSync(certificate));
        assert.deepEqual([parsed.ca, parsed.subject], [false, "CN=evil"]);
      });
    });
  });

  describe("revocation", () => {
    const newest = (): ReturnType<typeof readRevocationList> =>
      readRevocationList(
        fromPEM("X509 CRL", fs.readFileSync(file("issuing-ca.crl"), "utf8"))[0]!,
        fromPEM("CERTIFICATE", fs.readFileSync(file("issuing-ca.crt"), "utf8"))[0]!,
      );

    it("puts every valid certificate of a device on the next list, with the reason, and says so in the index", async () => {
      const { number } = await newest();
      await succeed("revoke", "pump-0001", "--reason", "keyCompromise");
      const all = (await list()).filter(({ name }) => name === "pump-0001");
      assert.equal(all.length, 2);
      assert.ok(all.every(({ revokedAt, reason }) => revokedAt !== null && reason === "keyCompromise"));
      const info = await newest();
      assert.equal(info.number, number + 1);
      assert.deepEqual(
        [...info.serialNumbers].map((serial) => serial.toLowerCase()).sort(),
        all.map(({ serialNumber }) => serialNumber).sort(),
      );
      assert.ok(info.revoked.every(({ reason }) => reason === "keyCompromise"));
      assert.deepEqual((await list("--revoked")).length, 2);
    });

    it("is done by serial number, too, and only once", async () => {
      const { serialNumber } = await succeed<{ serialNumber: string }>("device", "pump-0009");
      const shown = serialNumber.toUpperCase().replace(/..(?=.)/g, "$&:");
      assert.equal((await succeed<{ revoked: object[] }>("revoke", shown)).revoked.length, 1);
      assert.equal((await succeed<{ revoked: object[] }>("revoke", shown)).revoked.length, 0);
      await fail(1, /issued no certificate with the name or serial number "nobody"\.$/m, ["revoke", "nobody"]);
    });

    it("is believed by OpenSSL", function () {
      if (!hasOpenSSL) this.skip();
      const { status, stderr, stdout } = spawnSync(
        "openssl",
        [
          ...["verify", "-crl_check_all", "-CRLfile", file("crl.pem"), "-CAfile", file("root-ca.crt")],
          ...["-untrusted", file("issuing-ca.crt"), file("devices", "pump-0009.crt")],
        ],
        { encoding: "utf8" },
      );
      assert.notEqual(status, 0);
      assert.match(stdout + stderr, /certificate revoked/);
    });

    it("changes nothing when the list cannot be signed", async () => {
      await succeed("device", "pump-0010");
      await fail(
        3,
        /^sealwire: The passphrase for .*issuing-ca\.key is wrong, or the file is damaged\.$/m,
        ["revoke", "pump-0010"],
        { SEALWIRE_PKI_PASSPHRASE: "not the passphrase at all" },
      );
      assert.equal((await list()).find(({ name }) => name === "pump-0010")?.revokedAt, null);
    });

    it("of the issuing authority needs the root's key, which may be away", async () => {
      const [issuing] = await list("--kind", "authority");
      fs.renameSync(file("root-ca.key"), folder.join("away.key"));
      try {
        await fail(
          3,
          /^sealwire: The key of the root authority is not here: put it at .*root-ca\.key for this command\.$/m,
          ["revoke", issuing!.serialNumber],
        );
        await succeed("device", "pump-0011");
      } finally {
        fs.renameSync(folder.join("away.key"), file("root-ca.key"));
      }
    });
  });

  describe("renew", () => {
    it("issues a certificate again, for the same key and names", async () => {
      const before = new X509Certificate(fs.readFileSync(file("servers", "broker.example.crt")));
      await succeed("renew", "broker.example", "--days", "100");
      const after = new X509Certificate(fs.readFileSync(file("servers", "broker.example.crt")));
      assert.notEqual(after.serialNumber, before.serialNumber);
      assert.deepEqual(
        after.publicKey.export({ type: "spki", format: "der" }),
        before.publicKey.export({ type: "spki", format: "der" }),
      );
      assert.equal(after.subjectAltName, before.subjectAltName);
    });

    it("issues the issuing authority again: what it signed stays valid under the new one", async () => {
      const before = pem("issuing-ca.crt");
      await succeed("renew", "--issuing");
      const after = pem("issuing-ca.crt");
      assert.notEqual(after.serialNumber, before.serialNumber);
      const old = new X509Certificate(fs.readFileSync(file("devices", "pump-0010.crt")));
      assert.ok(old.verify(after.publicKey) && old.checkIssued(after));
    });

    it("does not renew what is revoked, or unknown", async () => {
      await fail(1, /^sealwire: Every certificate of pump-0009 is revoked: issue a new one, with a new key\.$/m, [
        "renew",
        "pump-0009",
      ]);
      await fail(1, /^sealwire: This PKI issued no certificate to "nobody"\.$/m, ["renew", "nobody"]);
    });
  });

  describe("authorities that exist", () => {
    const where = (): string => folder.join("imported");

    it("are imported, with what they revoked, and go on counting", async () => {
      const { number } = await readRevocationList(
        fromPEM("X509 CRL", fs.readFileSync(file("issuing-ca.crl"), "utf8"))[0]!,
        fromPEM("CERTIFICATE", fs.readFileSync(file("issuing-ca.crt"), "utf8"))[0]!,
      );
      const args = [
        ...[
          "--root-cert",
          file("root-ca.crt"),
          "--issuing-cert",
          file("issuing-ca.crt"),
          "--issuing-key",
          file("issuing-ca.key"),
        ],
        ...["--issuing-crl", file("issuing-ca.crl")],
      ];
      const more = {
        SEALWIRE_PKI_PASSPHRASE: "another long enough passphrase",
        SEALWIRE_IMPORT_PASSPHRASE: passphrase,
      };
      const { exitCode, stderr } = await run(["init", ...args], more, where());
      assert.deepEqual([exitCode, stderr], [0, ""]);
      const list = fromPEM("X509 CRL", fs.readFileSync(path.join(where(), "issuing-ca.crl"), "utf8"))[0]!;
      const info = await readRevocationList(
        list,
        fromPEM("CERTIFICATE", fs.readFileSync(file("issuing-ca.crt"), "utf8"))[0]!,
      );
      assert.equal(info.number, number + 1);
      assert.equal(info.serialNumbers.length, 3);
      assert.equal(fs.existsSync(path.join(where(), "root-ca.key")), false);
      assert.ok(
        createPrivateKey({
          key: fs.readFileSync(path.join(where(), "issuing-ca.key")),
          passphrase: more.SEALWIRE_PKI_PASSPHRASE,
        }),
      );
      assert.equal((await run(["device", "pump-0001"], more, where())).exitCode, 0);
    });

    it("are refused when they do not fit together, or are no authorities", async () => {
      const other = folder.join("misfit");
      const init = (...args: string[]): string[] => ["init", ...args];
      const more = { SEALWIRE_IMPORT_PASSPHRASE: passphrase };
      await fail(
        2,
        /is not one of an authority\.$/m,
        init("--root-cert", file("servers", "broker.example.crt")),
        more,
        other,
      );
      await fail(2, /holds no certificate in PEM form\.$/m, init("--root-cert", file("root-ca.key")), more, other);
      await fail(2, /is signed by the root: name --root-key/m, init("--root-cert", file("root-ca.crt")), more, other);
      await fail(
        3,
        /does not belong to its certificate\.$/m,
        init("--root-cert", file("root-ca.crt"), "--root-key", file("issuing-ca.key")),
        more,
        other,
      );
      await fail(
        2,
        /was not signed by the root/m,
        init(
          "--root-cert",
          folder.join("second", "root-ca.crt"),
          "--issuing-cert",
          file("issuing-ca.crt"),
          "--issuing-key",
          file("issuing-ca.key"),
        ),
        more,
        other,
      );
      await fail(
        3,
        /The passphrase for .* is wrong/m,
        init("--root-cert", file("root-ca.crt"), "--root-key", file("root-ca.key")),
        { SEALWIRE_IMPORT_PASSPHRASE: "wrong" },
        other,
      );
      assert.equal(fs.existsSync(other), false);
    });

    it("may be RSA roots with a key that is not encrypted; a new issuing authority is made", async () => {
      const rsa = folder.join("rsa");
      assert.equal((await run(["init", "--key", "RSA-2048"], {}, rsa)).exitCode, 0);
      const key = createPrivateKey({ key: fs.readFileSync(path.join(rsa, "root-ca.key")), passphrase });
      fs.writeFileSync(folder.join("plain.key"), key.export({ type: "pkcs1", format: "pem" }));
      const { exitCode, stderr } = await run(
        ["init", "--root-cert", path.join(rsa, "root-ca.crt"), "--root-key", folder.join("plain.key")],
        {},
        folder.join("mixed"),
      );
      assert.deepEqual([exitCode, stderr], [0, ""]);
      const issuing = new X509Certificate(fs.readFileSync(folder.join("mixed", "issuing-ca.crt")));
      assert.equal(issuing.publicKey.asymmetricKeyType, "ec");
      assert.ok(issuing.verify(createPublicKey(key)));
    });

    it("are refused on a curve that we do not sign with, or with a short RSA key", async function () {
      if (!hasOpenSSL) this.skip();
      for (const [name, ...kind] of [
        ["p384", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
        ["rsa1024", "rsa:1024"],
      ] as const) {
        const [key, certificate] = [folder.join(`${name}.key`), folder.join(`${name}.crt`)];
        const args = ["req", "-x509", "-nodes", "-subj", `/CN=${name}`, "-days", "9", "-newkey", ...kind];
        execFileSync("openssl", [...args, "-keyout", key, "-out", certificate], { stdio: "ignore" });
        await fail(
          3,
          /The private key in .* is neither on P-256 nor of RSA with at least 2048 bits\.$/m,
          ["init", "--root-cert", certificate, "--root-key", key],
          {},
          folder.join(name),
        );
        assert.equal(fs.existsSync(folder.join(name)), false);
      }
    });
  });

  describe("the index", () => {
    const children: ChildProcess[] = [];
    after(() => {
      for (const child of children) child.kill("SIGKILL");
    });

    it("is written by two processes at once, and one that is killed with -9 keeps nobody waiting", async () => {
      const start = (name: string): ChildProcess => {
        const child = spawn(process.execPath, [writer, pki(), name], {
          stdio: ["ignore", "pipe", "inherit"],
          env: { ...process.env, ...environment },
        });
        children.push(child);
        return child;
      };
      const writers = [start("a"), start("b")];
      const rounds = writers.map(
        (child) =>
          new Promise<void>((resolve, reject) => {
            let written = 0;
            child.stdout!.on("data", (chunk) => {
              if ((written += String(chunk).split("wrote").length - 1) >= 5) resolve();
            });
            child.once("exit", (code) => reject(new Error(`The writer ended with exit code ${code ?? "none"}.`)));
          }),
      );
      await Promise.all(rounds);
      // In the midst of it, whatever it is.
      for (const child of writers) {
        child.kill("SIGKILL");
        await once(child, "exit");
        const began = performance.now();
        await succeed("device", `after-${children.indexOf(child)}`);
        assert.ok(performance.now() - began < 10_000);
      }
      const open = new FleetPKI({ folder: pki(), passphrase: () => Promise.resolve(passphrase) });
      try {
        const names = open.index.find({ kind: "device" }).map(({ name }) => name);
        for (const name of ["a", "b"]) {
          const own = names.filter((each) => each.startsWith(`${name}-`));
          assert.ok(own.length >= 5, `${name}: ${own.length}`);
          assert.deepEqual(
            own,
            own.map((_, i) => `${name}-${i}`),
            "none is missing",
          );
        }
        const revoked = open.index.revocations(["server", "device"]).length;
        const { number } = await open.issueList("issuing");
        const list = await readRevocationList(open.revocationLists[1]!, open.issuing);
        assert.deepEqual([list.number, list.serialNumbers.length], [number, revoked]);
        const next = await open.issueList("issuing");
        assert.equal(next.number, number + 1);
      } finally {
        open.close();
      }
    });

    it("does not take the number of a list again that a killed process had published", async () => {
      const open = new FleetPKI({ folder: pki(), passphrase: () => Promise.resolve(passphrase) });
      try {
        const { number } = await open.issueList("issuing");
        open.index.setListNumber("issuing", number - 1);
        assert.equal((await open.issueList("issuing")).number, number + 1);
      } finally {
        open.close();
      }
    });

    it("says when it is damaged", async () => {
      const damaged = folder.join("damaged");
      fs.cpSync(pki(), damaged, { recursive: true });
      for (const name of ["index.db", "index.db-wal", "index.db-shm"])
        fs.rmSync(path.join(damaged, name), { force: true });
      fs.writeFileSync(
        path.join(damaged, "index.db"),
        "this is no database, and longer than a header of one".repeat(100),
      );
      await fail(3, /^sealwire: Cannot use the index .*index\.db: it is damaged\.$/m, ["list"], {}, damaged);
    });
  });

  it("says what is missing: a PKI, or its certificate", async () => {
    await fail(
      3,
      /^sealwire: There is no PKI in .*none: make one with sealwire pki init --pki .*none\.$/m,
      ["list"],
      {},
      folder.join("none"),
    );
    fs.mkdirSync(folder.join("empty"));
    await fail(3, /^sealwire: The folder .*empty is no PKI: /m, ["list"], {}, folder.join("empty"));
  });

  it("makes no half of a PKI on a disk that is full", async function () {
    requireMount(this);
    const { exitCode, stderr, stdout } = await onSmallDisk(
      folder.join("disk"),
      40,
      `SEALWIRE_PKI_PASSPHRASE='${passphrase}' '${process.execPath}' '${main}' pki init --pki here; code=$?; ls -A; exit $code`,
    );
    assert.match(stderr, /^sealwire: Cannot .*(disk is full|or is full)\.$/m);
    assert.deepEqual([exitCode, stdout], [3, ""]);
  });
});
