/** One-time codes: 20 symbols of Crockford's base 32, 100 bits, in groups that can be read out. */
import { randomBytes } from "node:crypto";

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

export function oneTimeCode(): string {
  // 256 is a multiple of 32: every symbol is as likely as any other.
  const symbols = Array.from(randomBytes(20), (byte) => alphabet[byte % 32]!).join("");
  return symbols.match(/.{5}/g)!.join("-");
}
