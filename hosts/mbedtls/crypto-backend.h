/*
 * The primitives, as every generation of Mbed TLS gives them: crypto-legacy.c for 2.28, crypto-psa.c for 3.6 and 4.0. All functions
 * return SW_OK or another SW_ status. Lengths were checked against the algorithms before; pointers may be NULL where the length is 0.
 */
#ifndef SEALWIRE_CRYPTO_BACKEND_H
#define SEALWIRE_CRYPTO_BACKEND_H

#include "status.h"
#include "mbedtls/pk.h"
#include <stddef.h>
#include <stdint.h>

#define SW_HASH_BYTES 32
#define SW_SCALAR_BYTES 32
#define SW_POINT_BYTES 65
#define SW_SIGNATURE_BYTES 64

/* An incremental SHA-256, in native memory. */
typedef struct SwHash SwHash;
SwHash* sw_hash_new(void);
int sw_hash_update(SwHash* hash, const uint8_t* data, size_t size);
/* The hash can only be freed afterwards. */
int sw_hash_finish(SwHash* hash, uint8_t output[SW_HASH_BYTES]);
void sw_hash_free(SwHash* hash);

/*
 * Whether PSA's key store has no room for two keys. Where it is of a fixed size that is a want of memory which no failed allocation tells of, and
 * which the library may take for a bad key or signature, or go on with.
 */
int sw_key_store_is_full(void);

int sw_sha256(const uint8_t* data, size_t size, uint8_t output[SW_HASH_BYTES]);
int sw_hmac(const uint8_t* key, size_t keySize, const uint8_t* data, size_t size, uint8_t output[SW_HASH_BYTES]);
int sw_hkdf(const uint8_t* key, size_t keySize, const uint8_t* salt, size_t saltSize, const uint8_t* info, size_t infoSize,
            uint8_t* output, size_t size);
int sw_pbkdf2(const uint8_t* password, size_t passwordSize, const uint8_t* salt, size_t saltSize, uint32_t iterations,
              uint8_t* output, size_t size);

typedef struct {
  int ccm, decrypting;
  const uint8_t *key, *nonce, *additional;
  size_t keySize, nonceSize, additionalSize;
  /* Changed in place; may hold unverified plaintext when decrypting failed. */
  uint8_t* data;
  size_t size;
  /* Written when encrypting, read when decrypting. */
  uint8_t* tag;
  size_t tagSize;
} SwAEAD;

int sw_aead(const SwAEAD* job);

int sw_p256_generate(uint8_t scalar[SW_SCALAR_BYTES]);
int sw_p256_public(const uint8_t scalar[SW_SCALAR_BYTES], uint8_t point[SW_POINT_BYTES]);
int sw_p256_sign(const uint8_t scalar[SW_SCALAR_BYTES], const uint8_t hash[SW_HASH_BYTES], uint8_t signature[SW_SIGNATURE_BYTES]);
int sw_p256_verify(const uint8_t point[SW_POINT_BYTES], const uint8_t hash[SW_HASH_BYTES],
                   const uint8_t signature[SW_SIGNATURE_BYTES]);
int sw_p256_agree(const uint8_t scalar[SW_SCALAR_BYTES], const uint8_t point[SW_POINT_BYTES], uint8_t secret[SW_SCALAR_BYTES]);

/* Parses a private key, PKCS#8, SEC 1 or PKCS#1, DER. */
int sw_pk_parse_private(mbedtls_pk_context* context, const uint8_t* der, size_t size);
/* Scalar or point of a parsed key. @returns SW_CURVE when it is no key on P-256 */
int sw_pk_scalar(const mbedtls_pk_context* context, uint8_t scalar[SW_SCALAR_BYTES]);
int sw_pk_point(const mbedtls_pk_context* context, uint8_t point[SW_POINT_BYTES]);

#endif
