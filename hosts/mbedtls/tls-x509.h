/*
 * Verification of the server's certificate beside what Mbed TLS does itself (RFC 5280). The library finds the path and checks names of
 * issuers, signatures, basic constraints and path lengths; its verify callback, here, adds what the contract of the engine wants and the
 * library cannot: dates by the device's own interval of time, IP addresses, no common names, the use of every certificate, and revocation
 * lists that must be there.
 */
#ifndef SEALWIRE_TLS_X509_H
#define SEALWIRE_TLS_X509_H

#include "mbedtls/version.h"
#include "mbedtls/x509_crt.h"
#include <stddef.h>
#include <stdint.h>

/* How 4.0 names algorithms of signatures, and what a certificate no longer carries there. */
#if MBEDTLS_VERSION_NUMBER >= 0x04000000
typedef mbedtls_pk_sigalg_t SwSignatureAlgorithm;
  #define SW_SIGNATURE_RSA MBEDTLS_PK_SIGALG_RSA_PKCS1V15
  #define SW_SIGNATURE_RSA_PSS MBEDTLS_PK_SIGALG_RSA_PSS
  #define SW_SIGNATURE_ECDSA MBEDTLS_PK_SIGALG_ECDSA
  #define SW_SIGNATURE_OPTIONS(certificate) NULL
  /* MBEDTLS_PK_ECKEY, which is private there, but what a profile means. */
  #define SW_KEY_EC (MBEDTLS_PK_SIGALG_ECDSA + 1)
#else
typedef mbedtls_pk_type_t SwSignatureAlgorithm;
  #define SW_SIGNATURE_RSA MBEDTLS_PK_RSA
  #define SW_SIGNATURE_RSA_PSS MBEDTLS_PK_RSASSA_PSS
  #define SW_SIGNATURE_ECDSA MBEDTLS_PK_ECDSA
  #define SW_SIGNATURE_OPTIONS(certificate) ((certificate)->MBEDTLS_PRIVATE(sig_opts))
  #define SW_KEY_EC MBEDTLS_PK_ECKEY
#endif

typedef struct {
  const uint8_t* bytes;
  size_t size;
} SwView;

/* What went wrong; the order of the first seven is that in which they are reported when several apply. As in tls-errors.ts. */
typedef enum {
  SW_FAILURE_NONE,
  SW_FAILURE_UNTRUSTED,
  SW_FAILURE_UNSUITABLE,
  SW_FAILURE_EXPIRED,
  SW_FAILURE_NOT_YET_VALID,
  SW_FAILURE_NAME,
  SW_FAILURE_REVOKED,
  SW_FAILURE_REVOCATION_UNKNOWN,
  SW_FAILURE_OUT_OF_MEMORY,
  SW_FAILURE_RECORD_TOO_LARGE,
  SW_FAILURE_HANDSHAKE,
  SW_FAILURE_ALERT,
  SW_FAILURE_VERSION,
  SW_FAILURE_LOST,
  SW_FAILURE_NOT_TLS,
  SW_FAILURE_CERTIFICATE_UNREADABLE,
  SW_FAILURE_KEY_MISMATCH,
  SW_FAILURE_CHAIN_TOO_LARGE,
  SW_FAILURE_VERSION_ABSENT,
  SW_FAILURE_EXTENDED_MASTER_SECRET,
  SW_FAILURE_LIST_UNREADABLE,
  SW_FAILURE_KEY,
  SW_FAILURE_MESSAGE_TOO_LARGE,
  SW_FAILURE_SIGNATURE_SCHEME,
  SW_FAILURE_KEY_UPDATE,
  SW_FAILURE_CHAIN_EXCHANGED,
} SwFailure;

typedef enum { SW_REVOCATION_OFF, SW_REVOCATION_LEAF, SW_REVOCATION_CHAIN } SwRevocation;

/* What of the certificate is wrong: the sentences are in tls-errors.ts. */
typedef enum {
  SW_DETAIL_NONE,
  SW_DETAIL_SELF_SIGNED,
  SW_DETAIL_NO_INTERMEDIATE,
  SW_DETAIL_NO_PATH,
  SW_DETAIL_ALGORITHM,
  SW_DETAIL_KEY,
  SW_DETAIL_EXTENDED_USAGE,
  SW_DETAIL_USAGE,
  SW_DETAIL_NO_AUTHORITY,
  SW_DETAIL_NO_SIGNER,
  SW_DETAIL_PATH_LENGTH,
  SW_DETAIL_NO_LIST,
  SW_DETAIL_LIST_LIMITED,
  SW_DETAIL_LIST_ENDLESS,
  SW_DETAIL_LIST_OLD,
  SW_DETAIL_LIST_FUTURE,
  SW_DETAIL_LIST_NO_SIGNER,
  SW_DETAIL_LIST_SIGNATURE,
  SW_DETAIL_EXTENSION,
} SwDetail;

#define SW_WHO_SIZE 65

typedef struct {
  /* Milliseconds since 1970; `latest` may be NaN. */
  double earliest, latest;
  double notAfter, notBefore;
  /* Infinity when no list was used. */
  double nextUpdate;
  SwRevocation revocation;
  /* Borrowed for the time of a step. */
  const SwView* lists;
  unsigned listCount;
  const mbedtls_x509_crt* anchors;
  char* serverName;
  /* Of the path: its highest certificate, and the one that was looked at last. */
  const mbedtls_x509_crt* top;
  const mbedtls_x509_crt* issuer;
  int untrusted;
  uint8_t called;
  /* The worst that was found so far, where, and a date that belongs to it. */
  uint8_t failure, detail, depth;
  double date;
  /* Of the authority, or names of the server's certificate: short and printable. */
  char who[SW_WHO_SIZE];
} SwVerification;

/* For mbedtls_ssl_conf_verify; `context` is an SwVerification. */
int sw_x509_on_certificate(void* context, mbedtls_x509_crt* certificate, int depth, uint32_t* flags);
/* SHA-2, P-256 and above, RSA of 2,048 bits and above. */
extern const mbedtls_x509_crt_profile sw_x509_profile;
/* Whether it is for this host name or IP address; a common name does not count (RFC 9525 section 2). */
int sw_x509_is_for(const mbedtls_x509_crt* certificate, const char* name);
/* @returns the length of the address, 4 or 16, or 0 when it is none */
size_t sw_x509_address(const char* text, uint8_t* address);
void sw_x509_report(SwVerification* verification, SwFailure failure, SwDetail detail, int depth);
double sw_x509_time(const mbedtls_x509_time* time);
/* Whether `issuer` signed this; `options` of RSA-PSS are those of 2.28 and 3.6. */
int sw_x509_is_signed(const mbedtls_x509_buf* signedPart, mbedtls_md_type_t hash, SwSignatureAlgorithm algorithm, const void* options,
                      const mbedtls_x509_buf* signature, const mbedtls_x509_crt* issuer);

/* tls-revocation.c. @returns whether it is a list, by its structure; nothing is verified */
int sw_revocation_is_list(SwView list);
/* Judges a certificate by the lists of its issuer; reports, and lowers `nextUpdate`. */
void sw_revocation_check(SwVerification* verification, const mbedtls_x509_crt* certificate, const mbedtls_x509_crt* issuer, int depth);
/* Milliseconds since 1970 of a date (proleptic Gregorian). */
double sw_x509_milliseconds(int year, int month, int day, int hour, int minute, int second);

#endif
