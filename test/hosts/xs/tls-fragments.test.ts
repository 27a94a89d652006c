/** Sizes in TLS on the XS host: what is asked for by every fragment length, which chains pass, and servers that keep to nothing. */
import { equal, ok } from "node:assert/strict";
import { generateKeys, type Issued, issue } from "../node/support/pki.js";
import { at, closeServers, startServer } from "../node/support/tls.js";
import { helloOf } from "./hello.js";
import { type RemoteClient, RemoteDevice, type RemoteOptions, type Tamper } from "./remote.js";
import { hostIsBuilt } from "./support.js";
import { largeInputBuilds, tlsBuilds } from "./tls-builds.js";

const lengths = [undefined, 512, 1024, 2048, 4096] as const;
type Length = (typeof lengths)[number];

/** The extension of RFC 6066 section 4 in a ClientHello: where its code lies, and what it asks for. */
function fragmentLength(hello: Buffer): { begin: number; asked: number } | undefined {
  const found = helloOf(hello).extensions.get(1);
  return found && { begin: found.begin, asked: 256 << found.content[0]! };
}

/** Records of a flight: offset, type and length of each. */
function records(flight: Buffer): { at: number; type: number; length: number }[] {
  const found = [];
  for (let offset = 0; offset + 5 <= flight.byteLength; offset += 5 + flight.readUInt16BE(offset + 3))
    found.push({ at: offset, type: flight[offset]!, length: flight.readUInt16BE(offset + 3) });
  return found;
}

for (const { name, variant, versions, content, joins } of [...tlsBuilds, ...largeInputBuilds])
  describe(`XS host: sizes in TLS with ${name}`, function () {
    this.timeout(20_000);
    const device = new RemoteDevice(variant);
    let root: Issued;
    /** Server and authority, some 1.2 KB; the same of 3 KB, which any input buffer holds; the same of 6 KB. */
    let small: Issued[];
    let middle: Issued[];
    let large: Issued[];
    /** The device's own. */
    let own: Issued[];
    before(hostIsBuilt(variant));
    before(async function () {
      this.timeout(60_000);
      const keys = await generateKeys({
        name: "RSASSA-PKCS1-v1_5",
        modulusLength: 4096,
        publicExponent: Uint8Array.of(1, 0, 1),
        hash: "SHA-256",
      });
      const names = Array.from({ length: 60 }, (_, i) => `name-${i}.with-a-long-tail.fleet.example`);
      root = await issue({ name: "root", ca: true });
      const ca = await issue({ name: "issuing", ca: true, issuer: root });
      const big = await issue({ name: "big", ca: true, issuer: root, keys });
      small = [await issue({ name: "server", issuer: ca, dns: ["localhost"] }), ca];
      middle = [await issue({ name: "server", issuer: ca, dns: ["localhost", ...names.slice(0, 50)] }), ca];
      large = [await issue({ name: "server", issuer: big, dns: ["localhost", ...names] }), big, root];
      own = [await issue({ name: "device", issuer: ca }), ca];
      await device.start();
    });
    after(() => device.stop());
    afterEach(closeServers);

    const options = (length: Length): RemoteOptions => ({
      trustAnchors: [root.der],
      serverName: "localhost",
      time: at(Date.now()),
      certificateChain: own.map(({ der }) => der),
      privateKey: own[0]!.keyDER,
      ...(length !== undefined && { maximumFragmentLength: length }),
    });

    /** What the engine is to ask for, with a message of our own that is a little less than a kilobyte. */
    function expected(length: Length, isTLS13: boolean): number | undefined {
      if (isTLS13) return undefined;
      // 2.28 with a full input buffer has no need; with less it cannot join, and wants the most.
      if (!joins) return content.input >= 16_384 ? undefined : 4096;
      const most = Math.min(content.input, content.output, 4096);
      return Math.min(most, length === undefined ? most : Math.max(length, 1024));
    }

    async function firstWordsOf(client: RemoteClient): Promise<Buffer> {
      await client.until(() => client.wire.sent > 0);
      return client.wire.first;
    }

    for (const protocol of versions)
      for (const length of lengths) {
        const title = `${protocol}, fragment length ${length ?? "not given"}`;
        const range = { minVersion: protocol, maxVersion: protocol };
        const ours = (): RemoteOptions => ({ ...options(length), maximumVersion: protocol });

        it(`${title}: a client chain of two is presented, and the server's records are as small as was asked for`, async () => {
          const server = await startServer({ ...range, requestCert: true, ca: root.pem }, small);
          let largest = 0;
          const client = await device.connect(server.port, ours(), (bytes) => {
            for (const record of records(bytes)) largest = Math.max(largest, record.length);
            return [bytes];
          });
          await client.opened();
          const asked = fragmentLength(await firstWordsOf(client))?.asked;
          equal(asked, expected(length, protocol === "TLSv1.3"));
          client.write("x");
          await client.untilText("echo:x");
          const socket = server.sockets.at(-1)!;
          equal(socket.getPeerCertificate().subject.CN, "device");
          // What protects a record: 24 bytes with the suites of TLS 1.2.
          if (asked !== undefined) {
            socket.write("0123456789abcdef".repeat(1024));
            await client.until(() => client.text.length === 6 + 16_384);
            ok(largest <= asked + 24, `${largest} bytes in one record`);
          }
          await client.close();
        });

        it(`${title}: a server chain of 3 KB is accepted, in one record or in several`, async () => {
          const server = await startServer(range, middle);
          const client = await device.connect(server.port, ours());
          await client.opened();
          client.write("x");
          await client.untilText("echo:x");
          await client.close();
        });

        // In one record, or joined from several; of the 8 KB that 2.28 could hold its own request makes two records.
        const fits = content.input >= 8192 && (joins || expected(length, protocol === "TLSv1.3") === undefined);
        it(`${title}: a server chain of 6 KB ${fits ? "is accepted" : "is refused as too large"}`, async () => {
          const server = await startServer(range, large);
          const client = await device.connect(server.port, ours());
          const outcome = await client.outcome();
          if (fits) ok(!("code" in outcome), JSON.stringify(outcome));
          else equal("code" in outcome && outcome.code, "TLS_RECORD_TOO_LARGE", JSON.stringify(outcome));
          await client.close();
        });

        if (expected(length, protocol === "TLSv1.3") !== undefined) {
          it(`${title}: a server that agreed and sends one byte more in a record is refused`, async () => {
            const server = await startServer(range, small);
            let isOpen = false;
            const enlarge: Tamper = (bytes) => {
              const changed = Buffer.from(bytes);
              if (isOpen && changed[0] === 23) changed.writeUInt16BE(expected(length, false)! + 24 + 1, 3);
              return [changed];
            };
            const client = await device.connect(server.port, ours(), enlarge);
            await client.opened();
            client.write("x");
            await client.untilText("echo:x");
            isOpen = true;
            server.sockets.at(-1)!.write(Buffer.alloc(400, "b"));
            equal((await client.failed()).code, "TLS_RECORD_TOO_LARGE");
            equal(client.text, "echo:x");
            await client.close();
          });

          it(`${title}: a server that does not know the extension may send what the input buffer holds, and no more`, async () => {
            // The extension becomes one that nobody knows. Only the Finished messages can tell, after the records that matter here.
            const blind = (hello: Buffer): Buffer => {
              const found = fragmentLength(hello);
              const changed = Buffer.from(hello);
              if (found) changed.writeUInt16BE(0xfafa, found.begin);
              return changed;
            };
            for (const chain of [small, large]) {
              const server = await startServer(range, chain);
              let largest = 0;
              const watch: Tamper = (bytes) => {
                for (const record of records(bytes)) largest = Math.max(largest, record.length);
                return [bytes];
              };
              const client = await device.connect(server.port, ours(), watch, blind);
              const { code } = await client.failed();
              const isTooLarge = largest > content.input;
              equal(chain === large, largest > 4096);
              equal(code === "TLS_RECORD_TOO_LARGE", isTooLarge, `${code}, ${largest} bytes in one record`);
              await client.close();
              await server.close();
            }
          });
        }
      }
  });
