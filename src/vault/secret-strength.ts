/**
 * Which secrets are refused at provisioning: those that an attacker tries first. No text is made of a secret, since texts cannot be wiped.
 */
import { equal, toUTF8, wipe } from "../bytes.js";
import { SealwireError } from "../errors.js";

/** A secret of fewer bytes is taken only where the record says so. */
export const MINIMUM_SECRET = 16;

/** What ships as a default, or is typed by someone in a hurry. Case, and what is put before or behind it in digits or signs, does not matter. */
const COMMON =
  " 123456 1234567 12345678 123456789 1234567890 abc abcd abcdef access admin administrator broker changeit changeme client default demo " +
  "device esp8266 esp32 example guest hunter iot iloveyou letmein login monkey mosquitto mqtt mqttuser none null pass passwd passw password " +
  "private public qwerty qwertyuiop rabbitmq raspberry root sealwire secret sensor service system temp test tester testing toor user welcome ";

export interface SecretContext {
  /** What the secret must not equal, in any case: user name, client identifier. */
  readonly names: readonly (string | undefined)[];
  /** Whether fewer than 16 bytes are accepted. The other rules hold all the same. */
  readonly allowShort: boolean;
}

/**
 * @param what names the secret in the message: "password", say
 * @throws SealwireError `CREDENTIALS_WEAK`; the message says which rule, nothing of the secret
 */
export function requireStrongSecret(what: string, secret: Uint8Array, { names, allowShort }: SecretContext): void {
  const weak = (why: string): SealwireError => new SealwireError("CREDENTIALS_WEAK", `The ${what} is refused: ${why}.`);
  if (secret.byteLength === 0) throw weak("it is empty");
  if (isRepetition(secret)) throw weak("it is one short pattern over and over");
  const folded = secret.map(lowerCase);
  try {
    if (names.some((name) => name !== undefined && equal(toUTF8(name).map(lowerCase), folded)))
      throw weak("it equals the user name or the client identifier");
    if (isCommon(folded)) throw weak("it is a common default");
  } finally {
    wipe(folded);
  }
  if (secret.byteLength < MINIMUM_SECRET && !allowShort)
    throw weak(`it has fewer than ${MINIMUM_SECRET} bytes; a record can state that short ones are accepted`);
}

/** Whether it consists of at most eight bytes that repeat. */
function isRepetition(secret: Uint8Array): boolean {
  for (let period = 1; period <= 8 && 2 * period <= secret.byteLength; period++)
    if (equal(secret.subarray(period), secret.subarray(0, secret.byteLength - period))) return true;
  return secret.byteLength === 1;
}

function isCommon(folded: Uint8Array): boolean {
  // Random bytes may hold a word by chance.
  if (folded.some((byte) => byte < 0x09 || (byte > 0x0d && byte < 0x20) || byte === 0x7f)) return false;
  if (isWord(folded) || isWord(lettersOf(folded))) return true;
  const plain = folded.map(plainLetter);
  const found = isWord(lettersOf(plain));
  wipe(plain);
  return found;
}

/** What is left without digits and signs before the first letter and behind the last. */
function lettersOf(text: Uint8Array): Uint8Array {
  let [start, end] = [0, text.byteLength];
  while (start < end && !isLetter(text[start]!)) start++;
  while (end > start && !isLetter(text[end - 1]!)) end--;
  return text.subarray(start, end);
}

function isWord(text: Uint8Array): boolean {
  const { byteLength } = text;
  if (byteLength === 0) return false;
  for (let space = 0; space < COMMON.length - 1; space = COMMON.indexOf(" ", space + 1)) {
    let i = 0;
    while (i < byteLength && text[i] === COMMON.charCodeAt(space + 1 + i)) i++;
    if (i === byteLength && COMMON.charCodeAt(space + 1 + i) === 0x20) return true;
  }
  return false;
}

function isLetter(byte: number): boolean {
  return byte >= 0x61 && byte <= 0x7a;
}

function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

/** "p@ssw0rd" is as common as what it stands for. */
function plainLetter(byte: number): number {
  const at = "@4301$5!7".indexOf(String.fromCharCode(byte));
  return at < 0 ? byte : "aaeoissit".charCodeAt(at);
}
