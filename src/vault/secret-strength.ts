/** Which secrets are refused at provisioning: those that an attacker tries first. */
import { equal, fromUTF8 } from "../bytes.js";
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
  const text = fromUTF8(secret)?.toLowerCase();
  if (text !== undefined) {
    if (names.some((name) => name !== undefined && name.toLowerCase() === text))
      throw weak("it equals the user name or the client identifier");
    const core = text.replace(/^[^a-z]+|[^a-z]+$/g, "");
    const plain = plainLetters(text).replace(/^[^a-z]+|[^a-z]+$/g, "");
    if ([text, core, plain].some((word) => COMMON.includes(` ${word} `))) throw weak("it is a common default");
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

/** "p@ssw0rd" is as common as what it stands for. */
function plainLetters(text: string): string {
  const from = "@4301$5!7";
  const to = "aaeoissit";
  let plain = "";
  for (const letter of text) plain += from.includes(letter) ? to[from.indexOf(letter)]! : letter;
  return plain;
}
