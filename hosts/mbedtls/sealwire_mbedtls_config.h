/*
 * Configuration of Mbed TLS 2.28, 3.6 and 4.0 for a device: a TLS client with the least memory that is still safe. The cryptography of 4.0
 * is configured in sealwire_mbedtls_crypto_config.h.
 *
 * Used by every build of the library that is ours: the 32-bit XS host, and `build:xs -- --mbedtls DIR`. What the comments call "costs"
 * is heap unless they say otherwise. A setting that is not here is off.
 */
#ifndef SEALWIRE_MBEDTLS_CONFIG_H
#define SEALWIRE_MBEDTLS_CONFIG_H

/* 2.28 reads this file before it knows its own version. */
#if defined(MBEDTLS_VERSION_NUMBER) && MBEDTLS_VERSION_NUMBER >= 0x03000000
  #define SEALWIRE_MBEDTLS_3
  #if MBEDTLS_VERSION_NUMBER >= 0x04000000
    #define SEALWIRE_MBEDTLS_4
  #endif
#endif

/* TLS 1.3 needs 3.6, and makes it keep the server's certificate. A build without it: -DSEALWIRE_TLS12_ONLY. */
#if defined(SEALWIRE_MBEDTLS_3) && !defined(SEALWIRE_TLS12_ONLY)
  #define SEALWIRE_TLS13
#endif

#ifndef SEALWIRE_MBEDTLS_4

/* ---- The place it runs on ---- */

#define MBEDTLS_HAVE_ASM                /* Multiplication in assembler: the handshake is several times faster. */
#define MBEDTLS_PLATFORM_C              /* For the three lines below. */
#define MBEDTLS_PLATFORM_MEMORY         /* Every allocation is counted and capped, by memory.c. */
#ifdef SEALWIRE_MEMORY_UNWATCHED        /* As ESP-IDF has it; for a test of the desktop host. */
  #define MBEDTLS_PLATFORM_STD_CALLOC sw_memory_unwatched_calloc
  #define MBEDTLS_PLATFORM_STD_FREE sw_memory_unwatched_free
#else
  #define MBEDTLS_PLATFORM_CALLOC_MACRO sw_memory_calloc
  #define MBEDTLS_PLATFORM_FREE_MACRO sw_memory_free
#endif
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
void* sw_memory_calloc(size_t count, size_t size);
void sw_memory_free(void* block);
void* sw_memory_unwatched_calloc(size_t count, size_t size);
void sw_memory_unwatched_free(void* block);
#ifdef __cplusplus
}
#endif
#define MBEDTLS_HAVE_TIME               /* Age of sessions. Not HAVE_TIME_DATE: the engine checks dates itself, against an interval of time. */
#ifdef SEALWIRE_MBEDTLS_3
  #define MBEDTLS_PLATFORM_MS_TIME_ALT  /* Age of TLS 1.3 tickets, by a clock of the host that runs through sleep. */
#endif
#define MBEDTLS_NO_PLATFORM_ENTROPY     /* Entropy comes from the host alone: random.c. The library's own pool (MBEDTLS_ENTROPY_C) is off. */
#define MBEDTLS_CTR_DRBG_C              /* The generator that the host's entropy seeds. */
#define MBEDTLS_CTR_DRBG_ENTROPY_LEN 48 /* Security strength of 256 bits, nonce included (SP 800-90A). */

/* ---- Primitives ---- */

#define MBEDTLS_AES_C
#define MBEDTLS_AES_ROM_TABLES          /* Tables in flash; generated ones would cost 8.5 KB. */
#define MBEDTLS_AES_FEWER_TABLES        /* 2 KB of flash for them instead of 8. */
#define MBEDTLS_GCM_C
#define MBEDTLS_CCM_C                   /* COSE and sealed payloads; no CCM suite is offered in TLS, see below. */
#define MBEDTLS_CIPHER_C
#define MBEDTLS_MD_C
#define MBEDTLS_SHA224_C                /* 3.6: comes with SHA-256 in 2.28. Not accepted in TLS. */
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA256_SMALLER          /* Less flash, a little slower. */
#define MBEDTLS_SHA384_C                /* AES-256-GCM suites and P-384 authorities; SHA-512 comes along in 2.28. */
#define MBEDTLS_SHA512_C
#define MBEDTLS_SHA512_SMALLER
#define MBEDTLS_HKDF_C
#define MBEDTLS_PKCS5_C                 /* PBKDF2. */

#define MBEDTLS_BIGNUM_C
#define MBEDTLS_MPI_WINDOW_SIZE 2       /* RSA: smaller tables; the private operation takes some 10 % longer than with 6. */
#define MBEDTLS_MPI_MAX_SIZE 512        /* RSA up to 4096 bits. */
#define MBEDTLS_RSA_C
#define MBEDTLS_PKCS1_V15
#define MBEDTLS_PKCS1_V21               /* RSA-PSS: TLS 1.3 knows no other RSA signature. */

#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED /* To verify chains; the device's own keys are P-256. */
#define MBEDTLS_ECP_NIST_OPTIM          /* Fast reduction for the two curves. */
#define MBEDTLS_ECP_WINDOW_SIZE 2       /* Table of 2 points instead of 8: a kilobyte less at the peak of a handshake. */
#ifdef SEALWIRE_MBEDTLS_3
  #define MBEDTLS_ECP_FIXED_POINT_OPTIM 1 /* The table of the base point lies in flash: faster, and no heap. */
#else
  #define MBEDTLS_ECP_FIXED_POINT_OPTIM 0 /* 2.28 would compute that table and keep it in the heap. */
#endif
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDSA_C

/* ---- Keys ---- */

#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_OID_C
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_PK_WRITE_C              /* PKCS#8 and SubjectPublicKeyInfo. */

/* ---- PSA, where the crypto backend of 3.6 and TLS 1.3 want it ---- */

#ifdef SEALWIRE_MBEDTLS_3
  #define MBEDTLS_PSA_CRYPTO_C
  #define MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG     /* random.c: one generator for everything, no second pool. */
  #define MBEDTLS_PSA_ASSUME_EXCLUSIVE_BUFFERS /* No copies of input and output: nothing else runs while we are in here. */
  #define MBEDTLS_PSA_KEY_SLOT_COUNT 12       /* Static memory: 12 keys at once; a TLS 1.3 handshake has 4, the rest are ours for a moment. */
#endif

#endif /* SEALWIRE_MBEDTLS_4 */

/* ---- Certificates ---- */

#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_CRL_PARSE_C
#define MBEDTLS_X509_CSR_PARSE_C
#define MBEDTLS_X509_CREATE_C
#define MBEDTLS_X509_CSR_WRITE_C
#ifndef SEALWIRE_MBEDTLS_3
  #define MBEDTLS_X509_CHECK_KEY_USAGE  /* 3.6 always checks. */
  #define MBEDTLS_X509_CHECK_EXTENDED_KEY_USAGE
#endif
#define MBEDTLS_X509_RSASSA_PSS_SUPPORT
#define MBEDTLS_X509_MAX_INTERMEDIATE_CA 5 /* Longest chain that is followed. */
#define MBEDTLS_X509_REMOVE_INFO        /* No texts for people: flash. */

/* ---- TLS ---- */

#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED /* Forward secrecy always; the RSA key exchange is not offered. */
#define MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED
#define MBEDTLS_SSL_CIPHERSUITES SEALWIRE_SUITES13 \
  MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, \
  MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
#define MBEDTLS_SSL_ALL_ALERT_MESSAGES  /* The peer is told why. */
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_SESSION_TICKETS
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
#define MBEDTLS_SSL_ALPN
#define MBEDTLS_SSL_MAX_FRAGMENT_LENGTH /* Asks the server for small records. */
#ifndef SEALWIRE_TLS_INPUT
  #define SEALWIRE_TLS_INPUT 4096       /* More where a server's chain is larger: it is one message. 512 to 16384. */
#endif
#define MBEDTLS_SSL_IN_CONTENT_LEN SEALWIRE_TLS_INPUT /* Largest record from the server, and largest handshake message. */
#ifdef SEALWIRE_MBEDTLS_3
  #define MBEDTLS_SSL_OUT_CONTENT_LEN 2048 /* Largest of ours: the Certificate message with our chain. */
#else
  /* 2.28 asks for no fragment length above the smaller of the two, and must ask for 4096: it cannot join a fragmented message. Costs 2 KB. */
  #define MBEDTLS_SSL_OUT_CONTENT_LEN 4096
#endif
#define MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH /* Both shrink to the fragment length once the handshake is done. */

#ifdef SEALWIRE_TLS13
  #define SEALWIRE_SUITES13 MBEDTLS_TLS1_3_AES_128_GCM_SHA256, MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
  #define MBEDTLS_SSL_PROTO_TLS1_3
  #define MBEDTLS_SSL_TLS1_3_COMPATIBILITY_MODE /* Some middleboxes want it (RFC 8446 appendix D.4). */
  #define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED
  #define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL_ENABLED /* Resumption with forward secrecy only. */
  #define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE /* 3.6 has no TLS 1.3 without: one server certificate for the life of the connection. */
#else
  #define SEALWIRE_SUITES13
#endif

#ifndef SEALWIRE_MBEDTLS_3
  #include "mbedtls/check_config.h"
#endif
#endif
