/** Native memory of a TLS connection on a chip: mutual TLS on P-256 with an issuing authority, against OpenSSL. */
import { ok } from "node:assert/strict";
import type { TLSVersion } from "../../../src/platform.js";
import type { Variant } from "../../../tools/xs/paths.js";
import { type Issued, issue } from "../node/support/pki.js";
import { at, closeServers, startServer } from "../node/support/tls.js";
import { RemoteDevice } from "./remote.js";
import { hostIsBuilt } from "./support.js";
import { tlsBuilds } from "./tls-builds.js";

/** Bytes that the engine and Mbed TLS may take: at the peak of a full handshake, open, at the peak of a resumed one. */
interface Limits {
  readonly full: number;
  readonly open: number;
  readonly resumed: number;
}

type Build = readonly [name: string, variant: Variant, limits: Partial<Record<TLSVersion, Limits>>];

const alone: Variant = { bits: 32, sanitize: false, tls12: true };
const both: Variant = { bits: 32, sanitize: false };

const builds: readonly Build[] = [
  ["Mbed TLS 3.6, TLS 1.2 alone", alone, { "TLSv1.2": { full: 9216, open: 3840, resumed: 9216 } }],
  [
    "Mbed TLS 3.6",
    both,
    {
      "TLSv1.2": { full: 11_264, open: 4096, resumed: 10_240 },
      "TLSv1.3": { full: 12_544, open: 8192, resumed: 10_240 },
    },
  ],
];

/** Its peak is higher, for PSA fills whatever room for output it is given; less stays, for PSA keeps keys, and no ciphers made ready with them. */
const buildsOf4: readonly Build[] = [
  ["Mbed TLS 4, TLS 1.2 alone", alone, { "TLSv1.2": { full: 10_496, open: 2816, resumed: 10_496 } }],
  [
    "Mbed TLS 4",
    both,
    {
      "TLSv1.2": { full: 12_800, open: 3200, resumed: 10_496 },
      "TLSv1.3": { full: 12_800, open: 6144, resumed: 10_496 },
    },
  ],
];

for (const [name, variant, limits] of tlsBuilds[0]!.major >= 4 ? buildsOf4 : builds)
  describe(`XS host: memory of TLS on 32 bits with ${name}`, function () {
    this.timeout(20_000);
    const device = new RemoteDevice(variant);
    let root: Issued;
    before(hostIsBuilt(variant));
    before(async () => {
      root = await issue({ name: "root", ca: true });
      await device.start();
    });
    after(async () => {
      device.stop();
      await closeServers();
    });

    for (const [protocol, limit] of Object.entries(limits) as [TLSVersion, Limits][])
      it(`${protocol}: ${limit.full} at the peak of a full handshake, ${limit.open} open, ${limit.resumed} at the peak of a resumed one`, async () => {
        const issuing = await issue({ name: "issuing", ca: true, issuer: root });
        const chain = [await issue({ name: "server", issuer: issuing, dns: ["localhost"] }), issuing];
        const own = await issue({ name: "device", issuer: issuing });
        const range = { minVersion: protocol, maxVersion: protocol };
        const server = await startServer({ ...range, requestCert: true, ca: root.pem }, chain);
        const options = {
          trustAnchors: [root.der],
          serverName: "localhost",
          time: at(Date.now()),
          maximumVersion: protocol,
          certificateChain: [own.der, issuing.der],
          privateKey: own.keyDER,
        };
        const warm = await device.connect(server.port, options);
        await warm.session();
        await warm.close();
        const before = await device.memory();
        const client = await device.connect(server.port, options);
        await client.opened();
        const session = await client.session();
        const open = await device.memory();
        await client.close();
        await device.memory();
        const again = await device.connect(server.port, { ...options, session });
        ok((await again.opened()).resumed);
        const resumed = await device.memory();
        await again.close();
        const figures = {
          full: open.peak - before.now,
          open: open.now - before.now,
          resumed: resumed.peak - before.now,
        };
        console.log(`        ${JSON.stringify({ ...figures, openResumed: resumed.now - before.now })}`);
        for (const [which, bytes] of Object.entries(figures))
          ok(bytes <= limit[which as keyof Limits], `${which}: ${bytes} bytes`);
        await server.close();
      });
  });
