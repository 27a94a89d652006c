/*
 * Certificate revocation lists (RFC 5280 section 5), read where they lie: no memory is taken, whatever their length. Mbed TLS would copy
 * the list and every entry, takes no list for "not revoked", and does not know removeFromCRL.
 */
#include "mbedtls/asn1.h"
#include "mbedtls/md.h"
#include "mbedtls/pk.h"
#include "tls-x509.h"
#include <math.h>
#include <string.h>

typedef struct {
  unsigned char* p;
  unsigned char* end;
} Reader;

typedef struct {
  mbedtls_x509_buf signedPart, issuer, signature;
  mbedtls_md_type_t hash;
  SwSignatureAlgorithm algorithm;
  double thisUpdate, nextUpdate;
  Reader entries;
  int limited;
} List;

enum { SEQUENCE = MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE };

/* Reads an element of this tag into `inside`. @returns whether it was there; nothing is moved when it was not */
static int enter(Reader* from, int tag, Reader* inside) {
  unsigned char* p = from->p;
  size_t length;
  if (mbedtls_asn1_get_tag(&p, from->end, &length, tag)) return 0;
  inside->p = p;
  inside->end = p + length;
  from->p = inside->end;
  return 1;
}

static int isNext(const Reader* from, int tag) {
  return from->p < from->end && *from->p == tag;
}

/* The element as a whole, head included. */
static int whole(Reader* from, int tag, mbedtls_x509_buf* element) {
  unsigned char* begin = from->p;
  Reader inside;
  if (!enter(from, tag, &inside)) return 0;
  element->tag = tag;
  element->p = begin;
  element->len = (size_t)(inside.end - begin);
  return 1;
}

static int digits(Reader* from, int count, int* value) {
  *value = 0;
  for (; count > 0; count--, from->p++) {
    if (from->p >= from->end || *from->p < '0' || *from->p > '9') return 0;
    *value = *value * 10 + *from->p - '0';
  }
  return 1;
}

/* UTCTime or GeneralizedTime, in seconds and "Z", as RFC 5280 wants. */
static int readTime(Reader* from, double* time) {
  Reader text;
  int isLong = isNext(from, MBEDTLS_ASN1_GENERALIZED_TIME);
  int year, month, day, hour, minute, second;
  if (!enter(from, isLong ? MBEDTLS_ASN1_GENERALIZED_TIME : MBEDTLS_ASN1_UTC_TIME, &text)) return 0;
  if (!digits(&text, isLong ? 4 : 2, &year) || !digits(&text, 2, &month) || !digits(&text, 2, &day) || !digits(&text, 2, &hour) ||
      !digits(&text, 2, &minute) || !digits(&text, 2, &second) || text.end - text.p != 1 || *text.p != 'Z')
    return 0;
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return 0;
  if (!isLong) year += year < 50 ? 2000 : 1900;
  *time = sw_x509_milliseconds(year, month, day, hour, minute, second);
  return 1;
}

static int isBytes(Reader text, const char* bytes, size_t size) {
  return (size_t)(text.end - text.p) == size && memcmp(text.p, bytes, size) == 0;
}

/* ecdsa-with-SHA2 and RSA with SHA-2; any other stays unknown, and the list unusable. */
static int readAlgorithm(Reader* from, List* list) {
  static const char ecdsa[] = "\x2a\x86\x48\xce\x3d\x04\x03", rsa[] = "\x2a\x86\x48\x86\xf7\x0d\x01\x01";
  Reader algorithm, id;
  if (!enter(from, SEQUENCE, &algorithm) || !enter(&algorithm, MBEDTLS_ASN1_OID, &id) || id.end - id.p < 2) return 0;
  int last = id.end[-1];
  id.end--;
  int first = 0;
  if (isBytes(id, ecdsa, sizeof ecdsa - 1)) first = 2, list->algorithm = SW_SIGNATURE_ECDSA;
  else if (isBytes(id, rsa, sizeof rsa - 1)) first = 11, list->algorithm = SW_SIGNATURE_RSA;
  if (first && last >= first && last < first + 3) {
    static const mbedtls_md_type_t hashes[] = {MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512};
    list->hash = hashes[last - first];
  }
  return 1;
}

typedef struct {
  Reader id, value;
  int critical;
} Extension;

static int readExtension(Reader* from, Extension* extension) {
  Reader inside, flag;
  extension->critical = 0;
  if (!enter(from, SEQUENCE, &inside) || !enter(&inside, MBEDTLS_ASN1_OID, &extension->id)) return 0;
  if (isNext(&inside, MBEDTLS_ASN1_BOOLEAN)) {
    if (!enter(&inside, MBEDTLS_ASN1_BOOLEAN, &flag) || flag.end - flag.p != 1) return 0;
    extension->critical = *flag.p != 0;
  }
  return enter(&inside, MBEDTLS_ASN1_OCTET_STRING, &extension->value) && inside.p == inside.end;
}

/* id-ce is 2.5.29; the numbers whose meaning is known here end with a zero. */
static int isKnown(Reader id, const char* numbers) {
  return id.end - id.p == 3 && id.p[0] == 0x55 && id.p[1] == 0x1d && id.p[2] && strchr(numbers, id.p[2]) != NULL;
}

#define CRL_NUMBER "\x14"
#define DELTA_INDICATOR "\x1b"
#define DISTRIBUTION_POINT "\x1c"
#define AUTHORITY_KEY "\x23"
#define REASON "\x15"
#define INVALIDITY_DATE "\x18"
#define HOLD_INSTRUCTION "\x17"
#define REMOVE_FROM_CRL 8

typedef struct {
  Reader serial;
  int removed, limited;
} Entry;

static int readEntry(Reader* from, Entry* entry) {
  Reader inside, extensions;
  double date;
  entry->removed = entry->limited = 0;
  if (!enter(from, SEQUENCE, &inside) || !enter(&inside, MBEDTLS_ASN1_INTEGER, &entry->serial) || !readTime(&inside, &date)) return 0;
  if (inside.p == inside.end) return 1;
  if (!enter(&inside, SEQUENCE, &extensions) || inside.p != inside.end) return 0;
  while (extensions.p < extensions.end) {
    Extension extension;
    Reader reason;
    if (!readExtension(&extensions, &extension)) return 0;
    if (extension.critical && !isKnown(extension.id, REASON INVALIDITY_DATE HOLD_INSTRUCTION)) entry->limited = 1;
    if (!isKnown(extension.id, REASON)) continue;
    if (!enter(&extension.value, MBEDTLS_ASN1_ENUMERATED, &reason) || reason.end - reason.p != 1) return 0;
    if (*reason.p == REMOVE_FROM_CRL) entry->removed = 1;
  }
  return 1;
}

static int readExtensions(Reader* from, List* list) {
  Reader inside, extensions;
  if (!enter(from, MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED, &inside) || !enter(&inside, SEQUENCE, &extensions)) return 0;
  while (extensions.p < extensions.end) {
    Extension extension;
    if (!readExtension(&extensions, &extension)) return 0;
    if (extension.critical && !isKnown(extension.id, CRL_NUMBER AUTHORITY_KEY)) list->limited = 1;
    /* Both must be critical (RFC 5280 sections 5.2.4 and 5.2.5). An authority that forgot it still means a part of the whole. */
    if (isKnown(extension.id, DELTA_INDICATOR DISTRIBUTION_POINT)) list->limited = 1;
  }
  return inside.p == inside.end;
}

static int readList(SwView view, List* list) {
  Reader all = {(unsigned char*)view.bytes, (unsigned char*)view.bytes + view.size}, outer, inside, skipped;
  mbedtls_x509_buf first, second;
  memset(list, 0, sizeof *list);
  list->nextUpdate = NAN;
  if (!enter(&all, SEQUENCE, &outer) || all.p != all.end || !whole(&outer, SEQUENCE, &list->signedPart)) return 0;
  inside = (Reader){list->signedPart.p, list->signedPart.p + list->signedPart.len};
  Reader body;
  if (!enter(&inside, SEQUENCE, &body)) return 0;
  if (isNext(&body, MBEDTLS_ASN1_INTEGER) && !enter(&body, MBEDTLS_ASN1_INTEGER, &skipped)) return 0;
  if (!whole(&body, SEQUENCE, &first) || !whole(&outer, SEQUENCE, &second)) return 0;
  /* RFC 5280 section 5.1.1.2: both must be the same, or the signed one could be dressed as another. */
  if (first.len != second.len || memcmp(first.p, second.p, first.len)) return 0;
  if (!readAlgorithm(&(Reader){first.p, first.p + first.len}, list)) return 0;
  if (!whole(&body, SEQUENCE, &list->issuer) || !readTime(&body, &list->thisUpdate)) return 0;
  if ((isNext(&body, MBEDTLS_ASN1_UTC_TIME) || isNext(&body, MBEDTLS_ASN1_GENERALIZED_TIME)) && !readTime(&body, &list->nextUpdate))
    return 0;
  if (isNext(&body, SEQUENCE) && !enter(&body, SEQUENCE, &list->entries)) return 0;
  if (body.p < body.end && (!readExtensions(&body, list) || body.p != body.end)) return 0;
  for (Reader entries = list->entries; entries.p < entries.end;) {
    Entry entry;
    if (!readEntry(&entries, &entry)) return 0;
    list->limited |= entry.limited;
  }
  Reader bits;
  if (!enter(&outer, MBEDTLS_ASN1_BIT_STRING, &bits) || outer.p != outer.end || bits.end - bits.p < 2 || *bits.p) return 0;
  list->signature = (mbedtls_x509_buf){MBEDTLS_ASN1_BIT_STRING, (size_t)(bits.end - bits.p) - 1, bits.p + 1};
  return 1;
}

int sw_revocation_is_list(SwView view) {
  List list;
  return readList(view, &list);
}

static SwDetail whyUnusable(const SwVerification* v, const List* list, const mbedtls_x509_crt* issuer) {
  if (list->limited) return SW_DETAIL_LIST_LIMITED;
  if (isnan(list->nextUpdate)) return SW_DETAIL_LIST_ENDLESS;
  if (list->nextUpdate < v->earliest) return SW_DETAIL_LIST_OLD;
  if (list->thisUpdate > v->latest) return SW_DETAIL_LIST_FUTURE;
  if (mbedtls_x509_crt_check_key_usage(issuer, MBEDTLS_X509_KU_CRL_SIGN)) return SW_DETAIL_LIST_NO_SIGNER;
  if (list->hash == MBEDTLS_MD_NONE) return SW_DETAIL_LIST_SIGNATURE;
  return sw_x509_is_signed(&list->signedPart, list->hash, list->algorithm, NULL, &list->signature, issuer)
             ? SW_DETAIL_NONE
             : SW_DETAIL_LIST_SIGNATURE;
}

/* Without leading zeros, however many the one or the other writes. */
static int isSerial(const uint8_t* a, size_t aSize, const uint8_t* b, size_t bSize) {
  while (aSize && !*a) a++, aSize--;
  while (bSize && !*b) b++, bSize--;
  return aSize == bSize && memcmp(a, b, aSize) == 0;
}

static int isRevoked(const List* list, const mbedtls_x509_buf* serial) {
  int revoked = 0;
  for (Reader entries = list->entries; entries.p < entries.end;) {
    Entry entry;
    if (!readEntry(&entries, &entry)) return 1;
    if (!entry.removed && isSerial(entry.serial.p, (size_t)(entry.serial.end - entry.serial.p), serial->p, serial->len)) revoked = 1;
  }
  return revoked;
}

void sw_revocation_check(SwVerification* v, const mbedtls_x509_crt* certificate, const mbedtls_x509_crt* issuer, int depth) {
  SwDetail reason = SW_DETAIL_NO_LIST;
  int usable = 0;
  for (unsigned i = 0; i < v->listCount; i++) {
    List list;
    if (!readList(v->lists[i], &list)) continue;
    if (list.issuer.len != issuer->subject_raw.len || memcmp(list.issuer.p, issuer->subject_raw.p, list.issuer.len)) continue;
    SwDetail unusable = whyUnusable(v, &list, issuer);
    if (unusable != SW_DETAIL_NONE) {
      if (reason == SW_DETAIL_NO_LIST) reason = unusable;
      continue;
    }
    usable = 1;
    if (isRevoked(&list, &certificate->serial)) sw_x509_report(v, SW_FAILURE_REVOKED, SW_DETAIL_NONE, depth);
    if (list.nextUpdate < v->nextUpdate) v->nextUpdate = list.nextUpdate;
  }
  if (!usable) sw_x509_report(v, SW_FAILURE_REVOCATION_UNKNOWN, reason, depth);
}
