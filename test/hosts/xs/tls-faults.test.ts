/** TLS on the XS host when one allocation fails, each in turn: the connection ends with its own error, and nothing stays allocated. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { type Issued, issue } from "../node/support/pki.js";
import { at, closeServers, startServer } from "../node/support/tls.js";
import { type MemoryFigures, RemoteDevice, type RemoteOptions } from "./remote.js";
import { hostIsBuilt } from "./support.js";
import { tlsBuilds, unwatchedBuilds } from "./tls-builds.js";

/** Every n-th allocation fails in one run, another residue each time; 1 for all of them. */
const stride = Number(process.env["SEALWIRE_FAULT_STRIDE"] ?? 199);

/** No figures where the library allocates by itself. */
const pick = ({ now, blocks }: MemoryFigures): object => ({ now, blocks });

for (const { name, variant, versions } of [...tlsBuilds, ...unwatchedBuilds])
  describe(`XS host: TLS without memory for one allocation, with ${name}`, function () {
    this.timeout(stride === 1 ? 600_000 : 60_000);
    const device = new RemoteDevice(variant);
    let root: Issued;
    let issuing: Issued;
    before(hostIsBuilt(variant));
    before(async () => {
      root = await issue({ name: "root", ca: true });
      issuing = await issue({ name: "issuing", ca: true, issuer: root });
      await device.start();
    });
    after(async () => {
      device.stop();
      await closeServers();
    });

    for (const protocol of versions)
      for (const how of variant.unwatched ? (["once"] as const) : (["once", "stays"] as const))
        for (const kind of ["without a client certificate", "with a client certificate", "resumed"] as const)
          it(`${protocol} ${kind}, ${how}: says so${variant.unwatched ? "" : ", and gives everything back"}`, async () => {
            const chain = [await issue({ name: "server", issuer: issuing, dns: ["localhost"] }), issuing];
            const own = await issue({ name: "device", issuer: issuing });
            const range = { minVersion: protocol, maxVersion: protocol };
            const isMutual = kind !== "without a client certificate";
            const server = await startServer(isMutual ? { ...range, requestCert: true, ca: root.pem } : range, chain);
            const options: RemoteOptions = {
              trustAnchors: [root.der],
              serverName: "localhost",
              time: at(Date.now()),
              maximumVersion: protocol,
              ...(isMutual && { certificateChain: [own.der, issuing.der], privateKey: own.keyDER }),
            };
            const connect = async (): Promise<string> => {
              const session = kind === "resumed" ? sessions.pop() : undefined;
              const client = await device.connect(server.port, session ? { ...options, session } : options);
              const outcome = await client.outcome();
              if (!("code" in outcome)) {
                if (kind === "resumed") equal(outcome.resumed, session !== undefined);
                client.write("x");
                await client.until(() => client.text !== "" || client.has("error"));
                if (kind === "resumed" && session === undefined && !client.has("error"))
                  sessions.push(await client.session());
              }
              await client.close();
              const error = client.find("error");
              return error ? (error["code"] as string) : "open";
            };
            const sessions: RemoteOptions["session"][] = [];
            await connect();
            const base = await device.memory();
            const outcomes = new Map<string, number>();
            const first = stride === 1 ? 1 : 1 + Math.floor(Math.random() * stride);
            for (let n = first; ; n += stride) {
              if (kind === "resumed" && sessions.length === 0) equal(await connect(), "open");
              await device.failAllocation(n, how);
              const outcome = await connect();
              const left = await device.failAllocation(0);
              deepEqual(pick(await device.memory()), pick(base), `allocation ${n} ${how}, ${outcome}`);
              outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
              if (left > 1) {
                equal(outcome, "open");
                break;
              }
            }
            ok((outcomes.get("TLS_OUT_OF_MEMORY") ?? 0) > 1, JSON.stringify([...outcomes]));
            // The first allocations are those of the key's import.
            outcomes.delete("CRYPTO_OUT_OF_MEMORY");
            deepEqual([...outcomes.keys()].sort(), ["TLS_OUT_OF_MEMORY", "open"]);
            await server.close();
          });
  });
