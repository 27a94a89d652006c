/**
 * Answers questions about the cryptography: the first argument names a file of JSON, the questions; the answers are printed, one line
 * of JSON for each.
 */
import { platform } from "../../../hosts/xs/index.js";
import * as file from "../../../hosts/xs/native/file.js";
import { argument, print } from "../../../hosts/xs/native/system.js";
import { fromHex, fromUTF8, toHex } from "../../../src/bytes.js";
import { SealwireError } from "../../../src/errors.js";
import type { Key } from "../../../src/platform.js";

export type Question =
  | { readonly ask: "certificate"; readonly der: string }
  | { readonly ask: "publicKey"; readonly der: string }
  | { readonly ask: "verify"; readonly key: string; readonly data: string; readonly signature: string }
  | { readonly ask: "sign"; readonly key: string; readonly data: string }
  | { readonly ask: "request"; readonly key: string; readonly commonName: string; readonly dnsNames: readonly string[] }
  | { readonly ask: "import"; readonly type: Key["type"]; readonly der: string };

const { crypto } = platform;

async function answer(question: Question): Promise<unknown> {
  switch (question.ask) {
    case "certificate": {
      const info = crypto.certificate(fromHex(question.der));
      return { ...info, serialNumber: toHex(info.serialNumber), publicKey: toHex(info.publicKey) };
    }
    case "publicKey":
      return toHex(crypto.publicKey(crypto.importKey("private", fromHex(question.der))));
    case "verify":
      return crypto.verify(
        crypto.importKey("public", fromHex(question.key)),
        fromHex(question.data),
        fromHex(question.signature),
      );
    case "sign":
      return toHex(crypto.sign(crypto.importKey("private", fromHex(question.key)), fromHex(question.data)));
    case "request": {
      const { commonName, dnsNames } = question;
      const key = crypto.importKey("private", fromHex(question.key));
      return toHex(await crypto.certificateRequest({ key, commonName, dnsNames }));
    }
    case "import":
      return crypto.importKey(question.type, fromHex(question.der)).type;
  }
}

const questions = JSON.parse(fromUTF8(new Uint8Array(file.read(argument(0)!)!))!) as Question[];
for (const question of questions)
  try {
    print(JSON.stringify({ answer: (await answer(question)) ?? null }));
  } catch (error) {
    if (!(error instanceof SealwireError)) throw error;
    print(JSON.stringify({ error: error.code }));
  }
