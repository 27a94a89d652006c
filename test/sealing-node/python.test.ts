/**
 * A back end in another language: Python opens what devices seal and seals for them, with the keys derived and the nonces made there (`python/back_end.py`).
 * `cryptography` and `cbor2` are the second implementation of RFC 9052 with Partial IV that must be there; `pycose` is a COSE library, which no package of
 * Debian holds: its part runs where `pip install pycose` was done.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { fromHex, toHex, toUTF8 } from "../../src/bytes.js";
import { CONTENT_ALGORITHM, type ContentAlgorithmName } from "../../src/cose/index.js";
import { encodeIDContext, oscoreInfo, readEnvelope, Sealing, type SealingOptions } from "../../src/sealing/index.js";
import { packageFolder } from "../../tools/paths.js";

/** Debian's own, which has what apt installed; another one that comes first in PATH has not. */
const python = process.env["SEALWIRE_PYTHON"] ?? "/usr/bin/python3";
const program = join(packageFolder, "test", "sealing-node", "python", "back_end.py");
const crypto = createCrypto();
const topic = "dev/telemetry/ä";
const master = new Uint8Array(32).fill(3);
const masterSalt = fromHex("9e7ca92223786340");
const algorithms = Object.keys(CONTENT_ALGORITHM) as ContentAlgorithmName[];

interface Job {
  readonly do: "open" | "seal";
  readonly alg?: number;
  readonly [name: string]: string | number | undefined;
}
type Result = { readonly bytes: string } | { readonly error: string };

function inPython(library: "cryptography" | "pycose", jobs: readonly Job[]): readonly Result[] {
  const { status, stdout, stderr } = spawnSync(python, [program], {
    input: JSON.stringify({ library, jobs }),
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Result[];
}

/** Skips when a library is not there; in CI what `needed` says must be. */
function requirePython(context: Mocha.Context, module: string, install: string, needed: boolean): void {
  if (spawnSync(python, ["-c", `import ${module}`]).status === 0) return;
  const missing = `${python} has no ${module}: ${install}`;
  if (needed && process.env["SEALWIRE_NO_SKIP"] === "1") throw new Error(missing);
  console.log(`      ${missing}`);
  context.skip();
}

function sealing(options: SealingOptions, name = "d1", epoch = 1): Sealing {
  const made = new Sealing({ masterSalt, ...options });
  made.open({ crypto, secrets: new Map([[epoch, crypto.importKey("secret", master)]]), clientIdentifier: name });
  return made;
}

/** pycose 1.1 drops zeros at the beginning of a nonce: such senders, one in 256, it cannot open. */
function startsWithZero(sender: Uint8Array, idContext: Uint8Array, name: ContentAlgorithmName): boolean {
  const { id, nonceLength } = CONTENT_ALGORITHM[name];
  const info = oscoreInfo(sender, idContext, id, "IV", nonceLength);
  return crypto.deriveBytes(crypto.importKey("secret", master), masterSalt, info, nonceLength)[0] === 0;
}

const common = { master: toHex(master), salt: toHex(masterSalt), topic };

for (const library of ["cryptography", "pycose"] as const)
  describe(`A back end in Python, with ${library}`, function () {
    this.timeout(60_000);

    before(function () {
      if (library === "pycose") requirePython(this, "pycose", "pip install pycose", false);
      else requirePython(this, "cbor2, cryptography", "apt-get install python3-cbor2 python3-cryptography", true);
    });

    /** A sender that the library can open. */
    const usable = (make: () => Sealing, name: ContentAlgorithmName): Sealing => {
      for (;;) {
        const made = make();
        const { sender, idContext } = readEnvelope(made.seal(topic, new Uint8Array(0)), CONTENT_ALGORITHM[name]);
        if (library !== "pycose" || !startsWithZero(sender, idContext, name)) return made;
      }
    };

    for (const algorithm of algorithms)
      it(`opens what a device seals: ${algorithm}, Partial IV and IV, any epoch`, () => {
        const payloads: Uint8Array[] = [];
        const jobs: Job[] = [];
        for (const fullIV of [false, true])
          for (const epoch of [0, 1, 127, 128, 70_000]) {
            const device = usable(() => sealing({ algorithm, fullIV }, "d1", epoch), algorithm);
            for (const length of [0, 1, 24, 256, 5000]) {
              const payload = randomBytes(length);
              payloads.push(payload);
              jobs.push({ do: "open", message: toHex(device.seal(topic, payload)), ...common });
            }
            // Two bytes of Partial IV.
            for (let i = 0; i < 300; i++) device.seal(topic, Uint8Array.of(1));
            payloads.push(Uint8Array.of(7));
            jobs.push({ do: "open", message: toHex(device.seal(topic, Uint8Array.of(7))), ...common });
          }
        const results = inPython(library, jobs);
        assert.deepEqual(
          results,
          payloads.map((payload) => ({ bytes: toHex(payload) })),
        );
      });

    for (const algorithm of algorithms)
      it(`seals what a device opens: ${algorithm}`, () => {
        const alg = CONTENT_ALGORITHM[algorithm].id;
        const jobs: Job[] = [];
        const expected: { payload: string; sequence: number; epoch: number }[] = [];
        const sender = Buffer.from("back-end");
        for (const epoch of [0, 200])
          for (const sequence of [0, 255, 256, 2 ** 40 - 1]) {
            let idContext: Uint8Array;
            do idContext = encodeIDContext(epoch, randomBytes(8));
            while (startsWithZero(sender, idContext, algorithm));
            const payload = randomBytes(sequence % 50);
            expected.push({ payload: toHex(payload), sequence, epoch });
            const partialIV = sequence.toString(16).replace(/^(?=(?:..)*.$)/, "0");
            jobs.push({
              do: "seal",
              payload: toHex(payload),
              sender: toHex(sender),
              id_context: toHex(idContext),
              alg,
              partial_iv: partialIV,
              ...common,
            });
          }
        const results = inPython(library, jobs);
        results.forEach((result, i) => {
          assert.ok("bytes" in result, JSON.stringify(result));
          const { payload, sequence, epoch } = expected[i]!;
          const device = sealing({ algorithm }, "device", epoch);
          const message = fromHex(result.bytes);
          const opened = device.unseal(topic, message.slice());
          assert.equal(opened.outcome, "delivered", JSON.stringify(opened));
          assert.deepEqual(
            [toHex(opened.payload), opened.sequence, opened.epoch, Buffer.from(opened.sender).toString()],
            [payload, sequence, epoch, "back-end"],
          );
          assert.equal(device.unseal(topic, message).outcome, "refused", "a replay");
        });
      });

    it("refuses what was changed, moved to another topic, or sealed by another", () => {
      const device = usable(() => sealing({}), "A128GCM");
      const message = device.seal(topic, toUTF8("21.5"));
      const jobs: Job[] = [0, 20, message.byteLength - 1].map((at) => {
        const changed = message.slice();
        changed[at]! ^= 1;
        return { do: "open", message: toHex(changed), ...common };
      });
      jobs.push({ do: "open", message: toHex(message), ...common, topic: "other" });
      jobs.push({ do: "open", message: toHex(message), ...common, master: toHex(new Uint8Array(32)) });
      for (const result of inPython(library, jobs)) assert.ok("error" in result, JSON.stringify(result));
    });
  });
