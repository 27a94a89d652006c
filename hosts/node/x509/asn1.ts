/** The little of ASN.1 that certificates, revocation lists and stored sessions need: DER (X.690 section 10), read in place. */

/** A parsed element. A view: the bytes are those that were parsed. */
export interface Element {
  /** 1 universal, 2 application, 3 context-specific, 4 private. */
  readonly tagClass: number;
  readonly tagNumber: number;
  /** The whole element, tag and length included. */
  readonly raw: Uint8Array;
  /** What a primitive element holds; empty for a constructed one. */
  readonly content: Uint8Array;
  /** What a constructed element holds; empty for a primitive one. */
  readonly children: readonly Element[];
}

/** Universal tag numbers (X.680 section 8.4). */
export const tags = {
  boolean: 1,
  integer: 2,
  bitString: 3,
  octetString: 4,
  oid: 6,
  enumerated: 10,
  utf8String: 12,
  sequence: 16,
  set: 17,
  printableString: 19,
  teletexString: 20,
  ia5String: 22,
  utcTime: 23,
  generalizedTime: 24,
  universalString: 28,
  bmpString: 30,
};

/** An element of a parse that went wrong. Caught by whoever knows what was being read. */
export class MalformedError extends Error {}

const MAXIMUM_DEPTH = 24;

const NOTHING = new Uint8Array(0);

/**
 * Parses exactly one DER element. All of it is checked, though elements are made only for those that are looked at.
 * @throws MalformedError when the bytes are cut short, followed by more, too deep, or not DER
 */
export function parse(der: Uint8Array, maxNodes = 10_000): Element {
  const reader = new Reader(der, maxNodes);
  const end = reader.check(0, der.byteLength, 0);
  if (end !== der.byteLength) throw new MalformedError("bytes follow the end");
  return new ParsedElement(der);
}

/** Where the head of an element ends, and the element itself. */
class Reader {
  readonly #der: Uint8Array;
  #nodes: number;
  start = 0;
  end = 0;

  constructor(der: Uint8Array, maxNodes: number) {
    this.#der = der;
    this.#nodes = maxNodes;
  }

  /** Reads the head at `offset`, which must end before `limit` with its content. */
  head(offset: number, limit: number): void {
    const der = this.#der;
    if (offset + 2 > limit) throw new MalformedError("cut short");
    if ((der[offset]! & 0x1f) === 0x1f) throw new MalformedError("a tag number of more than one byte");
    const first = der[offset + 1]!;
    let start = offset + 2;
    let length = first;
    if (first >= 0x80) {
      const count = first & 0x7f;
      // 0x80 is the indefinite form, which DER does not have.
      if (count === 0 || count > 4) throw new MalformedError("a length that DER does not have");
      if (start + count > limit) throw new MalformedError("cut short");
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + der[start + i]!;
      if (length < 0x80 || der[start] === 0) throw new MalformedError("a length that is longer than it must be");
      start += count;
    }
    if (length > limit - start) throw new MalformedError("cut short");
    this.start = start;
    this.end = start + length;
  }

  /** Checks an element and everything in it. @returns its end */
  check(offset: number, limit: number, depth: number): number {
    if (--this.#nodes < 0) throw new MalformedError("too many elements");
    if (depth > MAXIMUM_DEPTH) throw new MalformedError("too deep");
    this.head(offset, limit);
    const { start, end } = this;
    const tag = this.#der[offset]!;
    const isConstructed = (tag & 0x20) !== 0;
    // Of the universal types, sequences and sets are constructed, and in DER nothing else is.
    if (tag < 0x40 && isConstructed !== ((tag & 0x1f) === tags.sequence || (tag & 0x1f) === tags.set))
      throw new MalformedError("an element that is not constructed as its type is");
    if (isConstructed) for (let inner = start; inner < end;) inner = this.check(inner, end, depth + 1);
    return end;
  }
}

class ParsedElement implements Element {
  readonly raw: Uint8Array;

  constructor(raw: Uint8Array) {
    this.raw = raw;
  }

  get tagClass(): number {
    return (this.raw[0]! >> 6) + 1;
  }

  get tagNumber(): number {
    return this.raw[0]! & 0x1f;
  }

  get content(): Uint8Array {
    return this.#isConstructed ? NOTHING : this.#inside;
  }

  get children(): readonly Element[] {
    if (!this.#isConstructed) return [];
    const inside = this.#inside;
    const reader = new Reader(inside, 0);
    const children: Element[] = [];
    for (let offset = 0; offset < inside.byteLength; offset = reader.end) {
      reader.head(offset, inside.byteLength);
      children.push(new ParsedElement(inside.subarray(offset, reader.end)));
    }
    return children;
  }

  get #isConstructed(): boolean {
    return (this.raw[0]! & 0x20) !== 0;
  }

  get #inside(): Uint8Array {
    const length = this.raw[1]!;
    return this.raw.subarray(length < 0x80 ? 2 : 2 + (length & 0x7f));
  }
}

/** Checks that an element is there and has this universal tag. */
export function universal(element: Element | undefined, tagNumber: number): Element {
  if (element?.tagClass !== 1 || element.tagNumber !== tagNumber)
    throw new MalformedError(`expected an element of type ${tagNumber}`);
  return element;
}

/** The context-specific element with this number, or `undefined`. */
export function tagged(elements: readonly Element[], tagNumber: number): Element | undefined {
  return elements.find((element) => element.tagClass === 3 && element.tagNumber === tagNumber);
}

/** An object identifier in dotted form. */
export function oid(element: Element | undefined): string {
  const { content } = universal(element, tags.oid);
  const last = content.at(-1);
  if (last === undefined || last >= 0x80) throw new MalformedError("an object identifier is cut short");
  const arcs: bigint[] = [];
  let arc = 0n;
  let isFirstByte = true;
  for (const byte of content) {
    if (isFirstByte && byte === 0x80) throw new MalformedError("an object identifier is longer than it must be");
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    isFirstByte = byte < 0x80;
    if (!isFirstByte) continue;
    arcs.push(arc);
    arc = 0n;
  }
  const [head, ...rest] = arcs;
  // The first two arcs share a number (X.690 section 8.19.4).
  const first = head! < 80n ? head! / 40n : 2n;
  return [first, head! - first * 40n, ...rest].join(".");
}

/** A BOOLEAN. */
export function boolean(element: Element | undefined): boolean {
  const { content } = universal(element, tags.boolean);
  if (content.byteLength !== 1) throw new MalformedError("a boolean has one byte");
  return content[0] !== 0;
}

/** The bytes of a BIT STRING, without the number of bits at the end that do not count. */
export function bits(element: Element | undefined): Uint8Array {
  const { content } = universal(element, tags.bitString);
  if (!(content[0]! < 8) || (content[0]! > 0 && content.byteLength === 1))
    throw new MalformedError("a bit string says how many of its bits do not count");
  return content.subarray(1);
}

/** The bytes of an INTEGER without leading zeros; a negative number is malformed. */
export function unsigned(element: Element | undefined): Uint8Array {
  const { content } = universal(element, tags.integer);
  if (content.byteLength === 0 || content[0]! >= 0x80)
    throw new MalformedError("expected a number that is not negative");
  let start = 0;
  while (start < content.byteLength - 1 && content[start] === 0) start++;
  return content.slice(start);
}

/** A small INTEGER or ENUMERATED. */
export function small(element: Element): number {
  if (element.content.byteLength === 0 || element.content.byteLength > 6)
    throw new MalformedError("expected a small number");
  return element.content.reduce((value, byte) => value * 256 + byte, 0);
}

/** A UTCTime or GeneralizedTime as RFC 5280 section 4.1.2.5 writes them, in milliseconds since 1970. */
export function time(element: Element | undefined): number {
  if (!isTime(element)) throw new MalformedError("expected a time");
  const short = element.tagNumber === tags.utcTime;
  const digits = latin1(element.content);
  if (!(short ? /^\d{12}Z$/ : /^\d{14}Z$/).test(digits)) throw new MalformedError("expected a time");
  const two = Number(digits.slice(0, 2));
  const text = short ? `${two < 50 ? 20 : 19}${digits}` : digits;
  const [year, month, day, hour, minute, second] = [0, 4, 6, 8, 10, 12].map((at) =>
    Number(text.slice(at, at === 0 ? 4 : at + 2)),
  ) as [number, number, number, number, number, number];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  if (date.getUTCDate() !== day || date.getUTCMonth() !== month - 1 || hour > 23 || minute > 59 || second > 59)
    throw new MalformedError("a time that does not exist");
  return date.getTime();
}

/** Whether an element is a UTCTime or GeneralizedTime. */
export function isTime(element: Element | undefined): element is Element {
  return element?.tagClass === 1 && (element.tagNumber === tags.utcTime || element.tagNumber === tags.generalizedTime);
}

/** A string of any of the types that a name may have (RFC 5280 section 4.1.2.4), or `undefined` for what is none. */
export function text(element: Element | undefined): string | undefined {
  if (element?.tagClass !== 1) return undefined;
  const { content } = element;
  switch (element.tagNumber) {
    case tags.utf8String:
      return Buffer.from(content).toString();
    case tags.printableString:
    case tags.teletexString:
    case tags.ia5String:
      return latin1(content);
    case tags.bmpString:
    case tags.universalString: {
      const width = element.tagNumber === tags.bmpString ? 2 : 4;
      if (content.byteLength % width !== 0) return undefined;
      let result = "";
      for (let i = 0; i < content.byteLength; i += width) {
        let code = 0;
        for (let j = 0; j < width; j++) code = code * 256 + content[i + j]!;
        if (code > 0x10ffff) return undefined;
        result += String.fromCodePoint(code);
      }
      return result;
    }
    default:
      return undefined;
  }
}

export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** An X.509 extension. */
export interface Extension {
  readonly id: string;
  readonly critical: boolean;
  /** DER of its value. */
  readonly value: Uint8Array;
}

/** Reads `Extensions` (RFC 5280 section 4.1.2.9). A repeated extension is malformed, as section 4.2 has it. */
export function extensions(sequence: Element | undefined): Extension[] {
  const found = new Map<string, Extension>();
  for (const element of sequence === undefined ? [] : universal(sequence, tags.sequence).children) {
    const [id, ...rest] = universal(element, tags.sequence).children;
    const critical = rest.length === 2 && boolean(rest[0]);
    const extension = { id: oid(id), critical, value: universal(rest.at(-1), tags.octetString).content };
    if (found.has(extension.id)) throw new MalformedError(`the extension ${extension.id} is there twice`);
    found.set(extension.id, extension);
  }
  return [...found.values()];
}
