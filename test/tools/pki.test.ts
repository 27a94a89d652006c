import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import type { AddressInfo } from "node:net";
import * as path from "node:path";
import * as tls from "node:tls";
import {
  type Credentials,
  DevelopmentPKI,
  fromPEM,
  generateKeys,
  issueAuthority,
  issueRevocationList,
  issueRoot,
  issueServer,
  readRevocationList,
  toPEM,
} from "../../tools/pki/index.js";
import { CommandFailure } from "../../tools/failure.js";
import { temporaryFolder } from "./support/temporary-folder.js";

const names = ["localhost", "127.0.0.1", "::1"];
const day = 24 * 60 * 60 * 1000;
const client = "0ABCdef99";

function privateKeyOf({ privateKey }: Credentials): ReturnType<typeof createPrivateKey> {
  return createPrivateKey({ key: Buffer.from(privateKey), format: "der", type: "pkcs8" });
}

/** The text that `openssl x509 -text` would show of an extension is not to be had; its DER, found by its identifier, is. */
function holds(certificate: X509Certificate, hex: string): boolean {
  return certificate.raw.toString("hex").includes(hex);
}

const extension = {
  authority: "0603551d130101ff040530030101ff",
  authorityOfEndEntities: "0603551d130101ff040830060101ff020100",
  endEntity: "0603551d130101ff04023000",
  signsCertificatesAndLists: "0603551d0f0101ff040403020106",
  digitalSignature: "0603551d0f0101ff040403020780",
  subjectKeyIdentifier: "0603551d0e",
  authorityKeyIdentifier: "0603551d23",
  serverAuth: "0603551d25040c300a06082b06010505070301",
  clientAuth: "0603551d25040c300a06082b06010505070302",
};

describe("The development PKI", () => {
  const folder = temporaryFolder();
  let pki: DevelopmentPKI;
  let device: Credentials;

  before(async () => {
    pki = await DevelopmentPKI.open({ folder: folder.join("dev"), names });
    device = await pki.device(client);
  });

  it("has a root that signed itself and may sign authorities", () => {
    const root = new X509Certificate(pki.root);
    assert.ok(root.ca && root.verify(root.publicKey) && root.checkIssued(root));
    assert.ok(holds(root, extension.authority));
    assert.ok(holds(root, extension.signsCertificatesAndLists));
    assert.ok(holds(root, extension.subjectKeyIdentifier));
  });

  it("has an issuing authority under the root that may sign end entities only", () => {
    const root = new X509Certificate(pki.root);
    const issuing = new X509Certificate(pki.server.certificateChain[1]!);
    assert.ok(issuing.ca && issuing.verify(root.publicKey) && issuing.checkIssued(root));
    assert.ok(holds(issuing, extension.authorityOfEndEntities));
    assert.ok(holds(issuing, extension.signsCertificatesAndLists));
    assert.ok(holds(issuing, extension.authorityKeyIdentifier));
  });

  it("gives the server a P-256 certificate for each of its names, for serverAuth alone", () => {
    const [leaf, issuing] = pki.server.certificateChain.map((der) => new X509Certificate(der));
    assert.ok(leaf && issuing);
    assert.ok(!leaf.ca && leaf.verify(issuing.publicKey) && leaf.checkIssued(issuing));
    assert.equal(leaf.checkHost("localhost"), "localhost");
    assert.equal(leaf.checkHost("elsewhere"), undefined);
    assert.ok(leaf.checkIP("127.0.0.1") && leaf.checkIP("::1"));
    assert.equal(leaf.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
    assert.ok(leaf.checkPrivateKey(privateKeyOf(pki.server)));
    for (const expected of ["endEntity", "digitalSignature", "serverAuth", "authorityKeyIdentifier"] as const)
      assert.ok(holds(leaf, extension[expected]), expected);
    assert.ok(!holds(leaf, extension.clientAuth));
  });

  it("gives a device a certificate whose common and alternative name is its client identifier, for clientAuth alone", () => {
    const leaf = new X509Certificate(device.certificateChain[0]!);
    assert.equal(leaf.subject, `CN=${client}`);
    assert.equal(leaf.subjectAltName, `DNS:${client}`);
    assert.ok(leaf.checkPrivateKey(privateKeyOf(device)));
    for (const expected of ["endEntity", "digitalSignature", "clientAuth"] as const)
      assert.ok(holds(leaf, extension[expected]), expected);
    assert.ok(!holds(leaf, extension.serverAuth));
  });

  it("gives each certificate another serial number, of 16 bytes", () => {
    const serials = [pki.root, ...pki.server.certificateChain, device.certificateChain[0]!].map(
      (der) => new X509Certificate(der).serialNumber,
    );
    assert.equal(new Set(serials).size, serials.length);
    for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/);
  });

  it("lets nothing outlive what signed it", () => {
    const [leaf, issuing] = pki.server.certificateChain.map((der) => new X509Certificate(der));
    const end = (certificate: X509Certificate | undefined): number => Date.parse(certificate!.validTo);
    assert.ok(end(leaf) <= end(issuing) && end(issuing) <= end(new X509Certificate(pki.root)));
  });

  it("has a revocation list of each authority, with number and end", async () => {
    const issuers = [pki.root, pki.server.certificateChain[1]!];
    for (const [i, issuer] of issuers.entries()) {
      const info = await readRevocationList(pki.revocationLists[i]!, issuer);
      assert.equal(info.number, 1);
      assert.ok(info.nextUpdate.getTime() > Date.now() + 20 * day);
      assert.deepEqual(info.serialNumbers, []);
      await assert.rejects(readRevocationList(pki.revocationLists[i]!, issuers[1 - i]!), { code: "CRYPTO_INVALID" });
    }
    assert.match(fs.readFileSync(folder.join("dev", "root-ca.crl"), "utf8"), /^-----BEGIN X509 CRL-----\n/);
  });

  it("is good for a mutual-TLS handshake with revocation checks, in TLS 1.2 and 1.3", async () => {
    const roots = toPEM("CERTIFICATE", pki.root);
    const crl = pki.revocationLists.map((der) => toPEM("X509 CRL", der));
    const identity = ({ certificateChain, privateKey }: Credentials): tls.SecureContextOptions => ({
      cert: certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
      key: toPEM("PRIVATE KEY", privateKey),
      ca: roots,
      crl,
    });
    const server = tls.createServer({ ...identity(pki.server), requestCert: true, rejectUnauthorized: true });
    const accepted: string[] = [];
    server.on("secureConnection", (socket) => {
      accepted.push(String(socket.getPeerCertificate().subject.CN));
      socket.end();
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    try {
      for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
        const socket = tls.connect({
          ...identity(device),
          host: "127.0.0.1",
          port,
          servername: "localhost",
          minVersion: version,
          maxVersion: version,
        });
        await once(socket, "secureConnect");
        assert.ok(socket.authorized);
        assert.equal(socket.getProtocol(), version);
        socket.resume();
        await once(socket, "close");
      }
      assert.deepEqual(accepted, [client, client]);
    } finally {
      server.close();
    }
  });

  it("keeps private keys from other users and everything from git", () => {
    for (const name of ["root-ca.key", "issuing-ca.key", "server.key", path.join("devices", `${client}.key`)])
      assert.equal(fs.statSync(folder.join("dev", name)).mode & 0o777, 0o600, name);
    assert.equal(fs.readFileSync(folder.join("dev", ".gitignore"), "utf8"), "*\n");
  });

  it("leaves no temporary files", () => {
    const files = fs.readdirSync(folder.join("dev"), { recursive: true, encoding: "utf8" });
    assert.deepEqual(
      files.filter((file) => path.basename(file).startsWith(".")),
      [".gitignore"],
    );
  });

  it("refuses a client identifier that would leave its folder, or is empty or too long", async () => {
    for (const bad of ["../x", "a/b", "", ".x", "x".repeat(65), "a\nb", "a\0b"])
      await assert.rejects(pki.device(bad), { code: "INVALID_ARGUMENT" }, JSON.stringify(bad));
  });
});

describe("The development PKI on a later run", () => {
  const folder = temporaryFolder();

  function contents(place: string): Record<string, string> {
    const entries = fs.readdirSync(place, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return Object.fromEntries(
      entries.map((entry) => {
        const file = path.join(entry.parentPath, entry.name);
        return [path.relative(place, file), fs.readFileSync(file, "utf8")];
      }),
    );
  }

  async function made(name: string): Promise<string> {
    const place = folder.join(name);
    await (await DevelopmentPKI.open({ folder: place, names })).device(client);
    return place;
  }

  it("changes nothing while all is valid", async () => {
    const place = await made("same");
    const before = contents(place);
    await made("same");
    assert.deepEqual(contents(place), before);
  });

  it("renews what ends within a day, with the same keys, and numbers the lists on", async () => {
    const place = await made("renewed");
    const before = contents(place);
    const later = await DevelopmentPKI.open({ folder: place, names, now: Date.now() + 89.5 * day });
    const after = contents(place);
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    assert.deepEqual(changed.sort(), ["issuing-ca.crl", "root-ca.crl", "server.crt"]);
    assert.equal((await readRevocationList(later.revocationLists[0]!, later.root)).number, 2);
    assert.ok(new X509Certificate(later.server.certificateChain[0]!).checkPrivateKey(privateKeyOf(later.server)));
  });

  it("renews even the root after ten years, and old certificates still fit its key", async () => {
    const place = await made("old");
    const before = await DevelopmentPKI.open({ folder: place, names });
    const later = await DevelopmentPKI.open({ folder: place, names, now: Date.now() + 3649.5 * day });
    assert.notDeepEqual(later.root, before.root);
    const issuing = new X509Certificate(before.server.certificateChain[1]!);
    assert.ok(issuing.verify(new X509Certificate(later.root).publicKey));
  });

  it("issues the server's certificate again when it lacks a name", async () => {
    const place = await made("named");
    const pki = await DevelopmentPKI.open({ folder: place, names: [...names, "broker.test"] });
    assert.equal(new X509Certificate(pki.server.certificateChain[0]!).checkHost("broker.test"), "broker.test");
  });

  it("replaces a damaged certificate or list, and one of another authority", async () => {
    const place = await made("damaged");
    const other = await made("other");
    fs.writeFileSync(path.join(place, "server.crt"), "rubbish");
    fs.writeFileSync(path.join(place, "root-ca.crl"), toPEM("X509 CRL", new Uint8Array([0x30, 0x80, 1, 2])));
    fs.copyFileSync(path.join(other, "issuing-ca.crt"), path.join(place, "issuing-ca.crt"));
    const pki = await DevelopmentPKI.open({ folder: place, names });
    const [leaf, issuing] = pki.server.certificateChain.map((der) => new X509Certificate(der));
    assert.ok(leaf!.verify(issuing!.publicKey) && issuing!.verify(new X509Certificate(pki.root).publicKey));
    await readRevocationList(pki.revocationLists[0]!, pki.root);
  });

  it("says which key is damaged, and nothing of what is in the file", async () => {
    const place = await made("key");
    const file = path.join(place, "server.key");
    fs.writeFileSync(file, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
    await assert.rejects(DevelopmentPKI.open({ folder: place, names }), (error) => {
      assert.ok(error instanceof CommandFailure);
      assert.equal(error.code, "CRYPTO_INVALID");
      assert.ok(error.message.startsWith(file));
      assert.ok(!`${error.message}${String(error.cause)}`.includes("c2VjcmV0"));
      return true;
    });
  });

  it("says when the folder cannot be made", async () => {
    const file = folder.join("file");
    fs.writeFileSync(file, "");
    await assert.rejects(DevelopmentPKI.open({ folder: path.join(file, "dev"), names }), {
      code: "STORAGE_FAILED",
      exitCode: 3,
    });
  });
});

describe("The development PKI in several runs at once", () => {
  const folder = temporaryFolder();

  it("has one set of keys, and each run's certificates fit those of every other", async () => {
    const place = folder.join("dev");
    const program = `
      import { DevelopmentPKI } from ${JSON.stringify(new URL("../../tools/pki/index.js", import.meta.url).href)};
      const pki = await DevelopmentPKI.open({ folder: ${JSON.stringify(place)}, names: ${JSON.stringify(names)} });
      const { certificateChain, privateKey } = await pki.device("${client}");
      const hex = (bytes) => Buffer.from(bytes).toString("hex");
      console.log(JSON.stringify({
        root: hex(pki.root), server: pki.server.certificateChain.map(hex), serverKey: hex(pki.server.privateKey),
        device: certificateChain.map(hex), deviceKey: hex(privateKey),
      }));`;
    interface Seen {
      root: string;
      server: [string, string];
      serverKey: string;
      device: [string, string];
      deviceKey: string;
    }
    const run = async (): Promise<Seen> => {
      const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      child.stdout.on("data", (chunk) => (output += String(chunk)));
      const [code] = (await once(child, "close")) as [number | null];
      assert.equal(code, 0);
      return JSON.parse(output) as Seen;
    };
    const runs = await Promise.all(Array.from({ length: 4 }, run));
    const certificate = (hex: string): X509Certificate => new X509Certificate(Buffer.from(hex, "hex"));
    for (const one of runs) {
      assert.equal(one.serverKey, runs[0]!.serverKey);
      assert.equal(one.deviceKey, runs[0]!.deviceKey);
      for (const other of runs) {
        assert.ok(certificate(one.server[1]).verify(certificate(other.root).publicKey));
        assert.ok(certificate(one.server[0]).verify(certificate(other.server[1]).publicKey));
        assert.ok(certificate(one.device[0]).verify(certificate(other.device[1]).publicKey));
      }
    }
    const pki = await DevelopmentPKI.open({ folder: place, names });
    assert.equal(Buffer.from(pki.server.privateKey).toString("hex"), runs[0]!.serverKey);
  }).timeout(30_000);
});

describe("Issuing certificates and lists", () => {
  const validity = { notBefore: new Date(Date.UTC(2026, 0, 1)), notAfter: new Date(Date.UTC(2027, 0, 1)) };

  it("keeps to the dates it was given", async () => {
    const root = new X509Certificate(await issueRoot({ commonName: "Root", validity }, await generateKeys()));
    assert.equal(Date.parse(root.validFrom), validity.notBefore.getTime());
    assert.equal(Date.parse(root.validTo), validity.notAfter.getTime());
  });

  it("takes a common name literally, whatever characters it has", async () => {
    const keys = await generateKeys();
    const commonName = 'A, O="B"+C\\;';
    const root = { keys, certificate: await issueRoot({ commonName, validity }, keys) };
    const subject = await generateKeys();
    const authority = await issueAuthority({ commonName: "Issuing", validity }, subject.publicKey, root);
    const { CN, O } = new X509Certificate(root.certificate).toLegacyObject().subject;
    assert.deepEqual([CN, O], [commonName, undefined]);
    assert.ok(new X509Certificate(authority).checkIssued(new X509Certificate(root.certificate)));
  });

  it("refuses a common name that is empty or longer than 64 characters", async () => {
    const keys = await generateKeys();
    for (const commonName of ["", "x".repeat(65)])
      await assert.rejects(issueRoot({ commonName, validity }, keys), { code: "INVALID_ARGUMENT" });
  });

  it("names the revoked certificates and the number of the list", async () => {
    const keys = await generateKeys();
    const root = { keys, certificate: await issueRoot({ commonName: "Root", validity }, keys) };
    const subject = await generateKeys();
    const leaf = await issueServer({ commonName: "S", names: ["s.test"], validity }, subject.publicKey, root);
    const { serialNumber } = new X509Certificate(leaf);
    const list = await issueRevocationList(
      {
        number: 7,
        thisUpdate: validity.notBefore,
        nextUpdate: validity.notAfter,
        revoked: [{ serialNumber, date: validity.notBefore }],
      },
      root,
    );
    const info = await readRevocationList(list, root.certificate);
    assert.equal(info.number, 7);
    assert.deepEqual(
      info.serialNumbers.map((serial) => serial.toUpperCase()),
      [serialNumber],
    );
  });

  it("refuses the number of a list that is negative or not whole", async () => {
    const keys = await generateKeys();
    const root = { keys, certificate: await issueRoot({ commonName: "Root", validity }, keys) };
    for (const number of [-1, 1.5, NaN])
      await assert.rejects(
        issueRevocationList({ number, thisUpdate: validity.notBefore, nextUpdate: validity.notAfter }, root),
        { code: "INVALID_ARGUMENT" },
      );
  });
});

describe("PEM", () => {
  it("is read back, several blocks in order, whatever stands between them", () => {
    const parts = [new Uint8Array([1]), new Uint8Array(100).fill(7), new Uint8Array(0)];
    const text = parts.map((der, i) => `comment ${i}\r\n${toPEM("CERTIFICATE", der).replace(/\n/g, "\r\n")}`).join("");
    assert.deepEqual(fromPEM("CERTIFICATE", text + toPEM("PRIVATE KEY", new Uint8Array(3))), parts);
  });
});
