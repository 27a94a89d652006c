/*
 * Native of crypto.js: finds what the firmware wants to know in a certificate (RFC 5280 section 4.1). Nothing is copied, nothing is
 * verified: the answer says where things lie.
 */
#include "xsmc.h"
#include "arguments.h"
#include "memory.h"
#include "natives.h"
#include "mbedtls/asn1.h"
#include <string.h>

enum { SERIAL_NUMBER, NOT_BEFORE, NOT_AFTER, COMMON_NAME, PUBLIC_KEY, DNS_NAME, IP_ADDRESS };

/* Alternative names and extensions beyond these numbers make a certificate unreadable. */
#define MAXIMUM_ENTRIES 128
#define MAXIMUM_EXTENSIONS 64
/* Offsets and lengths have 16 bits. */
#define MAXIMUM_SIZE 0xffff

typedef struct {
  const unsigned char* base;
  /* Kind and tag, offset, length of each. */
  uint16_t (*entries)[3];
  int count;
} Found;

/* One element: its content is `[begin, end)`, and `next` what follows. */
typedef struct {
  int tag;
  unsigned char *begin, *end, *next;
} Element;

static int take(unsigned char* p, const unsigned char* end, Element* element) {
  size_t length;
  if (p >= end) return 0;
  element->tag = *p++;
  /* Numbers above 30 take several bytes; no certificate has them. */
  if ((element->tag & 0x1f) == 0x1f || mbedtls_asn1_get_len(&p, end, &length) || length > (size_t)(end - p)) return 0;
  element->begin = p;
  element->next = element->end = p + length;
  return 1;
}

static int takeTag(unsigned char* p, const unsigned char* end, int tag, Element* element) {
  return take(p, end, element) && element->tag == tag;
}

#define SEQUENCE (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE)
#define SET (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SET)
#define CONTEXT(number) (MBEDTLS_ASN1_CONTEXT_SPECIFIC | (number))

static int note(Found* found, int kind, int tag, const unsigned char* begin, const unsigned char* end) {
  if (found->count == MAXIMUM_ENTRIES) return 0;
  uint16_t* entry = found->entries[found->count++];
  entry[0] = (uint16_t)(kind << 8 | tag);
  entry[1] = (uint16_t)(begin - found->base);
  entry[2] = (uint16_t)(end - begin);
  return 1;
}

static int isOID(const Element* element, const char* oid, size_t size) {
  return (size_t)(element->end - element->begin) == size && !memcmp(element->begin, oid, size);
}

/* Whether an element holds nothing but whole elements. */
static int isList(const Element* list) {
  Element element;
  for (unsigned char* p = list->begin; p < list->end; p = element.next)
    if (!take(p, list->end, &element)) return 0;
  return 1;
}

/* The last common name of the subject, which is the most specific one. */
static int subject(Found* found, const Element* name) {
  Element set, attribute, type, value, last = {0};
  for (unsigned char* p = name->begin; p < name->end; p = set.next) {
    if (!takeTag(p, name->end, SET, &set)) return 0;
    for (unsigned char* q = set.begin; q < set.end; q = attribute.next) {
      if (!takeTag(q, set.end, SEQUENCE, &attribute) || !takeTag(attribute.begin, attribute.end, MBEDTLS_ASN1_OID, &type) ||
          !take(type.next, attribute.end, &value) || value.next != attribute.end)
        return 0;
      if (isOID(&type, "\x55\x04\x03", 3)) last = value;
    }
  }
  return !last.begin || note(found, COMMON_NAME, last.tag, last.begin, last.end);
}

/* GeneralNames (RFC 5280 section 4.2.1.6). */
static int alternativeNames(Found* found, unsigned char* p, const unsigned char* end) {
  Element names, name;
  if (!takeTag(p, end, SEQUENCE, &names) || names.next != end) return 0;
  for (p = names.begin; p < names.end; p = name.next) {
    if (!take(p, names.end, &name)) return 0;
    size_t length = (size_t)(name.end - name.begin);
    if (name.tag == CONTEXT(7) && length != 4 && length != 16) return 0;
    if (name.tag == CONTEXT(2) && !note(found, DNS_NAME, name.tag, name.begin, name.end)) return 0;
    if (name.tag == CONTEXT(7) && !note(found, IP_ADDRESS, name.tag, name.begin, name.end)) return 0;
  }
  return 1;
}

/* An extension may be there once (RFC 5280 section 4.2). */
static int repeated(const Element* list, const Element* until, const Element* id) {
  Element extension, other;
  for (unsigned char* p = list->begin; p < until->begin; p = extension.next) {
    if (!take(p, list->end, &extension) || extension.begin == until->begin) return 0;
    if (take(extension.begin, extension.end, &other) && isOID(&other, (char*)id->begin, (size_t)(id->end - id->begin))) return 1;
  }
  return 0;
}

static int extensions(Found* found, const Element* wrapper) {
  Element list, extension, id, value;
  int count = 0;
  if (!takeTag(wrapper->begin, wrapper->end, SEQUENCE, &list) || list.next != wrapper->end) return 0;
  for (unsigned char* p = list.begin; p < list.end; p = extension.next) {
    if (++count > MAXIMUM_EXTENSIONS || !takeTag(p, list.end, SEQUENCE, &extension) || !takeTag(extension.begin, extension.end, MBEDTLS_ASN1_OID, &id) ||
        repeated(&list, &extension, &id) || !take(id.next, extension.end, &value))
      return 0;
    if (value.tag == MBEDTLS_ASN1_BOOLEAN && !take(value.next, extension.end, &value)) return 0;
    if (value.tag != MBEDTLS_ASN1_OCTET_STRING || value.next != extension.end) return 0;
    if (isOID(&id, "\x55\x1d\x11", 3) && !alternativeNames(found, value.begin, value.end)) return 0;
  }
  return 1;
}

static int serialNumber(Found* found, const Element* serial) {
  unsigned char* begin = serial->begin;
  if (begin == serial->end || *begin & 0x80) return 0;
  while (begin < serial->end - 1 && !*begin) begin++;
  return note(found, SERIAL_NUMBER, 0, begin, serial->end);
}

static int validity(Found* found, const Element* times) {
  Element before, after;
  return take(times->begin, times->end, &before) && take(before.next, times->end, &after) && after.next == times->end &&
         note(found, NOT_BEFORE, before.tag, before.begin, before.end) && note(found, NOT_AFTER, after.tag, after.begin, after.end);
}

static int publicKey(Found* found, unsigned char* begin, const Element* key) {
  Element algorithm, id, bits;
  return takeTag(key->begin, key->end, SEQUENCE, &algorithm) && takeTag(algorithm.begin, algorithm.end, MBEDTLS_ASN1_OID, &id) &&
         takeTag(algorithm.next, key->end, MBEDTLS_ASN1_BIT_STRING, &bits) && bits.next == key->end && bits.begin < bits.end &&
         note(found, PUBLIC_KEY, 0, begin, key->end);
}

static int readAll(Found* found, unsigned char* der, unsigned char* end) {
  Element whole, tbs, outer, signature, version, serial, inner, issuer, times, name, key, optional;
  if (!takeTag(der, end, SEQUENCE, &whole) || whole.next != end || !takeTag(whole.begin, whole.end, SEQUENCE, &tbs) ||
      !takeTag(tbs.next, whole.end, SEQUENCE, &outer) || !takeTag(outer.next, whole.end, MBEDTLS_ASN1_BIT_STRING, &signature) ||
      signature.next != whole.end)
    return 0;
  unsigned char* p = tbs.begin;
  if (takeTag(p, tbs.end, MBEDTLS_ASN1_CONSTRUCTED | CONTEXT(0), &version)) {
    Element number;
    if (!takeTag(version.begin, version.end, MBEDTLS_ASN1_INTEGER, &number) || number.end - number.begin != 1) return 0;
    p = version.next;
  }
  if (!takeTag(p, tbs.end, MBEDTLS_ASN1_INTEGER, &serial) || !takeTag(serial.next, tbs.end, SEQUENCE, &inner) ||
      !takeTag(inner.next, tbs.end, SEQUENCE, &issuer) || !takeTag(issuer.next, tbs.end, SEQUENCE, &times) ||
      !takeTag(times.next, tbs.end, SEQUENCE, &name) || !takeTag(name.next, tbs.end, SEQUENCE, &key))
    return 0;
  /* RFC 5280 section 4.1.1.2: both must be the same, or the signed one could be dressed as another. */
  if (inner.end - inner.begin != outer.end - outer.begin || memcmp(inner.begin, outer.begin, (size_t)(inner.end - inner.begin)))
    return 0;
  if (!isList(&inner) || !isList(&issuer) || !serialNumber(found, &serial) || !validity(found, &times) || !subject(found, &name) ||
      !publicKey(found, name.next, &key))
    return 0;
  for (p = key.next; p < tbs.end; p = optional.next) {
    if (!take(p, tbs.end, &optional)) return 0;
    if (optional.tag == (MBEDTLS_ASN1_CONSTRUCTED | CONTEXT(3)) && !extensions(found, &optional)) return 0;
  }
  return 1;
}

/*
 * certificate(der): an ArrayBuffer of 16-bit numbers, or a status. Three numbers for each thing found: kind (of the list above) times
 * 256 plus its tag, offset, length.
 */
void xs_crypto_certificate(xsMachine* the) {
  SwBytes der;
  Found found = {0};
  int status = sw_bytes_of(the, sw_argument(0), 0, &der);
  if (!status && (der.size == 0 || der.size > MAXIMUM_SIZE)) status = SW_INVALID;
  if (!status) {
    found.base = der.data;
    found.entries = sw_memory_calloc(MAXIMUM_ENTRIES, sizeof *found.entries);
    status = !found.entries ? SW_MEMORY : readAll(&found, der.data, der.data + der.size) ? SW_OK : SW_INVALID;
  }
  if (status) xsmcSetInteger(xsResult, status);
  else xsmcSetArrayBuffer(xsResult, found.entries, found.count * (int)sizeof *found.entries);
  sw_memory_free(found.entries);
}
