/* Primitives by the functions of Mbed TLS 2.28. */
#include "mbedtls/version.h"
#if MBEDTLS_VERSION_NUMBER < 0x03000000

#include "crypto-backend.h"
#include "memory.h"
#include "random.h"
#include "mbedtls/ccm.h"
#include "mbedtls/ecdh.h"
#include "mbedtls/ecdsa.h"
#include "mbedtls/gcm.h"
#include "mbedtls/hkdf.h"
#include "mbedtls/pkcs5.h"
#include "mbedtls/platform_util.h"
#include "mbedtls/sha256.h"
#include <string.h>

static int statusOf(int error) {
  switch (error) {
    case 0: return SW_OK;
    case MBEDTLS_ERR_GCM_AUTH_FAILED:
    case MBEDTLS_ERR_CCM_AUTH_FAILED:
    case MBEDTLS_ERR_ECP_VERIFY_FAILED: return SW_MISMATCH;
    case MBEDTLS_ERR_MPI_ALLOC_FAILED:
    case MBEDTLS_ERR_ECP_ALLOC_FAILED:
    case MBEDTLS_ERR_MD_ALLOC_FAILED:
    case MBEDTLS_ERR_PK_ALLOC_FAILED:
    case MBEDTLS_ERR_CIPHER_ALLOC_FAILED: return SW_MEMORY;
    case MBEDTLS_ERR_GCM_BAD_INPUT:
    case MBEDTLS_ERR_CCM_BAD_INPUT:
    case MBEDTLS_ERR_ECP_INVALID_KEY: return SW_INVALID;
    default: return SW_FAILED;
  }
}

int sw_key_store_is_full(void) {
  return 0;
}

struct SwHash {
  mbedtls_sha256_context context;
};

SwHash* sw_hash_new(void) {
  SwHash* hash = sw_memory_calloc(1, sizeof(SwHash));
  if (!hash) return NULL;
  mbedtls_sha256_init(&hash->context);
  if (mbedtls_sha256_starts_ret(&hash->context, 0)) {
    sw_hash_free(hash);
    return NULL;
  }
  return hash;
}

int sw_hash_update(SwHash* hash, const uint8_t* data, size_t size) {
  return statusOf(mbedtls_sha256_update_ret(&hash->context, data, size));
}

int sw_hash_finish(SwHash* hash, uint8_t output[SW_HASH_BYTES]) {
  return statusOf(mbedtls_sha256_finish_ret(&hash->context, output));
}

void sw_hash_free(SwHash* hash) {
  if (!hash) return;
  mbedtls_sha256_free(&hash->context);
  mbedtls_platform_zeroize(hash, sizeof(SwHash));
  sw_memory_free(hash);
}

int sw_sha256(const uint8_t* data, size_t size, uint8_t output[SW_HASH_BYTES]) {
  return statusOf(mbedtls_sha256_ret(data, size, output, 0));
}

static const mbedtls_md_info_t* sha256(void) {
  return mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
}

int sw_hmac(const uint8_t* key, size_t keySize, const uint8_t* data, size_t size, uint8_t output[SW_HASH_BYTES]) {
  return statusOf(mbedtls_md_hmac(sha256(), key, keySize, data, size, output));
}

int sw_hkdf(const uint8_t* key, size_t keySize, const uint8_t* salt, size_t saltSize, const uint8_t* info, size_t infoSize,
            uint8_t* output, size_t size) {
  return statusOf(mbedtls_hkdf(sha256(), saltSize ? salt : NULL, saltSize, key, keySize, info, infoSize, output, size));
}

int sw_pbkdf2(const uint8_t* password, size_t passwordSize, const uint8_t* salt, size_t saltSize, uint32_t iterations,
              uint8_t* output, size_t size) {
  mbedtls_md_context_t context;
  mbedtls_md_init(&context);
  int error = mbedtls_md_setup(&context, sha256(), 1);
  if (!error)
    error = mbedtls_pkcs5_pbkdf2_hmac(&context, password, passwordSize, salt, saltSize, iterations, (uint32_t)size, output);
  mbedtls_md_free(&context);
  return statusOf(error);
}

static int gcm(const SwAEAD* job) {
  mbedtls_gcm_context context;
  mbedtls_gcm_init(&context);
  int error = mbedtls_gcm_setkey(&context, MBEDTLS_CIPHER_ID_AES, job->key, (unsigned)job->keySize * 8);
  if (!error)
    error = job->decrypting
                ? mbedtls_gcm_auth_decrypt(&context, job->size, job->nonce, job->nonceSize, job->additional, job->additionalSize,
                                           job->tag, job->tagSize, job->data, job->data)
                : mbedtls_gcm_crypt_and_tag(&context, MBEDTLS_GCM_ENCRYPT, job->size, job->nonce, job->nonceSize, job->additional,
                                            job->additionalSize, job->data, job->data, job->tagSize, job->tag);
  mbedtls_gcm_free(&context);
  return statusOf(error);
}

int sw_aead(const SwAEAD* job) {
  mbedtls_ccm_context context;
  if (!job->ccm) return gcm(job);
  mbedtls_ccm_init(&context);
  int error = mbedtls_ccm_setkey(&context, MBEDTLS_CIPHER_ID_AES, job->key, (unsigned)job->keySize * 8);
  if (!error)
    error = job->decrypting
                ? mbedtls_ccm_auth_decrypt(&context, job->size, job->nonce, job->nonceSize, job->additional, job->additionalSize,
                                           job->data, job->data, job->tag, job->tagSize)
                : mbedtls_ccm_encrypt_and_tag(&context, job->size, job->nonce, job->nonceSize, job->additional, job->additionalSize,
                                              job->data, job->data, job->tag, job->tagSize);
  mbedtls_ccm_free(&context);
  return statusOf(error);
}

/* The curve, and the numbers of one operation. */
typedef struct {
  mbedtls_ecp_group group;
  mbedtls_ecp_point point;
  mbedtls_mpi scalar, r, s;
} Work;

static int begin(Work* work) {
  mbedtls_ecp_group_init(&work->group);
  mbedtls_ecp_point_init(&work->point);
  mbedtls_mpi_init(&work->scalar);
  mbedtls_mpi_init(&work->r);
  mbedtls_mpi_init(&work->s);
  return mbedtls_ecp_group_load(&work->group, MBEDTLS_ECP_DP_SECP256R1);
}

static int end(Work* work, int error) {
  mbedtls_ecp_group_free(&work->group);
  mbedtls_ecp_point_free(&work->point);
  mbedtls_mpi_free(&work->scalar);
  mbedtls_mpi_free(&work->r);
  mbedtls_mpi_free(&work->s);
  return statusOf(error);
}

static int readScalar(Work* work, const uint8_t scalar[SW_SCALAR_BYTES]) {
  int error = mbedtls_mpi_read_binary(&work->scalar, scalar, SW_SCALAR_BYTES);
  return error ? error : mbedtls_ecp_check_privkey(&work->group, &work->scalar);
}

static int readPoint(Work* work, const uint8_t point[SW_POINT_BYTES]) {
  int error = mbedtls_ecp_point_read_binary(&work->group, &work->point, point, SW_POINT_BYTES);
  return error ? error : mbedtls_ecp_check_pubkey(&work->group, &work->point);
}

int sw_p256_generate(uint8_t scalar[SW_SCALAR_BYTES]) {
  Work work;
  int error = begin(&work);
  if (!error) error = mbedtls_ecp_gen_privkey(&work.group, &work.scalar, sw_random, NULL);
  if (!error) error = mbedtls_mpi_write_binary(&work.scalar, scalar, SW_SCALAR_BYTES);
  return end(&work, error);
}

int sw_p256_public(const uint8_t scalar[SW_SCALAR_BYTES], uint8_t point[SW_POINT_BYTES]) {
  Work work;
  size_t length;
  int error = begin(&work);
  if (!error) error = readScalar(&work, scalar);
  if (!error) error = mbedtls_ecp_mul(&work.group, &work.point, &work.scalar, &work.group.G, sw_random, NULL);
  if (!error)
    error = mbedtls_ecp_point_write_binary(&work.group, &work.point, MBEDTLS_ECP_PF_UNCOMPRESSED, &length, point, SW_POINT_BYTES);
  return end(&work, error);
}

int sw_p256_sign(const uint8_t scalar[SW_SCALAR_BYTES], const uint8_t hash[SW_HASH_BYTES], uint8_t signature[SW_SIGNATURE_BYTES]) {
  Work work;
  int error = begin(&work);
  if (!error) error = readScalar(&work, scalar);
  if (!error)
    error = mbedtls_ecdsa_sign(&work.group, &work.r, &work.s, &work.scalar, hash, SW_HASH_BYTES, sw_random, NULL);
  if (!error) error = mbedtls_mpi_write_binary(&work.r, signature, SW_SIGNATURE_BYTES / 2);
  if (!error) error = mbedtls_mpi_write_binary(&work.s, signature + SW_SIGNATURE_BYTES / 2, SW_SIGNATURE_BYTES / 2);
  return end(&work, error);
}

int sw_p256_verify(const uint8_t point[SW_POINT_BYTES], const uint8_t hash[SW_HASH_BYTES],
                   const uint8_t signature[SW_SIGNATURE_BYTES]) {
  Work work;
  int error = begin(&work);
  if (!error) error = readPoint(&work, point);
  if (!error) error = mbedtls_mpi_read_binary(&work.r, signature, SW_SIGNATURE_BYTES / 2);
  if (!error) error = mbedtls_mpi_read_binary(&work.s, signature + SW_SIGNATURE_BYTES / 2, SW_SIGNATURE_BYTES / 2);
  if (!error) error = mbedtls_ecdsa_verify(&work.group, hash, SW_HASH_BYTES, &work.point, &work.r, &work.s);
  return end(&work, error);
}

int sw_p256_agree(const uint8_t scalar[SW_SCALAR_BYTES], const uint8_t point[SW_POINT_BYTES], uint8_t secret[SW_SCALAR_BYTES]) {
  Work work;
  int error = begin(&work);
  if (!error) error = readScalar(&work, scalar);
  if (!error) error = readPoint(&work, point);
  if (!error) error = mbedtls_ecdh_compute_shared(&work.group, &work.r, &work.point, &work.scalar, sw_random, NULL);
  if (!error) error = mbedtls_mpi_write_binary(&work.r, secret, SW_SCALAR_BYTES);
  return end(&work, error);
}

int sw_pk_parse_private(mbedtls_pk_context* context, const uint8_t* der, size_t size) {
  int error = mbedtls_pk_parse_key(context, der, size, NULL, 0);
  return error == MBEDTLS_ERR_PK_ALLOC_FAILED ? SW_MEMORY : error ? SW_INVALID : SW_OK;
}

static const mbedtls_ecp_keypair* p256(const mbedtls_pk_context* context) {
  const mbedtls_ecp_keypair* pair = mbedtls_pk_get_type(context) == MBEDTLS_PK_ECKEY ? mbedtls_pk_ec(*context) : NULL;
  return pair && pair->grp.id == MBEDTLS_ECP_DP_SECP256R1 ? pair : NULL;
}

int sw_pk_scalar(const mbedtls_pk_context* context, uint8_t scalar[SW_SCALAR_BYTES]) {
  const mbedtls_ecp_keypair* pair = p256(context);
  return pair ? statusOf(mbedtls_mpi_write_binary(&pair->d, scalar, SW_SCALAR_BYTES)) : SW_CURVE;
}

int sw_pk_point(const mbedtls_pk_context* context, uint8_t point[SW_POINT_BYTES]) {
  const mbedtls_ecp_keypair* pair = p256(context);
  size_t length;
  if (!pair) return SW_CURVE;
  return statusOf(
      mbedtls_ecp_point_write_binary(&pair->grp, &pair->Q, MBEDTLS_ECP_PF_UNCOMPRESSED, &length, point, SW_POINT_BYTES));
}
#endif
