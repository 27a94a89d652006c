/** `sealwire provision`: what it makes is what the firmware module takes, and nothing it was interrupted at is half there. */
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { createPlatform } from "../../hosts/node/index.js";
import {
  decodeProvisioningRecord,
  PROVISIONING_IMAGE_HEADER,
  readProvisioningImage,
  unlockProvisioningRecord,
  Vault,
} from "../../src/vault/index.js";
import { Permissions } from "../../src/permissions/index.js";
import { createPKI, FleetPKI, fromPEM, toEntry, toPEM } from "../../tools/pki/index.js";
import { nvsImage } from "../../tools/provision/nvs-image.js";
import { oneTimeCode } from "../../tools/provision/one-time-code.js";
import { onSmallDisk, requireMount } from "./support/full-disk.js";
import { parseNVS } from "./support/nvs-parser.js";
import { type CommandResult, killCommands, runCommand, startCommand } from "./support/run-command.js";
import { temporaryFolder } from "./support/temporary-folder.js";

const passphrase = "four horses ate my battery";
const environment = { SEALWIRE_PKI_PASSPHRASE: passphrase };
const main = fileURLToPath(new URL("../../tools/main.js", import.meta.url));
const crypto = createCrypto();

interface Result {
  readonly provisioned: number;
  readonly skipped: number;
  readonly failed: number;
  readonly failures: readonly {
    readonly row: number;
    readonly line: number;
    readonly code: string;
    readonly message: string;
  }[];
}

describe("sealwire provision", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const out = (...parts: string[]): string => folder.join("out", ...parts);
  const common = (...args: string[]): string[] => [
    "provision",
    "--pki",
    folder.join("pki"),
    "--broker",
    "broker.example",
    ...args,
  ];
  const device = (id: string, name: string, where = "out"): Buffer =>
    fs.readFileSync(folder.join(where, "devices", id, name));

  before(() =>
    createPKI({
      folder: folder.join("pki"),
      name: "Acme",
      algorithm: "P-256",
      passphrase,
      importPassphrase: () => Promise.resolve(""),
    }),
  );
  afterEach(killCommands);

  async function withPKI<T>(work: (pki: FleetPKI) => T): Promise<T> {
    const pki = new FleetPKI({ folder: folder.join("pki"), passphrase: () => Promise.resolve(passphrase) });
    try {
      return await work(pki);
    } finally {
      pki.close();
    }
  }

  const run = (...args: string[]): Promise<CommandResult> => runCommand(common(...args), environment);

  async function succeed<T = Result>(...args: string[]): Promise<T> {
    const { exitCode, stdout, stderr } = await run("--out", out(), "--json", ...args);
    assert.deepEqual([exitCode, stderr], [0, ""], stdout);
    return JSON.parse(stdout) as T;
  }

  async function refuse(sentence: RegExp, ...args: string[]): Promise<void> {
    const { exitCode, stderr, stdout } = await run("--out", out(), ...args);
    assert.match(stderr, sentence);
    assert.deepEqual([exitCode, stdout, stderr.trimEnd().split("\n").length], [2, "", 1]);
  }

  function csv(name: string, lines: readonly string[]): string {
    fs.writeFileSync(folder.join(name), `${lines.join("\n")}\n`);
    return folder.join(name);
  }

  /** What each certificate in the index was issued for, and how often. */
  function issuedTo(): Promise<Map<string, number>> {
    return withPKI((pki) => {
      const count = new Map<string, number>();
      for (const { name } of pki.index.find({ kind: "device" })) count.set(name, (count.get(name) ?? 0) + 1);
      return count;
    });
  }

  /** No folder is half there, and each certificate that was given out is in the index. */
  async function isWhole(where: string, files: readonly string[]): Promise<string[]> {
    const devices = fs.readdirSync(path.join(where, "devices"));
    await withPKI((pki) => {
      for (const id of devices) {
        assert.deepEqual(fs.readdirSync(path.join(where, "devices", id)).sort(), [...files].sort(), id);
        const text = fs.readFileSync(path.join(where, "devices", id, "device.crt"), "utf8");
        const { serialNumber } = toEntry("device", fromPEM("CERTIFICATE", text)[0]!);
        assert.ok(pki.index.has(serialNumber), `${id} is in the index`);
      }
    });
    return devices;
  }

  describe("for one device", () => {
    it("makes a record that holds all it needs, for its owner alone to read", async () => {
      await succeed("pump-1");
      const record = decodeProvisioningRecord(device("pump-1", "record.cbor"));
      assert.deepEqual(record.broker, { host: "broker.example", port: 8883 });
      assert.equal(record.clientIdentifier, "pump-1");
      const root = fs.readFileSync(folder.join("pki", "root-ca.crt"), "utf8");
      assert.deepEqual(record.trustAnchors.map((der) => toPEM("CERTIFICATE", der)).join(""), root);
      const leaf = new X509Certificate(record.certificateChain[0]!);
      assert.equal(leaf.subject, "CN=pump-1");
      const key = crypto.importKey("private", record.privateKey!);
      assert.deepEqual(Buffer.from(crypto.publicKey(key)), leaf.publicKey.export({ type: "spki", format: "der" }));
      assert.equal(fs.statSync(out("devices", "pump-1", "record.cbor")).mode & 0o777, 0o600);
      assert.equal(fs.statSync(out("devices", "pump-1")).mode & 0o777, 0o700);
      assert.equal(fs.existsSync(out("in-use")), false);
    });

    it("changes nothing when it is run again", async () => {
      const before = device("pump-1", "record.cbor");
      const { provisioned, skipped } = await succeed("pump-1");
      assert.deepEqual([provisioned, skipped], [0, 1]);
      assert.deepEqual(device("pump-1", "record.cbor"), before);
      assert.equal((await issuedTo()).get("pump-1"), 1);
    });

    it("writes the same record as NVS image and as raw image, and says where to flash them", async () => {
      const { exitCode, stdout } = await run("pump-2", "--format", "record,nvs,raw", "--out", out());
      assert.equal(exitCode, 0);
      const record = device("pump-2", "record.cbor");
      assert.deepEqual(parseNVS(device("pump-2", "nvs.bin")), [
        { namespace: "sealwire", key: "record", value: record },
      ]);
      const raw = device("pump-2", "raw.bin");
      const read = (byteLength: number): Uint8Array =>
        raw.subarray(PROVISIONING_IMAGE_HEADER, PROVISIONING_IMAGE_HEADER + byteLength);
      assert.deepEqual(readProvisioningImage(raw.subarray(0, PROVISIONING_IMAGE_HEADER), read, raw.byteLength), record);
      assert.deepEqual([device("pump-2", "nvs.bin").byteLength, raw.byteLength], [0x6000, 0x4000]);
      assert.match(stdout, /parttool\.py write_partition --partition-name sealwire --input .*pump-2\/nvs\.bin$/m);
      assert.match(stdout, /partitions\.csv: sealwire, data, nvs, , 0x6000\)$/m);
      assert.match(stdout, /secrets in the clear/);
    });

    it("derives the identifier from a MAC address, as the device does", async () => {
      const { id } = await succeed<{ id: string }>("--mac", "24:0A:C4:00:01:02", "--prefix", "acme");
      assert.equal(id, "acme0BFgS4ZJy");
      await refuse(/MAC/, "--mac", "ff:ff:ff:ff:ff:ff");
      await refuse(/^sealwire: The mac must have 12 hexadecimal digits\.$/m, "--mac", "24:0A");
    });

    it("takes user name and password instead of a certificate, and a password is not in the arguments", async () => {
      fs.writeFileSync(folder.join("password"), "a passphrase that is long enough\n");
      const credentials = ["--username", "pump", "--password-file", folder.join("password")];
      await succeed("pump-3", "--no-certificate", "--ca", folder.join("pki", "root-ca.crt"), ...credentials);
      const { certificateChain, privateKey, username, password } = decodeProvisioningRecord(
        device("pump-3", "record.cbor"),
      );
      assert.deepEqual([certificateChain, privateKey, username], [[], undefined, "pump"]);
      assert.equal(Buffer.from(password!).toString(), "a passphrase that is long enough");
      assert.equal((await issuedTo()).get("pump-3"), undefined);
    });

    it("refuses weak passwords, and says nothing of them", async () => {
      for (const [password, why] of [
        ["password1234567890", /common default/],
        ["pump-4", /fewer than 16|client identifier/],
        ["short", /fewer than 16/],
        ["", /is empty/],
        ["abcabcabcabcabcabc", /one short pattern/],
      ] as const) {
        fs.writeFileSync(folder.join("weak"), `${password}\n`);
        const { exitCode, stderr } = await run(
          "pump-4",
          "--username",
          "pump-4",
          "--password-file",
          folder.join("weak"),
          "--out",
          out(),
        );
        assert.match(stderr, why);
        assert.ok(exitCode !== 0 && (password.length < 7 || !stderr.includes(password)));
      }
      assert.equal(fs.existsSync(out("devices", "pump-4")), false);
      assert.equal((await issuedTo()).get("pump-4"), undefined);
    });

    it("gives the device the lists of the PKI, when it shall check them", async () => {
      await succeed("pump-5", "--revocation", "chain");
      const record = decodeProvisioningRecord(device("pump-5", "record.cbor"));
      assert.deepEqual([record.revocation, record.revocationLists?.length], ["chain", 2]);
    });

    it("gives the device its topic permissions, when they are well-formed", async () => {
      const file = folder.join("permissions.json");
      fs.writeFileSync(file, '[{ "topic": "%c/telemetry", "operation": "publish" }]');
      await succeed("pump-6", "--permissions", file);
      const { permissions } = decodeProvisioningRecord(device("pump-6", "record.cbor"));
      assert.deepEqual(Permissions.parse(permissions!).entries, [{ topic: "%c/telemetry", operation: "publish" }]);
      fs.writeFileSync(file, "{");
      await refuse(/permissions\.json \(--permissions\): /, "pump-61", "--permissions", file);
    });

    it("refuses trust anchors that would lock the device out: what is no certificate, no authority, or has expired", async () => {
      const authority = (name: string): string => folder.join("pki", name);
      const pem = (name: string, text: string): string => {
        fs.writeFileSync(folder.join(name), text);
        return folder.join(name);
      };
      const garbage = pem("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
      await refuse(/garbage\.pem \(--ca\) holds a certificate that cannot be read\.$/m, "a", "--ca", garbage);
      await refuse(/issuing-ca\.key \(--ca\) holds no certificate/, "a", "--ca", authority("issuing-ca.key"));
      await succeed("anchored", "--ca", authority("ca-chain.crt"));
      assert.equal(decodeProvisioningRecord(device("anchored", "record.cbor")).trustAnchors.length, 2);
      // Its chain holds the authority, too.
      const leaf = out("devices", "anchored", "device.crt");
      await refuse(/\(--ca\) holds CN=anchored, which is not an authority\.$/m, "a", "--ca", leaf);
      await createPKI({
        folder: folder.join("expired"),
        name: "Old",
        algorithm: "P-256",
        rootDays: 1,
        passphrase,
        importPassphrase: () => Promise.resolve(""),
        now: Date.now() - 3 * 24 * 60 * 60 * 1000,
      });
      const expired = folder.join("expired", "root-ca.crt");
      await refuse(/\(--ca\) holds CN=Old Root CA, which expired on 20\d\d-\d\d-\d\d\.$/m, "a", "--ca", expired);
      assert.equal(fs.existsSync(out("devices", "a")), false);
    });

    it("says when a device has another certificate that is valid: two of the same name push each other out", async () => {
      const again = (...args: string[]): Promise<CommandResult> => run(...args, "--out", folder.join("again"));
      await succeed("twin-1");
      await succeed("twin-2");
      const one = await again("twin-1");
      assert.equal(one.exitCode, 0);
      assert.match(
        one.stderr,
        /^sealwire: twin-1 has another certificate that is valid: a second device of that name would push the first out\. Revoke the old one \(sealwire pki list, sealwire pki revoke\)\.\n$/,
      );
      const many = await again("--csv", csv("twins.csv", ["id", "twin-1", "twin-2", "twin-3"]), "--json");
      assert.match(many.stderr, /^sealwire: twin-2 has another certificate that is valid: [^\n]*\n$/);
      await withPKI((pki) => pki.revoke(pki.index.find({ name: "twin-2" }), "superseded"));
      assert.equal((await run("twin-2", "--out", folder.join("third"))).stderr, "");
      const more = await run("--csv", folder.join("twins.csv"), "--out", folder.join("fourth"));
      assert.match(more.stderr, /^sealwire: twin-1 and 2 others have another certificate that is valid: /);
      const gauge = await run("twin-1", "--simulator", folder.join("twin"));
      assert.match(gauge.stderr, /^sealwire: twin-1 has another certificate/);
    });

    it("says when a device that is flashed would look for its broker in itself", async () => {
      for (const broker of ["localhost", "127.0.0.1:8883", "[::1]:8883"]) {
        const { exitCode, stderr } = await run(`self-${broker.length}`, "--broker", broker, "--out", out());
        assert.equal(exitCode, 0);
        assert.match(stderr, /^sealwire: The broker is (localhost|127\.0\.0\.1|::1), which to a device is itself: /);
      }
      assert.equal((await run("s", "--broker", "localhost", "--simulator", folder.join("self"))).stderr, "");
    });

    it("wants options that go together", async () => {
      await refuse(/one of the three\.$/m);
      await refuse(/one of the three\.$/m, "a", "--mac", "24:0A:C4:00:01:02");
      await refuse(/--username and --password-file go together/, "a", "--username", "b");
      await refuse(/--aws needs certificates/, "a", "--no-certificate", "--aws");
      await refuse(/--format must be/, "a", "--format", "zip");
      await refuse(/--partition-size must be/, "a", "--partition-size", "5000");
      await refuse(
        /does not fit into an NVS partition of 4096|at least 12288/,
        "a",
        "--format",
        "nvs",
        "--partition-size",
        "0x1000",
      );
      await refuse(/--broker must be host:port/, "a", "--broker", "broker:99999");
    });
  });

  describe("with a key that was born on the device", () => {
    it("makes a record without a key, which the device's vault completes", async () => {
      const platform = createPlatform({ folder: folder.join("born"), log: () => undefined });
      const open = (): Vault => Vault.open({ ...platform, clock: { now: () => Date.now() } });
      const request = await open().certificateRequest("pump-10");
      fs.writeFileSync(folder.join("pump-10.csr"), toPEM("CERTIFICATE REQUEST", request));
      await succeed("pump-10", "--csr", folder.join("pump-10.csr"));
      const record = device("pump-10", "record.cbor");
      assert.equal(decodeProvisioningRecord(record).privateKey, undefined);
      fs.writeFileSync(folder.join("born", "provisioning.bin"), record);
      const vault = open();
      assert.equal(vault.import(platform.provisioning!), true);
      const { certificateChain, privateKey } = vault.credentials;
      assert.deepEqual(crypto.publicKey(privateKey!), crypto.certificate(certificateChain![0]!).publicKey);
      assert.equal(platform.provisioning!.read(), undefined);
      assert.deepEqual(
        fs.readdirSync(folder.join("born", "storage")).filter((name) => name.includes("v%2ek")),
        [],
      );
      // Once more, as after a power cut before the erase.
      fs.writeFileSync(folder.join("born", "provisioning.bin"), record);
      assert.equal(open().import(platform.provisioning!), false);
      assert.equal(platform.provisioning!.read(), undefined);
    });

    it("refuses a request of another device", async () => {
      await refuse(/is for "pump-10", not for "pump-11"\.$/m, "pump-11", "--csr", folder.join("pump-10.csr"));
    });

    it("does all of it with a simulated device, whose vault it can open", async () => {
      const { serialNumber } = await succeed<{ serialNumber: string }>(
        "gauge",
        "--simulator",
        folder.join("simulated"),
      );
      const platform = createPlatform({ folder: folder.join("simulated"), log: () => undefined });
      const vault = Vault.open({ ...platform, clock: { now: () => Date.now() } });
      assert.equal(vault.status.integrity, "ok");
      assert.equal(vault.credentials.clientIdentifier, "gauge");
      assert.equal(
        Buffer.from(crypto.certificate(vault.credentials.certificateChain![0]!).serialNumber).toString("hex"),
        serialNumber,
      );
      const again = await run("gauge", "--simulator", folder.join("simulated"));
      assert.match(again.stderr, /is provisioned already: name another folder\.$/m);
      assert.equal(again.exitCode, 3);
    });
  });

  describe("with --encrypt", () => {
    it("tells the one-time code once, keeps it in a file for its owner, and the record opens with it alone", async () => {
      const { exitCode, stdout } = await run("pump-20", "--encrypt", "--format", "record,nvs", "--out", out());
      assert.equal(exitCode, 0);
      const [, code] = /^Code {5}([0-9A-Z-]{23}) /m.exec(stdout) ?? [];
      assert.ok(code !== undefined);
      assert.equal(fs.readFileSync(out("codes.csv"), "utf8"), `pump-20,${code}\n`);
      assert.equal(fs.statSync(out("codes.csv")).mode & 0o777, 0o600);
      const locked = device("pump-20", "record.cbor");
      assert.throws(() => decodeProvisioningRecord(locked));
      assert.deepEqual(parseNVS(device("pump-20", "nvs.bin"))[0]?.value, locked);
      const record = decodeProvisioningRecord(unlockProvisioningRecord(crypto, locked, code));
      assert.equal(record.clientIdentifier, "pump-20");
      const json = await run("pump-21", "--encrypt", "--json", "--out", out());
      const [, second] = fs.readFileSync(out("codes.csv"), "utf8").trimEnd().split("\n");
      assert.ok(
        second?.startsWith("pump-21,") && !json.stdout.includes(second.slice(8)),
        "a script finds it in the file",
      );
    });

    it("draws codes that are never the same", () => {
      const codes = Array.from({ length: 2000 }, oneTimeCode);
      assert.equal(new Set(codes).size, codes.length);
      for (const code of codes) assert.match(code, /^([0-9A-HJKMNP-TV-Z]{5}-){3}[0-9A-HJKMNP-TV-Z]{5}$/);
    });
  });

  describe("for a table of devices", () => {
    it("names the row that is malformed, does the others, and a second run finishes: row 4,711 of 10,000", async () => {
      const rows = Array.from(
        { length: 10_000 },
        (_, i) => `t-${i + 1},user-${i + 1},secret of device ${i * 7919 + 1}`,
      );
      const good = rows[4710]!;
      rows[4710] = 't-4711,user-4711,"this is never closed';
      const file = csv("table.csv", ["id,username,password", ...rows]);
      const args = [
        "--csv",
        file,
        "--no-certificate",
        "--ca",
        folder.join("pki", "root-ca.crt"),
        "--json",
        "--out",
        folder.join("table"),
      ];
      const first = await run(...args);
      assert.equal(first.exitCode, 1);
      assert.match(first.stderr, /^sealwire: Row 4711 \(line 4712\): A quotation mark is not closed\.$/m);
      const { provisioned, failed, failures } = JSON.parse(first.stdout) as Result;
      assert.deepEqual([provisioned, failed], [9999, 1]);
      assert.deepEqual([failures[0]!.row, failures[0]!.line, failures[0]!.code], [4711, 4712, "INVALID_ARGUMENT"]);
      const untouched = fs.statSync(folder.join("table", "devices", "t-1")).mtimeMs;
      rows[4710] = good;
      csv("table.csv", ["id,username,password", ...rows]);
      const second = await run(...args);
      assert.deepEqual([second.exitCode, second.stderr], [0, ""]);
      const again = JSON.parse(second.stdout) as Result;
      assert.deepEqual([again.provisioned, again.skipped, again.failed], [1, 9999, 0]);
      assert.equal(fs.readdirSync(folder.join("table", "devices")).length, 10_000);
      assert.equal(fs.statSync(folder.join("table", "devices", "t-1")).mtimeMs, untouched);
    });

    it("names every kind of bad row, and no secret in it", async () => {
      const file = csv("bad.csv", [
        "id,mac,username,password,allow_short_password,csr,payload_secret",
        "bad-1,,,,,,",
        ",,,,,,",
        "bad-2,24:0a:c4:00:01:03,,,,,",
        ",01:00:5e:00:00:01,,,,,",
        "../bad,,,,,,",
        "bad-1,,,,,,",
        "bad-3,,user,hunter2,,,",
        "bad-4,,user,,,,",
        "bad-5,,,a long and lonely secret,,,",
        "bad-6,,,,maybe,,",
        "bad-7,,,,,missing.csr,",
        "bad-8,,,,,,xyz",
        "bad-9,,,,,,00",
        "bad-10,,",
        'bad-11,,"a""quoted, name",a long and lonely secret,,,',
      ]);
      const { exitCode, stdout, stderr } = await run("--csv", file, "--out", folder.join("bad"), "--json");
      assert.equal(exitCode, 1);
      const { provisioned, failed, failures } = JSON.parse(stdout) as Result;
      assert.deepEqual([provisioned, failed], [2, 13]);
      const expected = [
        /needs an id or a mac/,
        /needs an id or a mac, and not both/,
        /MAC/,
        /client identifier must be/,
        /is in row 1, too/,
        /common default|fewer than 16/,
      ];
      expected.push(
        /has no password/,
        /a password, but no username/,
        /yes or no/,
        /missing\.csr: it does not exist/,
        /hexadecimal/,
        /payload secret/,
        /3 fields, the header has 7/,
      );
      for (const [i, pattern] of expected.entries()) {
        assert.match(failures[i]!.message, pattern, `row ${i + 2}`);
        assert.equal(failures[i]!.row, i + 2);
      }
      for (const secret of ["hunter2", "lonely secret"])
        assert.ok(!stderr.includes(secret) && !stdout.includes(secret));
      assert.equal(decodeProvisioningRecord(device("bad-11", "record.cbor", "bad")).username, 'a"quoted, name');
    });

    it("refuses a table that is missing, empty, or has columns it does not know", async () => {
      const emptyFile = folder.join("empty.csv");
      fs.writeFileSync(emptyFile, "");
      await refuse(/There is no file .*nothing\.csv \(--csv\)\.$/m, "--csv", folder.join("nothing.csv"));
      await refuse(/is empty: its first line must name the columns\.$/m, "--csv", emptyFile);
      await refuse(/"colour" is no column; there are id, mac, /, "--csv", csv("unknown.csv", ["id,colour"]));
      await refuse(/a column is there twice/, "--csv", csv("twice.csv", ["id,id"]));
    });

    it("takes UTF-8 alone: a password in another encoding would be another one on the device", async () => {
      const rows = "id,username,password\nutf-1,u,Straße und Wiese 4711\nutf-2,u,a long and lonely secret\n";
      const ca = ["--no-certificate", "--ca", folder.join("pki", "root-ca.crt")];
      fs.writeFileSync(folder.join("utf8.csv"), `\ufeff${rows}`);
      await succeed("--csv", folder.join("utf8.csv"), ...ca);
      const { password } = decodeProvisioningRecord(device("utf-1", "record.cbor"));
      assert.equal(Buffer.from(password!).toString(), "Straße und Wiese 4711");
      fs.writeFileSync(folder.join("latin1.csv"), rows, "latin1");
      const { exitCode, stdout } = await run(
        "--csv",
        folder.join("latin1.csv"),
        ...ca,
        "--json",
        "--out",
        out("latin1"),
      );
      const { provisioned, failures } = JSON.parse(stdout) as Result;
      assert.deepEqual([exitCode, provisioned], [1, 1]);
      assert.deepEqual(
        failures.map(({ row, message }) => [row, message]),
        [[1, "It is not in UTF-8."]],
      );
      fs.writeFileSync(folder.join("utf16.csv"), `\ufeff${rows}`, "utf16le");
      await refuse(/utf16\.csv is refused: it is not in UTF-8\.$/m, "--csv", folder.join("utf16.csv"), ...ca);
      fs.writeFileSync(folder.join("utf16.csv"), rows, "utf16le");
      await refuse(/utf16\.csv is refused: it is not in UTF-8\.$/m, "--csv", folder.join("utf16.csv"), ...ca);
    });

    it("shows progress on a terminal only", async () => {
      const { stderr } = await run("--csv", csv("few.csv", ["id", "few-1", "few-2"]), "--out", folder.join("few"));
      assert.equal(stderr, "");
    });

    for (const delay of [0, 60, 200])
      it(`goes on where it was killed with -9 (${delay} ms after the first devices)`, async () => {
        const where = folder.join(`killed-${delay}`);
        const rows = Array.from({ length: 200 }, (_, i) => `k${delay}-${i + 1}`);
        const args = common(
          "--csv",
          csv(`killed-${delay}.csv`, ["id", ...rows]),
          "--encrypt",
          "--format",
          "raw",
          "--out",
          where,
        );
        const running = startCommand(args, environment);
        const some = (): number =>
          fs.existsSync(path.join(where, "devices")) ? fs.readdirSync(path.join(where, "devices")).length : 0;
        while (some() === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        await new Promise((resolve) => setTimeout(resolve, delay));
        running.child.kill("SIGKILL");
        await running.result;
        const before = fs.readdirSync(path.join(where, "devices")).filter((name) => !name.startsWith("."));
        assert.ok(before.length < rows.length, "it was killed in the midst of it");
        const second = await runCommand([...args, "--json"], environment);
        assert.deepEqual([second.exitCode, second.stderr], [0, ""]);
        const { provisioned, skipped } = JSON.parse(second.stdout) as Result;
        assert.deepEqual([provisioned + skipped, skipped], [rows.length, before.length]);
        assert.deepEqual((await isWhole(where, ["device.crt", "raw.bin"])).sort(), [...rows].sort());
        const issued = await issuedTo();
        for (const row of rows) assert.equal(issued.get(row), 1, `${row}: one certificate, no orphan`);
        const codes = new Map(
          fs
            .readFileSync(path.join(where, "codes.csv"), "utf8")
            .trimEnd()
            .split("\n")
            .map((line) => line.split(",") as [string, string]),
        );
        for (const row of rows) {
          const raw = fs.readFileSync(path.join(where, "devices", row, "raw.bin"));
          const locked = readProvisioningImage(
            raw.subarray(0, 16),
            (byteLength) => raw.subarray(16, 16 + byteLength),
            raw.byteLength,
          )!;
          assert.equal(
            decodeProvisioningRecord(unlockProvisioningRecord(crypto, locked, codes.get(row))).clientIdentifier,
            row,
          );
        }
      });

    it("ends after the present batch at Ctrl-C, and says that it can go on", async () => {
      const where = folder.join("interrupted");
      const args = common(
        "--csv",
        csv("interrupted.csv", ["id", ...Array.from({ length: 2000 }, (_, i) => `i-${i}`)]),
        "--out",
        where,
      );
      const running = startCommand(args, environment);
      const begun = (): boolean =>
        fs.existsSync(path.join(where, "devices")) &&
        fs.readdirSync(path.join(where, "devices")).some((name) => !name.startsWith("."));
      while (!begun()) await new Promise((resolve) => setTimeout(resolve, 10));
      running.child.kill("SIGINT");
      const { exitCode, stderr } = await running.result;
      assert.deepEqual(
        [exitCode, stderr],
        [130, "sealwire: Interrupted: run the same command again, it goes on from here.\n"],
      );
      await isWhole(where, ["device.crt", "record.cbor"]);
    });

    it("does not use a folder that another run uses", async () => {
      const where = folder.join("shared");
      const args = common(
        "--csv",
        csv("shared.csv", ["id", ...Array.from({ length: 2000 }, (_, i) => `s-${i}`)]),
        "--out",
        where,
      );
      const running = startCommand(args, environment);
      while (!fs.existsSync(path.join(where, "in-use"))) await new Promise((resolve) => setTimeout(resolve, 10));
      const { exitCode, stderr } = await run("one", "--out", where);
      assert.equal(exitCode, 3);
      assert.match(stderr, /is in use by process \d+/);
      running.child.kill("SIGKILL");
      await running.result;
    });

    it("leaves nothing half written on a disk that is full, and goes on when there is room", async function () {
      requireMount(this);
      const file = csv("full.csv", ["id", ...Array.from({ length: 400 }, (_, i) => `f-${i}`)]);
      const args = [
        "provision",
        "--csv",
        file,
        "--broker",
        "broker.example",
        "--format",
        "nvs",
        "--pki",
        folder.join("pki"),
      ];
      const command = `SEALWIRE_PKI_PASSPHRASE='${passphrase}' '${process.execPath}' '${main}' ${args.join(" ")} --out here`;
      // The index is on a disk with room, the devices are not.
      const script = `${command}; echo "exit $?"; ls -A here/devices | grep -c unfinished; ls here/devices | wc -l; mount -o remount,size=64m "$1"; ${command} --json; echo "exit $?"; ls here/devices | wc -l; cp -r here '${folder.join("full")}'`;
      const { stdout, stderr } = await onSmallDisk(folder.join("disk"), 4096, script);
      assert.match(
        stderr,
        /^sealwire: Cannot write to here: the disk is full\. What is whole was kept; the same command goes on from there\.\n$/,
      );
      const [, exitCode, unfinished, kept, json, second, all] =
        /^exit (\d+)\n(\d+)\n(\d+)\n(\{[^]*\})\nexit (\d+)\n(\d+)\n$/.exec(stdout) ?? [];
      assert.deepEqual([exitCode, unfinished, second, all], ["3", "0", "0", "400"], stdout);
      const { provisioned, skipped } = JSON.parse(json!) as Result;
      assert.ok(Number(kept) > 0 && Number(kept) < 400);
      assert.deepEqual([provisioned, skipped], [400 - Number(kept), Number(kept)]);
      await isWhole(folder.join("full"), ["device.crt", "nvs.bin"]);
      const issued = await issuedTo();
      for (let i = 0; i < 400; i++) assert.equal(issued.get(`f-${i}`), 1);
    });
  });

  describe("for AWS IoT Core", () => {
    it("writes a template, a policy and one line per device, from whatever is there", async () => {
      const where = folder.join("aws-fleet");
      await run("--csv", csv("aws.csv", ["id", "w-1", "w-2", "w-3"]), "--aws", "--out", where);
      const read = (name: string): string => fs.readFileSync(path.join(where, "aws", name), "utf8");
      const things = read("things.jsonl")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, string>);
      assert.deepEqual(
        things.map((thing) => thing["ThingName"]),
        ["w-1", "w-2", "w-3"],
      );
      for (const thing of things) {
        assert.equal(new X509Certificate(thing["CertificatePem"]!).subject, `CN=${thing["ThingName"]!}`);
        assert.ok(
          new X509Certificate(thing["CertificatePem"]!).verify(
            new X509Certificate(thing["CACertificatePem"]!).publicKey,
          ),
        );
      }
      const template = JSON.parse(read("template.json")) as { Parameters: object };
      assert.deepEqual(Object.keys(template.Parameters).sort(), Object.keys(things[0]!).sort());
      assert.ok(
        read("policy.json").includes("${iot:Connection.Thing.ThingName}") && !read("policy.json").includes('"*"'),
      );
      assert.ok(!read("things.jsonl").includes("PRIVATE"));
    });

    it("refuses client identifiers that no thing of AWS can have", async () => {
      await refuse(/"pump\.1" cannot be the name of a thing of AWS IoT Core: /, "pump.1", "--aws");
      assert.equal(fs.existsSync(out("devices", "pump.1")), false);
      await succeed("pump.1");
    });

    it("takes a policy that the user brings, and refuses what is none", async () => {
      const policy = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "iot:Connect", Resource: "*" }] };
      fs.writeFileSync(folder.join("policy.json"), JSON.stringify(policy));
      await run("w-9", "--aws", "--aws-policy", folder.join("policy.json"), "--out", folder.join("aws-own"));
      assert.deepEqual(JSON.parse(fs.readFileSync(folder.join("aws-own", "aws", "policy.json"), "utf8")), policy);
      for (const text of [
        "",
        "[]",
        "{}",
        '{"Version":"2012-10-17","Statement":[]}',
        JSON.stringify({ ...policy, x: "y".repeat(3000) }),
      ]) {
        fs.writeFileSync(folder.join("policy.json"), text);
        await refuse(/policy/, "w-10", "--aws", "--aws-policy", folder.join("policy.json"));
      }
    });
  });
});

describe("NVS images", () => {
  const options = { namespace: "sealwire", key: "record", size: 0x6000 };

  it("hold blobs of every length that fits, and are refused otherwise", () => {
    // Around the ends of entries, pages and chunks.
    const lengths = [
      1, 31, 32, 33, 3935, 3936, 3937, 3967, 3968, 3969, 3999, 4000, 4001, 7935, 7936, 7937, 7968, 12_000, 15_800,
    ];
    for (const length of lengths) {
      const blob = Buffer.from(Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
      assert.deepEqual(
        parseNVS(nvsImage({ ...options, blob })),
        [{ namespace: "sealwire", key: "record", value: blob }],
        String(length),
      );
    }
    assert.throws(
      () => nvsImage({ ...options, blob: new Uint8Array(20_000) }),
      /does not fit into an NVS partition of 24576 bytes/,
    );
  });

  it("are byte for byte what Espressif's own generator makes of the same blob", () => {
    // SHA-256 of the output of nvs_partition_gen.py for 5,000 bytes 0, 1, 2 … 255, 0 … and a partition of 0x6000.
    const blob = Uint8Array.from({ length: 5000 }, (_, i) => i & 0xff);
    const image = nvsImage({ ...options, blob });
    assert.equal(
      createHash("sha256").update(image).digest("hex"),
      "999cf5de03c4aca86f8d7d03664d1d36b9ae9b9b4bf6bd8eb7343992aed5b7a6",
    );
  });
});
