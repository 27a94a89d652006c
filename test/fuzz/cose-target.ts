/**
 * Hostile bytes for all that reads COSE objects and sealed payloads: nothing but a SealwireError comes out, nothing is delivered, and nothing
 * is remembered of who proved nothing. Genuine messages come through afterwards, and with one bit changed they do not.
 */
import assert from "node:assert/strict";
import { createCrypto } from "../../hosts/node/crypto/crypto.js";
import { SealwireError } from "../../src/errors.js";
import {
  decodeEncrypted,
  decodeMac0,
  decodeSign1,
  decryptCOSE,
  verifyMac0,
  verifySign1,
} from "../../src/cose/index.js";
import type { Key } from "../../src/platform.js";
import { Sealing } from "../../src/sealing/index.js";
import type { Random } from "./random.js";
import { readCorpus, type Target } from "./target.js";

const crypto = createCrypto();
const topic = "device/commands";

export function coseTarget(): Target {
  const secrets = new Map([[1, crypto.importKey("secret", new Uint8Array(32).fill(1))]]);
  const open = (clientIdentifier: string, more = {}): Sealing => {
    const sealing = new Sealing(more);
    sealing.open({ crypto, secrets, clientIdentifier });
    return sealing;
  };
  const sender = open("d1");
  const receiver = open("device", { whenReplayStateIsLost: "accept" });
  const key = crypto.importKey("secret", new Uint8Array(16));
  const publicKey = crypto.importKey("public", crypto.publicKey(crypto.generateKey()));
  return {
    corpus: readCorpus("cose"),
    run: (input, random) => {
      general(input, key, publicKey);
      const result = receiver.unseal(topic, input.slice(), { qos: 1 });
      if (result.outcome !== "refused") assert.fail("a message out of nothing");
      assert.match(result.error.code, /^SEALED_/);
      stream(receiver, input, random);
      attempt(() => receiver.loadMark(input), /^STORAGE_CORRUPT$/);
      if (random.below(8) === 0) genuine(sender, open("device"), random);
    },
  };
}

/** The general part, which takes all that COSE has. */
function general(input: Uint8Array, key: Key, publicKey: Key): void {
  const codes = /^(CBOR_INVALID|COSE_INVALID|COSE_UNSUPPORTED|CRYPTO_AUTHENTICATION_FAILED|CRYPTO_INVALID)$/;
  const contextIV = new Uint8Array(12);
  attempt(() => decryptCOSE(decodeEncrypted(input.slice()), { crypto, key, contextIV }), codes);
  attempt(() => verifyMac0(crypto, decodeMac0(input), { key }), codes);
  attempt(() => verifySign1(crypto, decodeSign1(input), { key: publicKey }), codes);
}

function stream(receiver: Sealing, input: Uint8Array, random: Random): void {
  const opener = receiver.openStream(topic, { onBytes: () => assert.fail("plaintext out of nothing") });
  // The format of a stream, and a small chunk, so that more than the first byte is looked at.
  const bytes = Uint8Array.of(1, 0, 0, 0, 64, ...input);
  attempt(() => {
    for (let at = 0; at < bytes.byteLength;) {
      const end = at + 1 + random.below(50);
      opener.write(bytes.subarray(at, end));
      at = end;
    }
    opener.end();
    assert.fail("a stream out of nothing");
  }, /^SEALED_/);
}

function genuine(sender: Sealing, receiver: Sealing, random: Random): void {
  const message = sender.seal(topic, new Uint8Array(random.below(60)), { encoding: random.pick(["cose", "compact"]) });
  const changed = message.slice();
  changed[random.below(changed.byteLength)]! ^= 1 << random.below(8);
  assert.equal(receiver.unseal(topic, changed).outcome, "refused");
  assert.equal(receiver.unseal(topic, message).outcome, "delivered");
}

function attempt(body: () => unknown, codes: RegExp): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof SealwireError)) throw error;
    assert.match(error.code, codes);
  }
}
