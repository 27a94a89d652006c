import { platform } from "sealwire/host";
import { fromHex, toHex } from "../../../src/bytes.js";
import { CONTENT_ALGORITHM } from "../../../src/cose/index.js";
import {
  deriveDeviceSecret,
  deriveDeviceSecretBytes,
  deriveSenderKeys,
  encodeIDContext,
  epochOf,
  oscoreInfo,
} from "../../../src/sealing/index.js";
import { deepEqual, strictEqual, throws } from "../../support/assert.js";
import { describe, it } from "../../support/bdd.js";

const { crypto } = platform;
const none = new Uint8Array(0);
const ccm = CONTENT_ALGORITHM["AES-CCM-16-64-128"];

/** RFC 8613 appendix C.1 to C.3: salt, ID Context, identifiers, and what comes of them. */
const vectors = [
  {
    name: "C.1, with a salt",
    salt: "9e7ca92223786340",
    idContext: "",
    keys: [
      ["", "8540f60a634b657910", "f0910ed7295e6ad4b54fc793154302ff"],
      ["01", "854101f60a634b657910", "ffb14e093c94c9cac9471648b4f98710"],
    ],
    iv: ["8540f60a6249560d", "4622d4dd6d944168eefb54987c"],
  },
  {
    name: "C.2, without a salt",
    salt: "",
    idContext: "",
    keys: [
      ["00", "854100f60a634b657910", "321b26943253c7ffb6003b0b64d74041"],
      ["01", "854101f60a634b657910", "e57b5635815177cd679ab4bcec9d7dda"],
    ],
    iv: ["8540f60a6249560d", "be35ae297d2dace910c52e99f9"],
  },
  {
    name: "C.3, with an ID Context",
    salt: "9e7ca92223786340",
    idContext: "37cbf3210017a2d3",
    keys: [
      ["", "85404837cbf3210017a2d30a634b657910", "af2a1300a5e95788b356336eeecd2b92"],
      ["01", "8541014837cbf3210017a2d30a634b657910", "e39a0c7c77b43f03b4b39ab9a268699f"],
    ],
    iv: ["85404837cbf3210017a2d30a6249560d", "2ca58fb85ff1b81c0b7181b85e"],
  },
] as const;

describe("Key schedule of sealed payloads", () => {
  for (const { name, salt, idContext, keys, iv } of vectors) {
    it(`derives what RFC 8613 appendix ${name} gives`, () => {
      const masterSecret = crypto.importKey("secret", fromHex("0102030405060708090a0b0c0d0e0f10"));
      const context = fromHex(idContext);
      for (const [id, info, key] of keys) {
        const made = oscoreInfo(fromHex(id), context, ccm.id, "Key", 16);
        strictEqual(toHex(made), info);
        strictEqual(toHex(crypto.deriveBytes(masterSecret, fromHex(salt), made, 16)), key);
      }
      const made = oscoreInfo(none, context, ccm.id, "IV", 13);
      strictEqual(toHex(made), iv[0]);
      strictEqual(toHex(crypto.deriveBytes(masterSecret, fromHex(salt), made, 13)), iv[1]);
    });
  }

  it("gives a sender the key of RFC 8613, as a handle, and a Context IV under its own identifier", () => {
    const masterSecret = crypto.importKey("secret", fromHex("0102030405060708090a0b0c0d0e0f10"));
    const masterSalt = fromHex("9e7ca92223786340");
    const sender = fromHex("01");
    const derived = deriveSenderKeys({ crypto, masterSecret, masterSalt, algorithm: ccm, sender, idContext: none });
    const expected = crypto.importKey("secret", fromHex("ffb14e093c94c9cac9471648b4f98710"));
    const nonce = new Uint8Array(13);
    const seal = (key: typeof expected): string => {
      const data = fromHex("00010203");
      const tag = crypto.encrypt({ algorithm: "AES-CCM", key, nonce, data }, 8);
      return toHex(data) + toHex(tag);
    };
    strictEqual(seal(derived.key), seal(expected));
    const info = oscoreInfo(sender, none, ccm.id, "IV", 13);
    deepEqual(derived.contextIV, crypto.deriveBytes(masterSecret, masterSalt, info, 13));
  });

  it("writes lengths and algorithms of two bytes", () => {
    strictEqual(toHex(oscoreInfo(none, none, 30, "Key", 32)), "8540f6181e634b65791820");
  });

  it("gives each device and each epoch a secret of its own, the same as a handle and as bytes", () => {
    const root = crypto.importKey("secret", new Uint8Array(32).fill(7));
    const a = fromHex("0a");
    const secrets = [
      deriveDeviceSecretBytes(crypto, root, a, 0),
      deriveDeviceSecretBytes(crypto, root, a, 1),
      deriveDeviceSecretBytes(crypto, root, fromHex("0b"), 0),
    ].map(toHex);
    strictEqual(new Set(secrets).size, 3);
    const handle = deriveDeviceSecret(crypto, root, a, 1);
    strictEqual(
      toHex(crypto.hmac(handle, none)),
      toHex(crypto.hmac(crypto.importKey("secret", fromHex(secrets[1]!)), none)),
    );
    throws(() => deriveDeviceSecretBytes(crypto, root, none, 0), "INVALID_ARGUMENT");
    throws(() => deriveDeviceSecretBytes(crypto, root, a, -1), "INVALID_ARGUMENT");
  });

  it("puts the epoch into the ID Context, in one way only", () => {
    const random = fromHex("1122334455667788");
    for (const [epoch, hex] of [
      [0, ""],
      [1, "01"],
      [255, "ff"],
      [256, "0100"],
      [0xffffffff, "ffffffff"],
    ] as const)
      for (const part of [none, random]) {
        const context = encodeIDContext(epoch, part);
        // A single byte from 80 on stands for an ID Context that was heard before.
        strictEqual(toHex(context), (hex === "ff" && part === none ? "00" : "") + hex + toHex(part));
        strictEqual(epochOf(context), epoch);
      }
    for (const bad of [
      "00",
      "80",
      "ff",
      "007f",
      "0080" + toHex(random),
      "000100",
      "0001",
      "0011223344556677ff",
      "0102030405",
      "01020304051122334455667788",
    ])
      strictEqual(epochOf(fromHex(bad)), undefined, bad);
  });
});
