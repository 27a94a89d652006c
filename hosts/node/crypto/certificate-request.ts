/** Certificate signing requests (RFC 2986) by @peculiar/x509. */
import { webcrypto } from "node:crypto";
import { SealwireError } from "../../../src/errors.js";
import type { CertificateRequestOptions } from "../../../src/platform.js";
import { keyObject } from "./key.js";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** RFC 5280 appendix A.1, ub-common-name. */
const maximumCommonNameLength = 64;

/** @throws SealwireError `CRYPTO_INVALID` */
export async function createCertificateRequest(options: CertificateRequestOptions): Promise<Uint8Array> {
  const { key, commonName, dnsNames = [] } = options;
  const object = keyObject(key, "private");
  if (object.asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw new SealwireError("CRYPTO_INVALID", "A certificate signing request needs a P-256 key.");
  if (commonName.length === 0 || commonName.length > maximumCommonNameLength)
    throw new SealwireError("CRYPTO_INVALID", `A common name has 1 to ${maximumCommonNameLength} characters.`);
  if (dnsNames.some((name) => !/^[\x21-\x7e]{1,253}$/.test(name)))
    throw new SealwireError("CRYPTO_INVALID", "A DNS name has 1 to 253 ASCII characters.");
  try {
    // Loaded only when asked for: it takes a fifth of a second, which every simulated wake would pay.
    await import("reflect-metadata");
    const x509 = await import("@peculiar/x509");
    const pkcs8 = object.export({ type: "pkcs8", format: "der" });
    const privateKey = await webcrypto.subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]);
    pkcs8.fill(0);
    const jwk = object.export({ format: "jwk" });
    const { kty = "", crv = "", x = "", y = "" } = jwk;
    const publicKey = await webcrypto.subtle.importKey("jwk", { kty, crv, x, y }, algorithm, true, ["verify"]);
    const names = dnsNames.map((value) => ({ type: "dns" as const, value }));
    const request = await x509.Pkcs10CertificateRequestGenerator.create(
      {
        // As an object: a plain string would be parsed, and quotes, commas or a leading # in it change the name.
        name: new x509.Name([{ CN: [{ utf8String: commonName }] }]),
        keys: { privateKey, publicKey },
        signingAlgorithm: algorithm,
        extensions: names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : [],
      },
      webcrypto,
    );
    return new Uint8Array(request.rawData);
  } catch (error) {
    throw new SealwireError("CRYPTO_INVALID", "The certificate signing request could not be made.", { cause: error });
  }
}
