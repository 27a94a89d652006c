/*
 * Configuration of the cryptography of Mbed TLS 4.0, which is a library of its own there (TF-PSA-Crypto); sealwire_mbedtls_config.h has the rest,
 * and says what the settings that both generations have are for. A setting that is not here is off.
 */
#ifndef SEALWIRE_MBEDTLS_CRYPTO_CONFIG_H
#define SEALWIRE_MBEDTLS_CRYPTO_CONFIG_H

/* ---- The place it runs on ---- */

#define MBEDTLS_HAVE_ASM
#define MBEDTLS_PLATFORM_C
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
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_PLATFORM_MS_TIME_ALT    /* Age of tickets, by a clock of the host that runs through sleep. */
#define MBEDTLS_PSA_DRIVER_GET_ENTROPY  /* From the host alone: mbedtls_platform_get_entropy(). */
#define MBEDTLS_CTR_DRBG_C

/* ---- PSA ---- */

#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_PSA_ASSUME_EXCLUSIVE_BUFFERS /* No copies of input and output: nothing else runs while we are in here. */
#define MBEDTLS_PSA_KEY_SLOT_COUNT 12   /* Static memory. Private keys of TLS are among them, for the one message that they sign. */

/* ---- Primitives ---- */

#define PSA_WANT_KEY_TYPE_AES 1
#define PSA_WANT_ALG_GCM 1
#define PSA_WANT_ALG_CCM 1              /* COSE and sealed payloads; no CCM suite is offered in TLS. */
#define PSA_WANT_ALG_ECB_NO_PADDING 1   /* CTR_DRBG. */
#define MBEDTLS_AES_ROM_TABLES
#define MBEDTLS_AES_FEWER_TABLES

#define PSA_WANT_ALG_SHA_256 1
#define PSA_WANT_ALG_SHA_384 1
#define PSA_WANT_ALG_SHA_512 1
#define MBEDTLS_SHA256_SMALLER
#define MBEDTLS_SHA512_SMALLER
#define PSA_WANT_KEY_TYPE_HMAC 1
#define PSA_WANT_ALG_HMAC 1
#define PSA_WANT_KEY_TYPE_DERIVE 1
#define PSA_WANT_ALG_HKDF 1
#define PSA_WANT_ALG_HKDF_EXTRACT 1     /* TLS 1.3. */
#define PSA_WANT_ALG_HKDF_EXPAND 1
#define PSA_WANT_ALG_TLS12_PRF 1
#define PSA_WANT_KEY_TYPE_PASSWORD 1
#define PSA_WANT_ALG_PBKDF2_HMAC 1

#define PSA_WANT_KEY_TYPE_RSA_PUBLIC_KEY 1
#define PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_BASIC 1
#define PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_IMPORT 1
#define PSA_WANT_KEY_TYPE_RSA_KEY_PAIR_EXPORT 1
#define PSA_WANT_ALG_RSA_PKCS1V15_CRYPT 1 /* Not used; the library has no RSA suites without. */
#define PSA_WANT_ALG_RSA_PKCS1V15_SIGN 1
#define PSA_WANT_ALG_RSA_OAEP 1         /* Not used either; X.509 with RSA-PSS wants it. */
#define PSA_WANT_ALG_RSA_PSS 1          /* TLS 1.3 knows no other RSA signature. */
#define MBEDTLS_MPI_WINDOW_SIZE 2
#define MBEDTLS_MPI_MAX_SIZE 512

#define PSA_WANT_KEY_TYPE_ECC_PUBLIC_KEY 1
#define PSA_WANT_KEY_TYPE_ECC_KEY_PAIR_BASIC 1
#define PSA_WANT_KEY_TYPE_ECC_KEY_PAIR_IMPORT 1
#define PSA_WANT_KEY_TYPE_ECC_KEY_PAIR_EXPORT 1
#define PSA_WANT_KEY_TYPE_ECC_KEY_PAIR_GENERATE 1
#define PSA_WANT_ECC_SECP_R1_256 1
#define PSA_WANT_ECC_SECP_R1_384 1      /* To verify chains; the device's own keys are P-256. */
#define PSA_WANT_ALG_ECDH 1
#define PSA_WANT_ALG_ECDSA 1
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_WINDOW_SIZE 2
#define MBEDTLS_ECP_FIXED_POINT_OPTIM 1

/* ---- Keys ---- */

#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_MD_C
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_PK_WRITE_C

#endif
