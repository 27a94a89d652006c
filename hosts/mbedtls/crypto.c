/*
 * Natives of crypto.js: random bytes, hashes, key derivation, authenticated encryption, signatures. Each answers a status, or an
 * ArrayBuffer; none throws. Arguments are read first, buffers last: see arguments.h.
 */
#include "xsmc.h"
#include "arguments.h"
#include "crypto-backend.h"
#include "key.h"
#include "memory.h"
#include "natives.h"
#include "random.h"
#include "mbedtls/platform_util.h"
#include <string.h>

/* 255 blocks of 32 bytes (RFC 5869 section 2.3). */
#define MAXIMUM_DERIVED 8160
/* The same bound as on the Node host. */
#define MAXIMUM_INFO 1024

void sw_answer(xsMachine* the, int status, unsigned failures) {
  xsmcSetInteger(xsResult, status && sw_memory_failures() != failures ? SW_MEMORY : status);
}

/* random(into) */
void xs_crypto_random(xsMachine* the) {
  SwBytes bytes;
  unsigned failures = sw_memory_failures();
  int status = sw_bytes_of(the, sw_argument(0), 1, &bytes);
  if (!status && bytes.size && sw_random(NULL, bytes.data, bytes.size)) status = SW_ENTROPY;
  sw_answer(the, status, failures);
}

/* hmac(key, data): 32 bytes, or a status */
void xs_crypto_hmac(xsMachine* the) {
  uint8_t output[SW_HASH_BYTES];
  SwBytes data;
  SwKey* key;
  unsigned failures = sw_memory_failures();
  int status = sw_key_of_kind(the, sw_argument(0), SW_KEY_SECRET, &key);
  if (!status) status = sw_bytes_of(the, sw_argument(1), 0, &data);
  if (!status) status = sw_hmac(key->bytes, key->length, data.data, data.size, output);
  if (status) sw_answer(the, status, failures);
  else xsmcSetArrayBuffer(xsResult, output, SW_HASH_BYTES);
  mbedtls_platform_zeroize(output, sizeof output);
}

/* deriveKey(into, key, salt, info, byteLength) */
void xs_crypto_derive_key(xsMachine* the) {
  SwBytes salt, info;
  SwKey *key, *made = NULL;
  double size;
  unsigned failures = sw_memory_failures();
  int status = sw_key_of_kind(the, sw_argument(1), SW_KEY_SECRET, &key);
  if (!status) status = sw_integer_of(the, sw_argument(4), 1, MAXIMUM_DERIVED, &size);
  if (!status) status = sw_bytes_of(the, sw_argument(2), 0, &salt);
  if (!status) status = sw_bytes_of(the, sw_argument(3), 0, &info);
  if (!status && info.size > MAXIMUM_INFO) status = SW_INVALID;
  if (!status && !(made = sw_key_new(SW_KEY_SECRET, (size_t)size))) status = SW_MEMORY;
  if (!status) status = sw_hkdf(key->bytes, key->length, salt.data, salt.size, info.data, info.size, made->bytes, made->length);
  if (!status) status = sw_key_put(the, sw_argument(0), made);
  else sw_key_release(made);
  sw_answer(the, status, failures);
}

/* deriveBytes(into, key, salt, info) */
void xs_crypto_derive_bytes(xsMachine* the) {
  SwBytes salt, info, into;
  SwKey* key;
  unsigned failures = sw_memory_failures();
  int status = sw_key_of_kind(the, sw_argument(1), SW_KEY_SECRET, &key);
  if (!status) status = sw_bytes_of(the, sw_argument(2), 0, &salt);
  if (!status) status = sw_bytes_of(the, sw_argument(3), 0, &info);
  if (!status) status = sw_bytes_of(the, sw_argument(0), 1, &into);
  if (!status && (info.size > MAXIMUM_INFO || into.size < 1 || into.size > MAXIMUM_DERIVED)) status = SW_INVALID;
  if (!status) status = sw_hkdf(key->bytes, key->length, salt.data, salt.size, info.data, info.size, into.data, into.size);
  sw_answer(the, status, failures);
}

/* pbkdf2(into, password, salt, iterations, byteLength) */
void xs_crypto_pbkdf2(xsMachine* the) {
  SwBytes salt;
  SwKey *password, *made = NULL;
  double iterations, size;
  unsigned failures = sw_memory_failures();
  int status = sw_key_of_kind(the, sw_argument(1), SW_KEY_SECRET, &password);
  if (!status) status = sw_integer_of(the, sw_argument(3), 1, 0x7fffffff, &iterations);
  if (!status) status = sw_integer_of(the, sw_argument(4), 1, MAXIMUM_DERIVED, &size);
  if (!status) status = sw_bytes_of(the, sw_argument(2), 0, &salt);
  if (!status && !(made = sw_key_new(SW_KEY_SECRET, (size_t)size))) status = SW_MEMORY;
  if (!status)
    status = sw_pbkdf2(password->bytes, password->length, salt.data, salt.size, (uint32_t)iterations, made->bytes, made->length);
  if (!status) status = sw_key_put(the, sw_argument(0), made);
  else sw_key_release(made);
  sw_answer(the, status, failures);
}

/* SP 800-38C: the length of the data must fit into 15 bytes less the nonce. */
static int tooLongForCCM(size_t size, size_t nonceSize) {
  size_t room = 15 - nonceSize;
  return room < sizeof(size_t) && size >> (8 * room);
}

static int checkLengths(const SwAEAD* job) {
  if (job->keySize != 16 && job->keySize != 32) return SW_INVALID;
  if (job->ccm ? job->nonceSize < 7 || job->nonceSize > 13 : job->nonceSize != 12) return SW_INVALID;
  if (job->tagSize != 16 && !(job->ccm && job->tagSize == 8)) return SW_INVALID;
  return job->ccm && tooLongForCCM(job->size, job->nonceSize) ? SW_INVALID : SW_OK;
}

/* encrypt(algorithm, key, nonce, additionalData, data, tag) with algorithm 0 for GCM, 1 for CCM; fills in the tag. decrypt: the same */
static void transform(xsMachine* the, int decrypting) {
  SwBytes nonce, additional, data, tag;
  SwAEAD job = {.decrypting = decrypting};
  SwKey* key;
  double algorithm;
  unsigned failures = sw_memory_failures();
  int status = sw_key_of_kind(the, sw_argument(1), SW_KEY_SECRET, &key);
  if (!status) status = sw_integer_of(the, sw_argument(0), 0, 1, &algorithm);
  if (!status) status = sw_bytes_of(the, sw_argument(2), 0, &nonce);
  if (!status) status = sw_optional_bytes_of(the, sw_argument(3), &additional);
  if (!status) status = sw_bytes_of(the, sw_argument(4), 1, &data);
  if (!status) status = sw_bytes_of(the, sw_argument(5), !decrypting, &tag);
  if (!status) {
    job.ccm = algorithm == 1;
    job.key = key->bytes;
    job.keySize = key->length;
    job.nonce = nonce.data;
    job.nonceSize = nonce.size;
    job.additional = additional.data;
    job.additionalSize = additional.size;
    job.data = data.data;
    job.size = data.size;
    job.tag = tag.data;
    job.tagSize = tag.size;
    status = checkLengths(&job);
    if (!status) {
      status = sw_aead(&job);
      /* Neither unverified plaintext nor half of a message. */
      if (status && data.size) mbedtls_platform_zeroize(data.data, data.size);
    }
  }
  sw_answer(the, status, failures);
}

void xs_crypto_encrypt(xsMachine* the) {
  transform(the, 0);
}

void xs_crypto_decrypt(xsMachine* the) {
  transform(the, 1);
}

/* sign(key, data): 64 bytes, or a status */
void xs_crypto_sign(xsMachine* the) {
  uint8_t hash[SW_HASH_BYTES], signature[SW_SIGNATURE_BYTES];
  SwBytes data;
  SwKey* key;
  unsigned failures = sw_memory_failures();
  int status = sw_key_of_kind(the, sw_argument(0), SW_KEY_P256_PRIVATE, &key);
  if (!status) status = sw_bytes_of(the, sw_argument(1), 0, &data);
  if (!status) status = sw_sha256(data.data, data.size, hash);
  if (!status) status = sw_p256_sign(key->bytes, hash, signature);
  if (status) sw_answer(the, status, failures);
  else xsmcSetArrayBuffer(xsResult, signature, SW_SIGNATURE_BYTES);
}

/* verify(key, data, signature): 0, or a status */
void xs_crypto_verify(xsMachine* the) {
  uint8_t hash[SW_HASH_BYTES];
  SwBytes data, signature;
  SwKey* key;
  unsigned failures = sw_memory_failures();
  int status = sw_key_of_kind(the, sw_argument(0), SW_KEY_P256_PUBLIC, &key);
  if (!status) status = sw_bytes_of(the, sw_argument(1), 0, &data);
  if (!status) status = sw_bytes_of(the, sw_argument(2), 0, &signature);
  if (!status && signature.size != SW_SIGNATURE_BYTES) status = SW_MISMATCH;
  if (!status) status = sw_sha256(data.data, data.size, hash);
  if (!status) status = sw_p256_verify(key->bytes, hash, signature.data);
  sw_answer(the, status, failures);
}

/* agree(into, key, peer) */
void xs_crypto_agree(xsMachine* the) {
  SwKey *key, *peer, *made = NULL;
  unsigned failures = sw_memory_failures();
  int status = sw_key_of_kind(the, sw_argument(1), SW_KEY_P256_PRIVATE, &key);
  if (!status) status = sw_key_of_kind(the, sw_argument(2), SW_KEY_P256_PUBLIC, &peer);
  if (!status && !(made = sw_key_new(SW_KEY_SECRET, SW_SCALAR_BYTES))) status = SW_MEMORY;
  if (!status) status = sw_p256_agree(key->bytes, peer->bytes, made->bytes);
  if (!status) status = sw_key_put(the, sw_argument(0), made);
  else sw_key_release(made);
  sw_answer(the, status, failures);
}

void xs_hash_destructor(void* data) {
  sw_hash_free(data);
}

void xs_hash(xsMachine* the) {
  xsmcSetHostData(xsThis, NULL);
}

/* begin(): once */
void xs_hash_begin(xsMachine* the) {
  void* hash;
  int status = sw_host_data_of(the, &xsThis, xs_hash_destructor, &hash);
  if (status == SW_CLOSED) {
    hash = sw_hash_new();
    status = hash ? SW_OK : SW_MEMORY;
    if (hash) xsmcSetHostData(xsThis, hash);
  }
  xsmcSetInteger(xsResult, status);
}

/* update(data) */
void xs_hash_update(xsMachine* the) {
  SwBytes data;
  void* hash;
  int status = sw_host_data_of(the, &xsThis, xs_hash_destructor, &hash);
  if (!status) status = sw_bytes_of(the, sw_argument(0), 0, &data);
  if (!status) status = sw_hash_update(hash, data.data, data.size);
  xsmcSetInteger(xsResult, status);
}

/* digest(): 32 bytes, or a status */
void xs_hash_digest(xsMachine* the) {
  uint8_t output[SW_HASH_BYTES];
  void* hash;
  int status = sw_host_data_of(the, &xsThis, xs_hash_destructor, &hash);
  if (!status) {
    xsmcSetHostData(xsThis, NULL);
    status = sw_hash_finish(hash, output);
    sw_hash_free(hash);
  }
  if (status) xsmcSetInteger(xsResult, status);
  else xsmcSetArrayBuffer(xsResult, output, SW_HASH_BYTES);
}
