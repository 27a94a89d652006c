/* Native of crypto.js: certificate signing requests (RFC 2986) for keys on P-256, written from the end to the beginning. */
#include "xsmc.h"
#include "arguments.h"
#include "crypto-backend.h"
#include "key-der.h"
#include "key.h"
#include "memory.h"
#include "natives.h"
#include "mbedtls/asn1write.h"
#include <string.h>

#define SEQUENCE (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE)
#define SET (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SET)

/* RFC 5280 appendix A.1, ub-common-name: 64 characters of at most 4 bytes. */
#define MAXIMUM_COMMON_NAME 256
#define MAXIMUM_DNS_NAMES 2048

/* The room before `p` shrinks; once something did not fit, nothing is written any more. */
typedef struct {
  unsigned char *start, *p, *end;
  int failed;
} Writer;

static void check(Writer* w, int result) {
  if (result < 0) w->failed = 1;
}

static void raw(Writer* w, const void* bytes, size_t size) {
  if (!w->failed) check(w, mbedtls_asn1_write_raw_buffer(&w->p, w->start, bytes, size));
}

/* Puts tag and length before what was written since `end`. */
static void wrap(Writer* w, int tag, const unsigned char* end) {
  if (!w->failed) check(w, mbedtls_asn1_write_len(&w->p, w->start, (size_t)(end - w->p)));
  if (!w->failed) check(w, mbedtls_asn1_write_tag(&w->p, w->start, (unsigned char)tag));
}

static void primitive(Writer* w, int tag, const void* bytes, size_t size) {
  unsigned char* end = w->p;
  raw(w, bytes, size);
  wrap(w, tag, end);
}

/* An INTEGER that is not negative: no leading zeros but the one that keeps the first bit clear. */
static void integer(Writer* w, const uint8_t* bytes, size_t size) {
  static const uint8_t zero = 0;
  unsigned char* end = w->p;
  while (size > 1 && !*bytes) bytes++, size--;
  raw(w, bytes, size);
  if (*bytes & 0x80) raw(w, &zero, 1);
  wrap(w, MBEDTLS_ASN1_INTEGER, end);
}

/* The extension request (RFC 2985 section 5.4.2) with a subject alternative name; `names` are separated by line feeds. */
static void attributes(Writer* w, const unsigned char* names, size_t size) {
  unsigned char* end = w->p;
  if (size) {
    for (size_t last = size; last > 0;) {
      size_t first = last;
      while (first > 0 && names[first - 1] != '\n') first--;
      primitive(w, MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2, names + first, last - first);
      last = first > 0 ? first - 1 : 0;
    }
    wrap(w, SEQUENCE, end);
    wrap(w, MBEDTLS_ASN1_OCTET_STRING, end);
    primitive(w, MBEDTLS_ASN1_OID, "\x55\x1d\x11", 3);
    wrap(w, SEQUENCE, end);
    wrap(w, SEQUENCE, end);
    wrap(w, SET, end);
    primitive(w, MBEDTLS_ASN1_OID, "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e", 9);
    wrap(w, SEQUENCE, end);
  }
  wrap(w, MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED | 0, end);
}

static void subject(Writer* w, const SwBytes* commonName) {
  unsigned char* end = w->p;
  primitive(w, MBEDTLS_ASN1_UTF8_STRING, commonName->data, commonName->size);
  primitive(w, MBEDTLS_ASN1_OID, "\x55\x04\x03", 3);
  wrap(w, SEQUENCE, end);
  wrap(w, SET, end);
  wrap(w, SEQUENCE, end);
}

/* ecdsa-with-SHA256 and the signature, r and s in DER. */
static void signature(Writer* w, const uint8_t bytes[SW_SIGNATURE_BYTES]) {
  static const uint8_t zero = 0;
  unsigned char* end = w->p;
  integer(w, bytes + SW_SIGNATURE_BYTES / 2, SW_SIGNATURE_BYTES / 2);
  integer(w, bytes, SW_SIGNATURE_BYTES / 2);
  wrap(w, SEQUENCE, end);
  raw(w, &zero, 1);
  wrap(w, MBEDTLS_ASN1_BIT_STRING, end);
  end = w->p;
  primitive(w, MBEDTLS_ASN1_OID, "\x2a\x86\x48\xce\x3d\x04\x03\x02", 8);
  wrap(w, SEQUENCE, end);
}

/* The part that is signed ends where the signature begins, so that it is written first, and then moved before it. */
static int request(Writer* w, const SwKey* key, const SwBytes* commonName, const SwBytes* names) {
  uint8_t spki[SW_SPKI_BYTES], point[SW_POINT_BYTES], hash[SW_HASH_BYTES], bytes[SW_SIGNATURE_BYTES];
  int status = sw_p256_public(key->bytes, point);
  if (status) return status;
  attributes(w, names->data, names->size);
  raw(w, spki, sw_spki_of(point, spki));
  subject(w, commonName);
  primitive(w, MBEDTLS_ASN1_INTEGER, "\0", 1);
  wrap(w, SEQUENCE, w->end);
  if (w->failed) return SW_INVALID;
  size_t size = (size_t)(w->end - w->p);
  status = sw_sha256(w->p, size, hash);
  if (!status) status = sw_p256_sign(key->bytes, hash, bytes);
  if (status) return status;
  memmove(w->start, w->p, size);
  w->p = w->end;
  w->start += size;
  signature(w, bytes);
  w->start -= size;
  if (w->failed) return SW_INVALID;
  w->p -= size;
  memmove(w->p, w->start, size);
  wrap(w, SEQUENCE, w->end);
  return w->failed ? SW_INVALID : SW_OK;
}

/* certificateRequest(key, commonName, dnsNames): DER, or a status. Both are bytes; the names are separated by line feeds. */
void xs_crypto_request(xsMachine* the) {
  SwBytes commonName, names;
  SwKey* key;
  Writer w = {0};
  unsigned failures = sw_memory_failures();
  int status = sw_key_of_kind(the, sw_argument(0), SW_KEY_P256_PRIVATE, &key);
  if (!status) status = sw_bytes_of(the, sw_argument(1), 0, &commonName);
  if (!status) status = sw_bytes_of(the, sw_argument(2), 0, &names);
  if (!status && (commonName.size < 1 || commonName.size > MAXIMUM_COMMON_NAME || names.size > MAXIMUM_DNS_NAMES))
    status = SW_INVALID;
  if (!status) {
    /* A name of one character takes three bytes instead of two with its line feed. */
    size_t room = 320 + commonName.size + 2 * names.size;
    w.start = sw_memory_calloc(1, room);
    if (w.start) w.p = w.end = w.start + room;
    status = w.start ? request(&w, key, &commonName, &names) : SW_MEMORY;
  }
  if (status) sw_answer(the, status, failures);
  else xsmcSetArrayBuffer(xsResult, w.p, (int)(w.end - w.p));
  sw_memory_free(w.start);
}
