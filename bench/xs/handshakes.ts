/** What a TLS handshake costs the device, in full and resumed: processor time of its process, and bytes on the wire. */
import { execFileSync } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer as createTCPServer, type Server } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import type { TLSVersion } from "../../src/platform.js";
import { DevelopmentPKI, toPEM } from "../../tools/pki/index.js";
import { preloadOptions } from "../../tools/xs/manifest.js";
import type { Variant } from "../../tools/xs/paths.js";
import { runOnXS } from "../../tools/xs/run.js";
import { round, type Spread, spreadOf } from "../statistics.js";
import type { Handshake } from "./handshake-on-xs.js";

export interface HandshakeCost {
  /** Microseconds of processor time of the device's process, until the connection is open. */
  readonly cpu: Spread;
  /** Bytes both ways of the whole connection, without TCP and IP: handshake, tickets, a word there and back, goodbye. */
  readonly bytes: number;
  /** Milliseconds of the longest step. */
  readonly longestStep: Spread;
}

/** Algorithm of the device's own key. */
export type ClientKey = "P-256" | "RSA-2048";

export interface HandshakeCase {
  readonly protocol: TLSVersion;
  readonly clientKey: ClientKey;
  readonly full: HandshakeCost;
  readonly resumed: HandshakeCost;
  /** What resuming costs of a full handshake. */
  readonly cpuRatio: number;
  readonly bytesRatio: number;
}

export async function measureHandshakes(
  folder: string,
  module: string,
  variant: Variant,
  protocol: TLSVersion,
  clientKey: ClientKey,
  count: number,
): Promise<HandshakeCase> {
  const credentials = join(folder, `${protocol}-${clientKey}`);
  mkdirSync(credentials, { recursive: true });
  const pki = await DevelopmentPKI.open({ folder: join(credentials, "certs"), names: ["localhost"] });
  const issued = await pki.device("device");
  const [own, issuing] = issued.certificateChain;
  const { device, key } =
    clientKey === "P-256" ? { device: own!, key: issued.privateKey } : strangerWithRSA(credentials);
  const files = { root: pki.root, device, issuing: issuing!, key };
  for (const [name, der] of Object.entries(files))
    writeFileSync(join(credentials, `${name}.der`), der, { mode: 0o600 });
  const server = createServer(
    {
      cert: pki.server.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
      key: toPEM("PRIVATE KEY", pki.server.privateKey),
      ca: toPEM("CERTIFICATE", pki.root),
      requestCert: true,
      // The RSA key is a stranger's: what is measured is that the device signs with it.
      rejectUnauthorized: clientKey === "P-256",
      minVersion: protocol,
      maxVersion: protocol,
    },
    (socket) => {
      socket.on("error", () => undefined);
      socket.pipe(socket);
    },
  );
  server.on("tlsClientError", () => undefined);
  const target = await listen(server);
  const { proxy, totals } = countingProxy(target);
  try {
    const port = await listen(proxy);
    const { exitCode, output, errors } = await runOnXS(module, [credentials, String(port), protocol, String(count)], {
      variant,
      host: preloadOptions(),
      timeout: 300_000,
    });
    if (exitCode !== 0) throw new Error(`The handshakes on XS ended with ${exitCode}: ${output}${errors}`);
    const handshakes = JSON.parse(output) as Handshake[];
    // The first connection fetched a session.
    return caseOf(protocol, clientKey, handshakes, totals.slice(1));
  } finally {
    server.close();
    proxy.close();
  }
}

function caseOf(
  protocol: TLSVersion,
  clientKey: ClientKey,
  handshakes: readonly Handshake[],
  totals: readonly number[],
): HandshakeCase {
  if (totals.length !== handshakes.length || handshakes.some(({ resumed }, i) => resumed !== (i % 2 === 1)))
    throw new Error("The handshakes were not full and resumed in turn.");
  const cost = (resumed: boolean): HandshakeCost => {
    const own = handshakes.filter((handshake) => handshake.resumed === resumed);
    const bytes = totals.filter((_, i) => handshakes[i]!.resumed === resumed);
    return {
      cpu: rounded(
        own.map(({ cpu }) => cpu * 1000),
        0,
      ),
      bytes: round(spreadOf(bytes).median),
      longestStep: rounded(
        own.map(({ longestStep }) => longestStep),
        2,
      ),
    };
  };
  const [full, resumed] = [cost(false), cost(true)];
  return {
    protocol,
    clientKey,
    full,
    resumed,
    cpuRatio: round(resumed.cpu.median / full.cpu.median, 2),
    bytesRatio: round(resumed.bytes / full.bytes, 2),
  };
}

function rounded(values: readonly number[], digits: number): Spread {
  const { median, lowest, highest } = spreadOf(values);
  return { median: round(median, digits), lowest: round(lowest, digits), highest: round(highest, digits) };
}

function strangerWithRSA(folder: string): { device: Uint8Array; key: Uint8Array } {
  const [certificate, pem] = [join(folder, "rsa.der"), join(folder, "rsa.pem")];
  const parameters = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=device", "-days", "2"];
  execFileSync("openssl", [...parameters, "-outform", "DER", "-out", certificate, "-keyout", pem], { stdio: "pipe" });
  const key = createPrivateKey(readFileSync(pem)).export({ type: "pkcs8", format: "der" });
  return { device: readFileSync(certificate), key };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** Bytes both ways of each connection, in their order. */
function countingProxy(port: number): { proxy: Server; totals: number[] } {
  const totals: number[] = [];
  const proxy = createTCPServer((near) => {
    const index = totals.push(0) - 1;
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.setNoDelay(true).on("error", () => undefined);
      from.on("data", (bytes) => {
        totals[index]! += bytes.byteLength;
        to.write(bytes);
      });
      from.on("end", () => to.end());
      from.on("close", () => to.destroy());
    }
  });
  return { proxy, totals };
}
