/** The little of ASN.1 that certificates, revocation lists and stored sessions need, over asn1js with its limits set. */
import * as asn1js from "asn1js";

/** A parsed element. A view: the bytes are those that were parsed. */
export interface Element {
  /** 1 universal, 2 application, 3 context-specific, 4 private: asn1js's numbers. */
  readonly tagClass: number;
  readonly tagNumber: number;
  /** The whole element, tag and length included. */
  readonly raw: Uint8Array;
  /** What a primitive element holds; empty for a constructed one. */
  readonly content: Uint8Array;
  /** What a constructed element holds; empty for a primitive one. */
  readonly children: readonly Element[];
  readonly block: asn1js.AsnType;
}

/** Universal tag numbers (X.680 section 8.4). */
export const tags = {
  boolean: 1,
  integer: 2,
  bitString: 3,
  octetString: 4,
  oid: 6,
  enumerated: 10,
  sequence: 16,
  set: 17,
};

/** An element of a parse that went wrong. Caught by whoever knows what was being read. */
export class MalformedError extends Error {}

/**
 * Parses exactly one DER element.
 * @throws MalformedError when the bytes are cut short, followed by more, too deep, or not ASN.1
 */
export function parse(der: Uint8Array, maxNodes = 10_000): Element {
  const { offset, result } = asn1js.fromBER(der, { maxDepth: 24, maxNodes, parseEmbedded: false });
  if (offset === -1 || result.error !== "") throw new MalformedError(result.error || "not ASN.1");
  if (offset !== der.byteLength) throw new MalformedError("bytes follow the end");
  return toElement(result);
}

function toElement(block: asn1js.AsnType): Element {
  const value = block.valueBlock as { value?: unknown; valueHexView?: Uint8Array };
  return {
    tagClass: block.idBlock.tagClass,
    tagNumber: block.idBlock.tagNumber,
    raw: block.valueBeforeDecodeView,
    content: value.valueHexView ?? new Uint8Array(0),
    get children() {
      const children =
        block.idBlock.isConstructed && Array.isArray(value.value) ? (value.value as asn1js.AsnType[]) : [];
      return children.map(toElement);
    },
    block,
  };
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
  return (universal(element, tags.oid).block as asn1js.ObjectIdentifier).getValue();
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

/** A UTCTime or GeneralizedTime, in milliseconds since 1970. */
export function time(element: Element | undefined): number {
  if (!(element?.block instanceof asn1js.UTCTime) && !(element?.block instanceof asn1js.GeneralizedTime))
    throw new MalformedError("expected a time");
  const milliseconds = element.block.toDate().getTime();
  if (Number.isNaN(milliseconds)) throw new MalformedError("expected a time");
  return milliseconds;
}

/** Whether an element is a UTCTime or GeneralizedTime. */
export function isTime(element: Element | undefined): boolean {
  return element?.block instanceof asn1js.UTCTime || element?.block instanceof asn1js.GeneralizedTime;
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
    const critical = rest.length === 2 && (universal(rest[0], tags.boolean).block as asn1js.Boolean).getValue();
    const extension = { id: oid(id), critical, value: universal(rest.at(-1), tags.octetString).content };
    if (found.has(extension.id)) throw new MalformedError(`the extension ${extension.id} is there twice`);
    found.set(extension.id, extension);
  }
  return [...found.values()];
}
