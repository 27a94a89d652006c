/** What `sealwire doctor` says of the whole chain, up to the root that the broker does not send; and of a broker when the fault is the device's own. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as tls from "node:tls";
import { examine } from "../../tools/doctor/examine.js";
import { Report } from "../../tools/doctor/report.js";
import type { Target } from "../../tools/doctor/target.js";
import {
  type Authority,
  exportPrivateKey,
  generateKeys,
  issueAuthority,
  issueDevice,
  issueRevocationList,
  issueRoot,
  issueServer,
  type KeyPair,
  type PublicKey,
  toPEM,
  type Validity,
} from "../../tools/pki/index.js";
import { killCommands, runCommand } from "./support/run-command.js";
import { temporaryFolder } from "./support/temporary-folder.js";

const hour = 60 * 60 * 1000;

function from(hours: number, until: number): Validity {
  const now = Date.now();
  return { notBefore: new Date(now + hours * hour), notAfter: new Date(now + until * hour) };
}

async function root(name: string, validity = from(-1, 1000)): Promise<Authority> {
  const keys = await generateKeys();
  return { keys, certificate: await issueRoot({ commonName: name, validity }, keys) };
}

async function identity(
  issue: (key: PublicKey) => Promise<Uint8Array>,
  ...above: Uint8Array[]
): Promise<{ cert: string; key: string }> {
  const keys: KeyPair = await generateKeys();
  const chain = [await issue(keys.publicKey), ...above];
  return {
    cert: chain.map((der) => toPEM("CERTIFICATE", der)).join(""),
    key: toPEM("PRIVATE KEY", await exportPrivateKey(keys)),
  };
}

async function look(target: Target): Promise<Map<string, string>> {
  const report = new Report();
  await examine(target, report);
  return new Map(report.checks.map(({ name, status, sentence }) => [name, `${status}: ${sentence}`]));
}

describe("sealwire doctor, of the whole chain", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  const servers: tls.Server[] = [];
  let trusted: Authority;
  let issuing: Authority;
  let broker: { cert: string; key: string };
  let device: { cert: string; key: string };

  before(async () => {
    trusted = await root("Root");
    const keys = await generateKeys();
    const validity = from(-1, 900);
    issuing = {
      keys,
      certificate: await issueAuthority({ commonName: "Issuing", validity }, keys.publicKey, trusted),
    };
    broker = await identity(
      (key) => issueServer({ commonName: "broker", names: ["localhost"], validity }, key, issuing),
      issuing.certificate,
    );
    device = await identity(
      (key) => issueDevice({ clientIdentifier: "dev-1", validity }, key, issuing),
      issuing.certificate,
    );
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) server.close();
    await killCommands();
  });

  /** Speaks TLS and no MQTT. @returns what to look at */
  async function serve(
    options: tls.TlsOptions = {},
    more: Partial<Target> = {},
    anchors: readonly Authority[] = [trusted],
  ): Promise<Target> {
    const server = tls.createServer({ ...broker, ...options }, (socket) =>
      socket.on("error", () => undefined).on("data", () => socket.destroy()),
    );
    servers.push(server);
    server.on("tlsClientError", () => undefined);
    await once(server.listen(0, "127.0.0.1"), "listening");
    return {
      host: "localhost",
      port: (server.address() as net.AddressInfo).port,
      ca: anchors.map(({ certificate }) => toPEM("CERTIFICATE", certificate)).join(""),
      certificate: device.cert,
      key: device.key,
      clientIdentifier: "dev-1",
      timeout: 3_000,
      ...more,
    };
  }

  async function list(issuer: Authority, ...serialNumbers: string[]): Promise<string> {
    const { notBefore: thisUpdate, notAfter: nextUpdate } = from(-1, 100);
    const revoked = serialNumbers.map((serialNumber) => ({ serialNumber, date: thisUpdate }));
    return toPEM("X509 CRL", await issueRevocationList({ number: 1, thisUpdate, nextUpdate, revoked }, issuer));
  }

  it("a root that expired, though all that it signed is still valid", async () => {
    // The same key and name as the one that is valid.
    const certificate = await issueRoot({ commonName: "Root", validity: from(-100, -1) }, trusted.keys);
    const found = await look(await serve({}, {}, [{ ...trusted, certificate }]));
    assert.match(found.get("dates")!, /^fail: CN=Root expired on /);
    assert.match(found.get("chain")!, /^pass: .* CN=broker < CN=Issuing < CN=Root\.$/);
  });

  it("a chain that is neither trusted nor valid any more", async () => {
    const expired = await identity(
      (key) => issueServer({ commonName: "broker", names: ["localhost"], validity: from(-100, -1) }, key, issuing),
      issuing.certificate,
    );
    const found = await look(await serve(expired, {}, [await root("Another")]));
    assert.match(found.get("chain")!, /^fail: The broker's certificate is not trusted: /);
    assert.match(found.get("dates")!, /^fail: CN=broker expired on /);
  });

  it("an authority between that its root revoked", async () => {
    const serialNumber = new X509Certificate(issuing.certificate).serialNumber;
    const lists = (await list(issuing)) + (await list(trusted, serialNumber));
    const found = await look(await serve({}, { revocationLists: lists }));
    assert.match(found.get("revocation")!, /^fail: CN=Issuing is revoked\.$/);
  });

  it("lists of which none is of the authority that signed the broker's certificate, or one above is missing", async () => {
    const above = await look(await serve({}, { revocationLists: await list(trusted) }));
    assert.match(above.get("revocation")!, /^fail: None of the revocation lists is of CN=Issuing, /);
    const leaf = await look(await serve({}, { revocationLists: await list(issuing) }));
    assert.match(leaf.get("revocation")!, /^pass: .*; there is no list of CN=Root, /);
    const both = await look(await serve({}, { revocationLists: (await list(issuing)) + (await list(trusted)) }));
    assert.match(both.get("revocation")!, /^pass: No certificate of the broker is on the revocation lists\.$/);
  });

  describe("a fault of the device's own is not told as one of the broker", () => {
    const wanting = (): tls.TlsOptions => ({
      ca: [trusted, issuing].map(({ certificate }) => toPEM("CERTIFICATE", certificate)),
      requestCert: true,
      rejectUnauthorized: true,
    });

    for (const [what, more] of [
      ["a key that cannot be read", { key: "rubbish" }],
      ["a certificate that cannot be read", { certificate: "rubbish" }],
    ] as const)
      it(what, async () => {
        const found = await look(await serve(wanting(), more));
        assert.match(found.get("client-certificate")!, /^fail/);
        assert.match(
          found.get("tls-versions")!,
          /^pass: The broker speaks TLS 1\.2 and TLS 1\.3, and nothing older\.$/,
        );
        assert.match(found.get("chain")!, /^pass/);
        assert.match(found.get("connect")!, /^skip/);
      });
  });

  it("files that hold no certificate or list are a wrong argument", async () => {
    fs.writeFileSync(folder.join("rubbish"), "rubbish");
    for (const option of ["--ca", "--crl"]) {
      const { exitCode, stderr } = await runCommand(["doctor", "mqtts://localhost:1", option, folder.join("rubbish")]);
      assert.equal(exitCode, 2);
      assert.match(
        stderr,
        new RegExp(`rubbish \\(${option}\\) holds no (certificate|revocation list) in PEM form\\.$`, "m"),
      );
    }
  });
});
