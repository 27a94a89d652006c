/* Primitives by PSA Crypto, for Mbed TLS 3.6 and 4.0. A key is in PSA's store for the length of one operation only. */
#include "mbedtls/version.h"
#if MBEDTLS_VERSION_NUMBER >= 0x03000000

#include "crypto-backend.h"
#include "memory.h"
#include "random.h"
#include "mbedtls/platform_util.h"
#include "psa/crypto.h"
#include <string.h>
#if MBEDTLS_VERSION_NUMBER < 0x04000000
  #include "mbedtls/pkcs5.h"
#endif

#define P256_PAIR PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_SECP_R1)
#define P256_PUBLIC PSA_KEY_TYPE_ECC_PUBLIC_KEY(PSA_ECC_FAMILY_SECP_R1)
#define ECDSA PSA_ALG_ECDSA(PSA_ALG_SHA_256)

static int statusOf(psa_status_t status) {
  switch (status) {
    case PSA_SUCCESS: return SW_OK;
    case PSA_ERROR_INVALID_SIGNATURE: return SW_MISMATCH;
    case PSA_ERROR_INSUFFICIENT_MEMORY: return SW_MEMORY;
    case PSA_ERROR_INSUFFICIENT_ENTROPY: return SW_ENTROPY;
    case PSA_ERROR_INVALID_ARGUMENT:
    case PSA_ERROR_INVALID_PADDING: return SW_INVALID;
    case PSA_ERROR_NOT_SUPPORTED: return SW_UNSUPPORTED;
    default: return SW_FAILED;
  }
}

int sw_key_store_is_full(void) {
#ifdef MBEDTLS_PSA_KEY_STORE_DYNAMIC
  return 0;
#else
  mbedtls_psa_stats_t stats;
  if (psa_crypto_init()) return 0;
  mbedtls_psa_get_stats(&stats);
  return stats.MBEDTLS_PRIVATE(empty_slots) < 2;
#endif
}

/* A key for one operation. */
static psa_status_t borrow(psa_key_type_t type, psa_algorithm_t algorithm, psa_key_usage_t usage, const uint8_t* bytes,
                           size_t size, psa_key_id_t* key) {
  psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
  psa_status_t status = psa_crypto_init();
  *key = PSA_KEY_ID_NULL;
  if (status) return status;
  psa_set_key_type(&attributes, type);
  psa_set_key_algorithm(&attributes, algorithm);
  psa_set_key_usage_flags(&attributes, usage);
  return psa_import_key(&attributes, bytes, size, key);
}

struct SwHash {
  psa_hash_operation_t operation;
};

SwHash* sw_hash_new(void) {
  SwHash* hash = sw_memory_calloc(1, sizeof(SwHash));
  if (!hash) return NULL;
  hash->operation = psa_hash_operation_init();
  if (psa_crypto_init() || psa_hash_setup(&hash->operation, PSA_ALG_SHA_256)) {
    sw_hash_free(hash);
    return NULL;
  }
  return hash;
}

int sw_hash_update(SwHash* hash, const uint8_t* data, size_t size) {
  return statusOf(psa_hash_update(&hash->operation, data, size));
}

int sw_hash_finish(SwHash* hash, uint8_t output[SW_HASH_BYTES]) {
  size_t length;
  return statusOf(psa_hash_finish(&hash->operation, output, SW_HASH_BYTES, &length));
}

void sw_hash_free(SwHash* hash) {
  if (!hash) return;
  (void)psa_hash_abort(&hash->operation);
  mbedtls_platform_zeroize(hash, sizeof(SwHash));
  sw_memory_free(hash);
}

int sw_sha256(const uint8_t* data, size_t size, uint8_t output[SW_HASH_BYTES]) {
  size_t length;
  psa_status_t status = psa_crypto_init();
  if (!status) status = psa_hash_compute(PSA_ALG_SHA_256, data, size, output, SW_HASH_BYTES, &length);
  return statusOf(status);
}

int sw_hmac(const uint8_t* key, size_t keySize, const uint8_t* data, size_t size, uint8_t output[SW_HASH_BYTES]) {
  /* PSA has no empty keys. RFC 2104 pads a key with zeros, so that one zero is the same key as none. */
  static const uint8_t zero = 0;
  psa_key_id_t id;
  size_t length;
  psa_status_t status = borrow(PSA_KEY_TYPE_HMAC, PSA_ALG_HMAC(PSA_ALG_SHA_256), PSA_KEY_USAGE_SIGN_MESSAGE,
                               keySize ? key : &zero, keySize ? keySize : 1, &id);
  if (!status) status = psa_mac_compute(id, PSA_ALG_HMAC(PSA_ALG_SHA_256), data, size, output, SW_HASH_BYTES, &length);
  (void)psa_destroy_key(id);
  return statusOf(status);
}

int sw_hkdf(const uint8_t* key, size_t keySize, const uint8_t* salt, size_t saltSize, const uint8_t* info, size_t infoSize,
            uint8_t* output, size_t size) {
  psa_key_derivation_operation_t operation = PSA_KEY_DERIVATION_OPERATION_INIT;
  psa_status_t status = psa_crypto_init();
  if (!status) status = psa_key_derivation_setup(&operation, PSA_ALG_HKDF(PSA_ALG_SHA_256));
  if (!status && saltSize)
    status = psa_key_derivation_input_bytes(&operation, PSA_KEY_DERIVATION_INPUT_SALT, salt, saltSize);
  if (!status) status = psa_key_derivation_input_bytes(&operation, PSA_KEY_DERIVATION_INPUT_SECRET, key, keySize);
  if (!status) status = psa_key_derivation_input_bytes(&operation, PSA_KEY_DERIVATION_INPUT_INFO, info, infoSize);
  if (!status) status = psa_key_derivation_output_bytes(&operation, output, size);
  (void)psa_key_derivation_abort(&operation);
  return statusOf(status);
}

int sw_pbkdf2(const uint8_t* password, size_t passwordSize, const uint8_t* salt, size_t saltSize, uint32_t iterations,
              uint8_t* output, size_t size) {
#if MBEDTLS_VERSION_NUMBER < 0x04000000
  /* 3.6 has PBKDF2 in PSA with a configuration only that few builds use. */
  int error = mbedtls_pkcs5_pbkdf2_hmac_ext(MBEDTLS_MD_SHA256, password, passwordSize, salt, saltSize, iterations,
                                            (uint32_t)size, output);
  return error == MBEDTLS_ERR_MD_ALLOC_FAILED ? SW_MEMORY : error ? SW_FAILED : SW_OK;
#else
  psa_key_derivation_operation_t operation = PSA_KEY_DERIVATION_OPERATION_INIT;
  psa_status_t status = psa_crypto_init();
  if (!status) status = psa_key_derivation_setup(&operation, PSA_ALG_PBKDF2_HMAC(PSA_ALG_SHA_256));
  if (!status) status = psa_key_derivation_input_integer(&operation, PSA_KEY_DERIVATION_INPUT_COST, iterations);
  if (!status) status = psa_key_derivation_input_bytes(&operation, PSA_KEY_DERIVATION_INPUT_SALT, salt, saltSize);
  if (!status)
    status = psa_key_derivation_input_bytes(&operation, PSA_KEY_DERIVATION_INPUT_PASSWORD, password, passwordSize);
  if (!status) status = psa_key_derivation_output_bytes(&operation, output, size);
  (void)psa_key_derivation_abort(&operation);
  return statusOf(status);
#endif
}

/* In pieces, since only so the tag lies apart from the data. */
static psa_status_t crypt(const SwAEAD* job, psa_key_id_t key, psa_algorithm_t algorithm) {
  psa_aead_operation_t operation = PSA_AEAD_OPERATION_INIT;
  size_t length = 0, rest = 0, tagLength;
  psa_status_t status = job->decrypting ? psa_aead_decrypt_setup(&operation, key, algorithm)
                                        : psa_aead_encrypt_setup(&operation, key, algorithm);
  if (!status) status = psa_aead_set_lengths(&operation, job->additionalSize, job->size);
  if (!status) status = psa_aead_set_nonce(&operation, job->nonce, job->nonceSize);
  if (!status && job->additionalSize) status = psa_aead_update_ad(&operation, job->additional, job->additionalSize);
  if (!status && job->size) status = psa_aead_update(&operation, job->data, job->size, job->data, job->size, &length);
  if (!status && job->decrypting)
    status = psa_aead_verify(&operation, job->data + length, job->size - length, &rest, job->tag, job->tagSize);
  else if (!status)
    status = psa_aead_finish(&operation, job->data + length, job->size - length, &rest, job->tag, job->tagSize, &tagLength);
  (void)psa_aead_abort(&operation);
  return status;
}

int sw_aead(const SwAEAD* job) {
  psa_algorithm_t algorithm = PSA_ALG_AEAD_WITH_SHORTENED_TAG(job->ccm ? PSA_ALG_CCM : PSA_ALG_GCM, job->tagSize);
  psa_key_id_t key;
  psa_status_t status = borrow(PSA_KEY_TYPE_AES, algorithm, job->decrypting ? PSA_KEY_USAGE_DECRYPT : PSA_KEY_USAGE_ENCRYPT,
                               job->key, job->keySize, &key);
  if (!status) status = crypt(job, key, algorithm);
  (void)psa_destroy_key(key);
  return statusOf(status);
}

int sw_p256_generate(uint8_t scalar[SW_SCALAR_BYTES]) {
  psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
  psa_key_id_t key = PSA_KEY_ID_NULL;
  size_t length;
  psa_status_t status = psa_crypto_init();
  psa_set_key_type(&attributes, P256_PAIR);
  psa_set_key_bits(&attributes, 256);
  psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_EXPORT);
  if (!status) status = psa_generate_key(&attributes, &key);
  if (!status) status = psa_export_key(key, scalar, SW_SCALAR_BYTES, &length);
  (void)psa_destroy_key(key);
  return statusOf(status);
}

int sw_p256_public(const uint8_t scalar[SW_SCALAR_BYTES], uint8_t point[SW_POINT_BYTES]) {
  psa_key_id_t key;
  size_t length;
  psa_status_t status = borrow(P256_PAIR, PSA_ALG_NONE, 0, scalar, SW_SCALAR_BYTES, &key);
  if (!status) status = psa_export_public_key(key, point, SW_POINT_BYTES, &length);
  (void)psa_destroy_key(key);
  return statusOf(status);
}

int sw_p256_sign(const uint8_t scalar[SW_SCALAR_BYTES], const uint8_t hash[SW_HASH_BYTES], uint8_t signature[SW_SIGNATURE_BYTES]) {
  psa_key_id_t key;
  size_t length;
  psa_status_t status = borrow(P256_PAIR, ECDSA, PSA_KEY_USAGE_SIGN_HASH, scalar, SW_SCALAR_BYTES, &key);
  if (!status) status = psa_sign_hash(key, ECDSA, hash, SW_HASH_BYTES, signature, SW_SIGNATURE_BYTES, &length);
  (void)psa_destroy_key(key);
  return statusOf(status);
}

int sw_p256_verify(const uint8_t point[SW_POINT_BYTES], const uint8_t hash[SW_HASH_BYTES],
                   const uint8_t signature[SW_SIGNATURE_BYTES]) {
  psa_key_id_t key;
  psa_status_t status = borrow(P256_PUBLIC, ECDSA, PSA_KEY_USAGE_VERIFY_HASH, point, SW_POINT_BYTES, &key);
  if (!status) status = psa_verify_hash(key, ECDSA, hash, SW_HASH_BYTES, signature, SW_SIGNATURE_BYTES);
  (void)psa_destroy_key(key);
  return statusOf(status);
}

int sw_p256_agree(const uint8_t scalar[SW_SCALAR_BYTES], const uint8_t point[SW_POINT_BYTES], uint8_t secret[SW_SCALAR_BYTES]) {
  psa_key_id_t key;
  size_t length;
  psa_status_t status = borrow(P256_PAIR, PSA_ALG_ECDH, PSA_KEY_USAGE_DERIVE, scalar, SW_SCALAR_BYTES, &key);
  if (!status) status = psa_raw_key_agreement(PSA_ALG_ECDH, key, point, SW_POINT_BYTES, secret, SW_SCALAR_BYTES, &length);
  (void)psa_destroy_key(key);
  return statusOf(status);
}

int sw_pk_parse_private(mbedtls_pk_context* context, const uint8_t* der, size_t size) {
  psa_status_t status = psa_crypto_init();
  if (status) return statusOf(status);
#if MBEDTLS_VERSION_NUMBER < 0x04000000
  int error = mbedtls_pk_parse_key(context, der, size, NULL, 0, sw_random, NULL);
#else
  int error = mbedtls_pk_parse_key(context, der, size, NULL, 0);
#endif
  return error == MBEDTLS_ERR_PK_ALLOC_FAILED || (error && sw_key_store_is_full()) ? SW_MEMORY : error ? SW_INVALID : SW_OK;
}

/* Takes a parsed key over into PSA, and out of it in the plain form. */
static int extract(const mbedtls_pk_context* context, psa_key_usage_t usage, int public, uint8_t* output, size_t size) {
  psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
  psa_key_id_t key = PSA_KEY_ID_NULL;
  size_t length = 0;
  psa_status_t status = psa_crypto_init();
  if (status) return statusOf(status);
  if (mbedtls_pk_get_psa_attributes(context, usage, &attributes)) return SW_CURVE;
  if (psa_get_key_bits(&attributes) != 256 || psa_get_key_type(&attributes) != (public ? P256_PUBLIC : P256_PAIR)) return SW_CURVE;
  psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_EXPORT);
  if (mbedtls_pk_import_into_psa(context, &attributes, &key)) return SW_FAILED;
  status = psa_export_key(key, output, size, &length);
  (void)psa_destroy_key(key);
  return status ? statusOf(status) : length == size ? SW_OK : SW_FAILED;
}

int sw_pk_scalar(const mbedtls_pk_context* context, uint8_t scalar[SW_SCALAR_BYTES]) {
  return extract(context, PSA_KEY_USAGE_SIGN_HASH, 0, scalar, SW_SCALAR_BYTES);
}

int sw_pk_point(const mbedtls_pk_context* context, uint8_t point[SW_POINT_BYTES]) {
  return extract(context, PSA_KEY_USAGE_VERIFY_HASH, 1, point, SW_POINT_BYTES);
}
#endif
