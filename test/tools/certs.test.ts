/** The public roots in certs/: what they are, that they are whole, and for how long. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { packageFolder } from "../../tools/paths.js";
import { fromPEM } from "../../tools/pki/index.js";

const year = 365.25 * 24 * 60 * 60 * 1000;

/** SHA-256 of the DER, as the authorities publish it, and the least of what is known of the key. */
const roots = {
  "amazon-root-ca-1": ["8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e", "CN=Amazon Root CA 1"],
  "amazon-root-ca-3": ["18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4", "CN=Amazon Root CA 3"],
  "isrg-root-x1": ["96bcec06264976f37460779acf28c5a7cfe8a3c0aae11a8ffcee05c0bddf08c6", "CN=ISRG Root X1"],
  "isrg-root-x2": ["69729b8e15a86efc177a57afb7171dfc64add28c2fca8cf1507e34453ccb1470", "CN=ISRG Root X2"],
} as const;

const folder = path.join(packageFolder, "certs");

describe("The public roots in certs/", () => {
  for (const [name, [fingerprint, commonName]] of Object.entries(roots))
    describe(name, () => {
      const der = fs.readFileSync(path.join(folder, `${name}.der`));
      const certificate = new X509Certificate(der);

      it("is the certificate that its authority publishes, the same as PEM and DER", () => {
        assert.equal(certificate.fingerprint256.replace(/:/g, "").toLowerCase(), fingerprint);
        assert.deepEqual(fromPEM("CERTIFICATE", fs.readFileSync(path.join(folder, `${name}.pem`), "utf8")), [
          new Uint8Array(der),
        ]);
        assert.ok(certificate.subject.split("\n").includes(commonName));
      });

      it("is an authority that signed itself", () => {
        assert.ok(certificate.ca && certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey));
      });

      it("is valid, and will be for three years more", () => {
        assert.ok(Date.parse(certificate.validFrom) < Date.now());
        assert.ok(Date.parse(certificate.validTo) > Date.now() + 3 * year);
      });

      it("is in the guide with its fingerprint", () => {
        assert.ok(fs.readFileSync(path.join(folder, "README.md"), "utf8").includes(fingerprint));
      });
    });

  it("are all that is there", () => {
    const found = fs.readdirSync(folder).filter((file) => /\.(pem|der)$/.test(file));
    assert.deepEqual(
      found.sort(),
      Object.keys(roots)
        .flatMap((name) => [`${name}.der`, `${name}.pem`])
        .sort(),
    );
  });
});
