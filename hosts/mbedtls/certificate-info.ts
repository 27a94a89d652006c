/** Reads a certificate (RFC 5280 section 4.1): native code finds where things lie, here they get their meaning. */
import { fromUTF8 } from "../../src/bytes.js";
import { SealwireError } from "../../src/errors.js";
import type { CertificateInfo } from "../../src/platform.js";
import { bytesOf } from "./crypto-errors.js";
import { certificate } from "./crypto.js";

/** The kinds of `certificate.c`. */
const kinds = { serialNumber: 0, notBefore: 1, notAfter: 2, commonName: 3, publicKey: 4, dnsName: 5, ipAddress: 6 };
/** Universal tag numbers (X.680 section 8.4). */
const tags = { utf8String: 12, utcTime: 23, generalizedTime: 24, universalString: 28, bmpString: 30 };
/** NumericString, PrintableString, TeletexString, IA5String, VisibleString: a byte is a character. */
const byteStrings = [18, 19, 20, 22, 26];
const unreadable = "This is not a certificate that can be read (X.509, DER).";

/** @throws SealwireError `CRYPTO_INVALID` */
export function readCertificateInfo(der: Uint8Array): CertificateInfo {
  const found = new Uint16Array(bytesOf(certificate(der), unreadable).buffer);
  const dnsNames: string[] = [];
  const ipAddresses: string[] = [];
  let notBefore = NaN;
  let notAfter = NaN;
  let commonName: string | undefined;
  let serialNumber = der;
  let publicKey = der;
  for (let i = 0; i + 2 < found.length; i += 3) {
    const tag = found[i]! & 0xff;
    const bytes = der.slice(found[i + 1], found[i + 1]! + found[i + 2]!);
    switch (found[i]! >> 8) {
      case kinds.serialNumber:
        serialNumber = bytes;
        break;
      case kinds.notBefore:
        notBefore = readTime(tag, bytes);
        break;
      case kinds.notAfter:
        notAfter = readTime(tag, bytes);
        break;
      case kinds.commonName:
        commonName = readString(tag, bytes);
        break;
      case kinds.publicKey:
        publicKey = bytes;
        break;
      case kinds.dnsName:
        dnsNames.push(readLatin1(bytes));
        break;
      default:
        ipAddresses.push(bytes.byteLength === 4 ? bytes.join(".") : readIPv6(bytes));
    }
  }
  return { notBefore, notAfter, serialNumber, commonName, dnsNames, ipAddresses, publicKey };
}

const fail = (): never => {
  throw new SealwireError("CRYPTO_INVALID", unreadable);
};

function readLatin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function readString(tag: number, bytes: Uint8Array): string | undefined {
  if (tag === tags.utf8String) return fromUTF8(bytes) ?? fail();
  if (byteStrings.includes(tag)) return readLatin1(bytes);
  const width = tag === tags.bmpString ? 2 : tag === tags.universalString ? 4 : 0;
  if (width === 0) return undefined;
  if (bytes.byteLength % width !== 0) return fail();
  let text = "";
  for (let i = 0; i < bytes.byteLength; i += width) {
    let character = 0;
    for (let j = 0; j < width; j++) character = character * 256 + bytes[i + j]!;
    text += character > 0x10ffff ? fail() : String.fromCodePoint(character);
  }
  return text;
}

/** UTCTime or GeneralizedTime as RFC 5280 section 4.1.2.5 has them: to the second, in Zulu time. */
function readTime(tag: number, bytes: Uint8Array): number {
  const yearDigits = tag === tags.utcTime ? 2 : tag === tags.generalizedTime ? 4 : fail();
  if (bytes.byteLength !== yearDigits + 11 || bytes[yearDigits + 10] !== 0x5a) return fail();
  let year = readDigits(bytes, 0, yearDigits);
  if (yearDigits === 2) year += year < 50 ? 2000 : 1900;
  const month = readDigits(bytes, yearDigits, 2);
  const day = readDigits(bytes, yearDigits + 2, 2);
  const hour = readDigits(bytes, yearDigits + 4, 2);
  const minute = readDigits(bytes, yearDigits + 6, 2);
  const second = readDigits(bytes, yearDigits + 8, 2);
  // `Date.UTC` takes the 31st of April for the 1st of May, and the year 99 for 1999.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59)
    return fail();
  return date.setUTCHours(hour, minute, second, 0);
}

function readDigits(bytes: Uint8Array, position: number, count: number): number {
  let value = 0;
  for (const end = position + count; position < end; position++) {
    const digit = bytes[position]! - 0x30;
    if (digit < 0 || digit > 9) return fail();
    value = value * 10 + digit;
  }
  return value;
}

/** RFC 5952: lower case, the longest run of two or more zeros left out. */
function readIPv6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(bytes[i]! * 256 + bytes[i + 1]!);
  let [start, length] = [0, 0];
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) [start, length] = [i, end - i];
  }
  // Section 5: an IPv4 address inside is written as one, here and by the C library that the Node host uses.
  const tail = bytes.slice(12).join(".");
  if (start === 0 && length === 6) return `::${tail}`;
  if (start === 0 && length === 5 && groups[5] === 0xffff) return `::ffff:${tail}`;
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  return length < 2 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}
