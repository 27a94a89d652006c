/**
 * TLS on the XS host against a real server whose words are changed on the way, in batches: one process, with sanitizers, for each. What the
 * firmware does is in `test/xs/firmware/fuzz-tls.ts`.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTLSServer, type Server as TLSServer } from "node:tls";
import { buildHost } from "../../tools/xs/build.js";
import { mbedtlsSource, MissingSource } from "../../tools/xs/mbedtls-source.js";
import { root, type Variant } from "../../tools/xs/paths.js";
import { runOnXS } from "../../tools/xs/run.js";
import { DevelopmentPKI, toPEM } from "../../tools/pki/index.js";
import { mutate } from "./mutate.js";
import type { Random } from "./random.js";
import type { Target } from "./target.js";

/** Connections of a batch. */
const batch = 60;
/** Pieces of recorded flights that are kept as corpus. */
const longestCorpus = 64;
/** Blocks of native memory that a process may keep: what the library holds for good. */
const allowedBlocks = 8;

/** Builds the host: with sanitizers in the library, too, and TLS 1.3, where its sources can be had. */
export async function xsTLSTarget(): Promise<Target> {
  const variant = fuzzVariant();
  await buildHost(variant);
  const folder = mkdtempSync(join(tmpdir(), "sealwire-fuzz-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const pki = await DevelopmentPKI.open({ folder: join(folder, "certs"), names: ["localhost", "127.0.0.1"] });
  const { certificateChain, privateKey } = await pki.device("device");
  const files = {
    root: pki.root,
    device: certificateChain[0]!,
    issuing: certificateChain[1]!,
    key: privateKey,
    list: pki.revocationLists[0]!,
  };
  for (const [name, der] of Object.entries(files)) writeFileSync(join(folder, `${name}.der`), der, { mode: 0o600 });
  const server = await startServer(pki);
  const flights: Uint8Array[] = [Uint8Array.of(21, 3, 3, 0, 2, 2, 40)];
  const module = join(root, "dist", "test", "xs", "firmware", "fuzz-tls.js");
  let next = 0;
  return {
    corpus: [Uint8Array.of(22, 3, 3, 0, 4, 14, 0, 0, 0)],
    inputsPerRun: batch,
    patience: 60_000,
    run: async (_, random) => {
      const proxy = await startProxy((server.address() as AddressInfo).port, random, flights);
      try {
        const environment = { ...process.env, SEALWIRE_DEVICE: join(folder, `device-${next++}`) };
        const seed = String(random.below(0x7fff_ffff));
        const parameters = [String((proxy.address() as AddressInfo).port), folder, seed, String(batch)];
        const { exitCode, output, errors } = await runOnXS(module, parameters, { variant, environment });
        if (process.env["SEALWIRE_FUZZ_VERBOSE"] !== undefined) console.log(output.trim());
        assert.equal(exitCode, 81, `seed ${seed}: ${output}${errors}`);
        const blocks = /(\d+) blocks left/.exec(output)?.[1];
        assert.ok(
          blocks !== undefined && Number(blocks) <= allowedBlocks,
          `seed ${seed}: native memory leaks: ${output}`,
        );
      } finally {
        proxy.close();
      }
    },
    close: () => {
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function fuzzVariant(): Variant {
  try {
    return { bits: 64, sanitize: true, mbedtls: process.env["SEALWIRE_MBEDTLS"] ?? mbedtlsSource() };
  } catch (error) {
    if (error instanceof MissingSource) return { bits: 64, sanitize: true };
    throw error;
  }
}

async function startServer(pki: DevelopmentPKI): Promise<TLSServer> {
  const server = createTLSServer(
    {
      cert: pki.server.certificateChain.map((der) => toPEM("CERTIFICATE", der)).join(""),
      key: toPEM("PRIVATE KEY", pki.server.privateKey),
      ca: toPEM("CERTIFICATE", pki.root),
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ["mqtt"],
    },
    (socket) => {
      socket.on("error", () => undefined);
      socket.pipe(socket);
    },
  );
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** Between the device and the server: three connections in four have something changed in what the server says. */
async function startProxy(port: number, random: Random, flights: Uint8Array[]): Promise<Server> {
  const proxy = createServer((near: Socket) => {
    const far = connect(port, "127.0.0.1");
    const changes = random.below(4) > 0;
    // Mostly the first flights: what follows is encrypted, and any change to it is found at once.
    let waits = random.below(4);
    for (const socket of [near, far]) socket.setNoDelay(true).on("error", () => undefined);
    near.on("data", (bytes: Buffer) => far.write(bytes));
    far.on("data", (bytes: Buffer) => {
      if (flights.length < longestCorpus) flights.push(Uint8Array.from(bytes));
      else if (random.below(16) === 0) flights[random.below(longestCorpus)] = Uint8Array.from(bytes);
      if (!changes || waits-- > 0) near.write(bytes);
      else for (const piece of tamper(bytes, random, flights)) near.write(piece);
    });
    near.on("close", () => far.destroy());
    far.on("close", () => near.end());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return proxy;
}

/** Pieces for what the server said. */
function tamper(bytes: Buffer, random: Random, flights: readonly Uint8Array[]): Uint8Array[] {
  const copy = Uint8Array.from(bytes);
  const at = random.below(copy.byteLength);
  switch (random.below(8)) {
    case 0: // in pieces, unchanged
      return [copy.subarray(0, at), copy.subarray(at)];
    case 1: // cut
      return [copy.subarray(0, at)];
    case 2: // of another connection, changed
      return [mutate(random, flights)];
    case 3: // twice
      return [copy, copy];
    case 4: // an alert before it
      return [Uint8Array.of(21, 3, 3, 0, 2, random.below(3), random.below(128)), copy];
    case 5: // many bits
      for (let i = 1 + random.below(20); i > 0; i--) copy[random.below(copy.byteLength)]! ^= 1 << random.below(8);
      return [copy];
    default: // a byte at the border of a length, or anywhere
      copy[random.below(3) === 0 ? random.below(Math.min(64, copy.byteLength)) : at] = random.pick([
        0, 1, 0x7f, 0x80, 0xff,
      ]);
      return [copy];
  }
}
