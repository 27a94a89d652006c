#include "tls-x509.h"
#include "mbedtls/md.h"
#include "mbedtls/oid.h"
#include "mbedtls/version.h"
#include <math.h>
#include <string.h>

#ifndef MBEDTLS_PRIVATE
  #define MBEDTLS_PRIVATE(member) member
#endif

/* Certificates of the server that are looked at when it is asked why no path was found. */
#define MAXIMUM_PRESENTED 16

const mbedtls_x509_crt_profile sw_x509_profile = {
    MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) | MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) | MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
    /* Of signatures, and of the key of the server's certificate. */
    MBEDTLS_X509_ID_FLAG(SW_SIGNATURE_RSA) | MBEDTLS_X509_ID_FLAG(SW_SIGNATURE_RSA_PSS) | MBEDTLS_X509_ID_FLAG(SW_SIGNATURE_ECDSA) |
        MBEDTLS_X509_ID_FLAG(SW_KEY_EC),
    MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) | MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1) |
        MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP521R1),
    2048,
};

/* Days since 1970 after Howard Hinnant's days_from_civil. */
double sw_x509_milliseconds(int year, int month, int day, int hour, int minute, int second) {
  int64_t y = month <= 2 ? year - 1 : year;
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  int64_t yearOfEra = y - era * 400;
  int64_t dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  int64_t days = era * 146097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719468;
  return (double)(((days * 24 + hour) * 60 + minute) * 60 + second) * 1000.0;
}

double sw_x509_time(const mbedtls_x509_time* time) {
  return sw_x509_milliseconds(time->year, time->mon, time->day, time->hour, time->min, time->sec);
}

/* The milder of two problems is forgotten. A name that a stranger chose is made short and printable. */
void sw_x509_report(SwVerification* v, SwFailure failure, SwDetail detail, int depth) {
  if (v->failure && v->failure <= failure) return;
  v->failure = (uint8_t)failure;
  v->detail = (uint8_t)detail;
  v->depth = (uint8_t)depth;
  v->who[0] = 0;
}

static void describe(SwVerification* v, const uint8_t* bytes, size_t size) {
  size_t at = strlen(v->who);
  for (size_t i = 0; i < size && at + 1 < SW_WHO_SIZE; i++) v->who[at++] = (char)(bytes[i] < 32 || bytes[i] > 126 ? '?' : bytes[i]);
  v->who[at] = 0;
}

/* The last common name is the most specific. */
static void describeSubject(SwVerification* v, const mbedtls_x509_crt* certificate) {
  const mbedtls_x509_name* found = NULL;
  for (const mbedtls_x509_name* name = &certificate->subject; name; name = name->next)
    if (name->oid.p && MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0) found = name;
  if (found) describe(v, found->val.p, found->val.len);
}

static void report(SwVerification* v, SwFailure failure, SwDetail detail, int depth, const mbedtls_x509_crt* certificate) {
  uint8_t before = v->failure;
  sw_x509_report(v, failure, detail, depth);
  if (v->failure != before && depth > 0) describeSubject(v, certificate);
}

int sw_x509_is_signed(const mbedtls_x509_buf* signedPart, mbedtls_md_type_t hash, SwSignatureAlgorithm algorithm, const void* options,
                      const mbedtls_x509_buf* signature, const mbedtls_x509_crt* issuer) {
  const mbedtls_md_info_t* info = mbedtls_md_info_from_type(hash);
  mbedtls_pk_context* key = (mbedtls_pk_context*)&issuer->pk;
  unsigned char digest[64];
  if (!info || mbedtls_md_get_size(info) > sizeof digest || mbedtls_md(info, signedPart->p, signedPart->len, digest)) return 0;
#if MBEDTLS_VERSION_NUMBER >= 0x04000000
  (void)options;
  return mbedtls_pk_verify_ext(algorithm, key, hash, digest, mbedtls_md_get_size(info), signature->p, signature->len) == 0;
#else
  if (!mbedtls_pk_can_do(key, algorithm)) return 0;
  return mbedtls_pk_verify_ext(algorithm, options, key, hash, digest, mbedtls_md_get_size(info), signature->p, signature->len) == 0;
#endif
}

static int sameBytes(const mbedtls_x509_buf* a, const mbedtls_x509_buf* b) {
  /* One that is empty may lie at NULL. */
  return a->len == b->len && (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

/* Server authentication, by name: "any" does not count. */
static int isForServers(const mbedtls_x509_crt* certificate) {
  if (!certificate->ext_key_usage.buf.p) return 1;
  for (const mbedtls_x509_sequence* usage = &certificate->ext_key_usage; usage; usage = usage->next)
    if (MBEDTLS_OID_CMP(MBEDTLS_OID_SERVER_AUTH, &usage->buf) == 0) return 1;
  return 0;
}

static void checkUse(SwVerification* v, const mbedtls_x509_crt* certificate, int depth, uint32_t flags) {
  if (flags & (MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK))
    report(v, SW_FAILURE_UNSUITABLE, SW_DETAIL_ALGORITHM, depth, certificate);
  if (flags & MBEDTLS_X509_BADCERT_BAD_KEY) report(v, SW_FAILURE_UNSUITABLE, SW_DETAIL_KEY, depth, certificate);
  if (!isForServers(certificate)) report(v, SW_FAILURE_UNSUITABLE, SW_DETAIL_EXTENDED_USAGE, depth, certificate);
  if (depth == 0 && mbedtls_x509_crt_check_key_usage(certificate, MBEDTLS_X509_KU_DIGITAL_SIGNATURE))
    report(v, SW_FAILURE_UNSUITABLE, SW_DETAIL_USAGE, depth, certificate);
}

static void checkDates(SwVerification* v, const mbedtls_x509_crt* certificate, int depth) {
  double notBefore = sw_x509_time(&certificate->valid_from);
  double notAfter = sw_x509_time(&certificate->valid_to);
  uint8_t before = v->failure;
  if (notAfter < v->notAfter) v->notAfter = notAfter;
  if (notBefore > v->notBefore) v->notBefore = notBefore;
  if (notAfter < v->earliest) {
    report(v, SW_FAILURE_EXPIRED, SW_DETAIL_NONE, depth, certificate);
    if (v->failure != before) v->date = notAfter;
  }
  before = v->failure;
  if (notBefore > v->latest) {
    report(v, SW_FAILURE_NOT_YET_VALID, SW_DETAIL_NONE, depth, certificate);
    if (v->failure != before) v->date = notBefore;
  }
}

static void checkName(SwVerification* v, const mbedtls_x509_crt* leaf) {
  uint8_t before = v->failure;
  if (sw_x509_is_for(leaf, v->serverName)) return;
  sw_x509_report(v, SW_FAILURE_NAME, SW_DETAIL_NONE, 0);
  if (v->failure == before) return;
  const mbedtls_x509_sequence* name = &leaf->subject_alt_names;
  for (; name && name->buf.p; name = name->next) {
    if ((name->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK) != MBEDTLS_X509_SAN_DNS_NAME) continue;
    if (v->who[0]) describe(v, (const uint8_t*)", ", 2);
    describe(v, name->buf.p, name->buf.len);
  }
}

/* A candidate that signed the certificate, but was not allowed to: why. */
static SwDetail whyNotIssuer(const mbedtls_x509_crt* candidate, const mbedtls_x509_crt* certificate) {
  if (!sameBytes(&candidate->subject_raw, &certificate->issuer_raw)) return SW_DETAIL_NONE;
  if (!sw_x509_is_signed(&certificate->tbs, certificate->MBEDTLS_PRIVATE(sig_md), certificate->MBEDTLS_PRIVATE(sig_pk),
                         SW_SIGNATURE_OPTIONS(certificate), &certificate->MBEDTLS_PRIVATE(sig), candidate))
    return SW_DETAIL_NONE;
  if (!candidate->MBEDTLS_PRIVATE(ca_istrue)) return SW_DETAIL_NO_AUTHORITY;
  if (mbedtls_x509_crt_check_key_usage(candidate, MBEDTLS_X509_KU_KEY_CERT_SIGN)) return SW_DETAIL_NO_SIGNER;
  return candidate->MBEDTLS_PRIVATE(max_pathlen) > 0 ? SW_DETAIL_PATH_LENGTH : SW_DETAIL_NONE;
}

/* No path leads to an anchor. Says why, as far as that can be told: the connection is refused in any case. */
static void explain(SwVerification* v, const mbedtls_x509_crt* leaf) {
  const mbedtls_x509_crt* lists[] = {leaf, v->anchors};
  for (int which = 0; which < 2; which++) {
    const mbedtls_x509_crt* candidate = lists[which];
    for (int count = 0; candidate && count < MAXIMUM_PRESENTED; candidate = candidate->next, count++) {
      SwDetail detail = candidate == v->top ? SW_DETAIL_NONE : whyNotIssuer(candidate, v->top);
      if (detail == SW_DETAIL_NONE) continue;
      report(v, SW_FAILURE_UNSUITABLE, detail, 1, candidate);
      return;
    }
  }
  int selfSigned = sameBytes(&leaf->subject_raw, &leaf->issuer_raw);
  sw_x509_report(v, SW_FAILURE_UNTRUSTED, selfSigned ? SW_DETAIL_SELF_SIGNED : leaf->next ? SW_DETAIL_NO_PATH : SW_DETAIL_NO_INTERMEDIATE, 0);
}

/* Mapped back for the alert that the library chooses. */
static uint32_t toFlag(uint8_t failure) {
  switch (failure) {
    case SW_FAILURE_NONE: return 0;
    case SW_FAILURE_UNTRUSTED: return MBEDTLS_X509_BADCERT_NOT_TRUSTED;
    case SW_FAILURE_UNSUITABLE: return MBEDTLS_X509_BADCERT_BAD_KEY;
    case SW_FAILURE_EXPIRED: return MBEDTLS_X509_BADCERT_EXPIRED;
    case SW_FAILURE_NOT_YET_VALID: return MBEDTLS_X509_BADCERT_FUTURE;
    case SW_FAILURE_NAME: return MBEDTLS_X509_BADCERT_CN_MISMATCH;
    case SW_FAILURE_REVOKED: return MBEDTLS_X509_BADCERT_REVOKED;
    default: return MBEDTLS_X509_BADCRL_NOT_TRUSTED;
  }
}

/*
 * Called from the highest certificate of the path down to the server's own, depth 0. What the library says of dates, of the name and of
 * lists is replaced; what it says of trust and strength stands.
 */
int sw_x509_on_certificate(void* context, mbedtls_x509_crt* certificate, int depth, uint32_t* flags) {
  SwVerification* v = context;
  uint32_t complaints = *flags;
  int isTop = v->issuer == NULL;
  v->called = 1;
  if (isTop) v->top = certificate;
  if (complaints & MBEDTLS_X509_BADCERT_NOT_TRUSTED) v->untrusted = 1;
  checkUse(v, certificate, depth, complaints);
  checkDates(v, certificate, depth);
  if (depth == 0) checkName(v, certificate);
  /* A server's own certificate that is an anchor vouches for itself, also for its list. */
  int byRevocation = v->revocation == SW_REVOCATION_LEAF ? depth == 0 : v->revocation == SW_REVOCATION_CHAIN && (!isTop || depth == 0);
  if (byRevocation && !v->untrusted) sw_revocation_check(v, certificate, isTop ? certificate : v->issuer, depth);
  v->issuer = certificate;
  *flags = 0;
  if (depth > 0) return 0;
  if (v->untrusted) explain(v, certificate);
  /* The library's complaints that have no place above must not be lost. */
  uint32_t known = MBEDTLS_X509_BADCERT_NOT_TRUSTED | MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK |
                   MBEDTLS_X509_BADCERT_BAD_KEY | MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE |
                   MBEDTLS_X509_BADCERT_CN_MISMATCH;
  *flags = toFlag(v->failure) | (complaints & ~known);
  return 0;
}
