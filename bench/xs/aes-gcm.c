/*
 * AES-128-GCM by the library alone, as who calls it from C would: the key set up once, then message after message, in place. Arguments:
 * bytes of a message, milliseconds of processor time. Prints bytes for each second.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "mbedtls/version.h"
#if MBEDTLS_VERSION_NUMBER < 0x04000000
  #include "mbedtls/gcm.h"
#else
  #include "psa/crypto.h"
#endif

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static const uint8_t key[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static uint8_t nonce[12], tag[16];

#if MBEDTLS_VERSION_NUMBER < 0x04000000
static mbedtls_gcm_context context;

static int begin(void) {
  mbedtls_gcm_init(&context);
  return mbedtls_gcm_setkey(&context, MBEDTLS_CIPHER_ID_AES, key, 128);
}

static int encrypt(uint8_t* data, size_t size) {
  return mbedtls_gcm_crypt_and_tag(&context, MBEDTLS_GCM_ENCRYPT, size, nonce, sizeof nonce, NULL, 0, data, data, sizeof tag, tag);
}
#else
static psa_key_id_t id;

static int begin(void) {
  psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
  if (psa_crypto_init()) return -1;
  psa_set_key_type(&attributes, PSA_KEY_TYPE_AES);
  psa_set_key_algorithm(&attributes, PSA_ALG_GCM);
  psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_ENCRYPT);
  return psa_import_key(&attributes, key, sizeof key, &id);
}

static int encrypt(uint8_t* data, size_t size) {
  psa_aead_operation_t operation = PSA_AEAD_OPERATION_INIT;
  size_t length, rest, tagLength;
  int error = psa_aead_encrypt_setup(&operation, id, PSA_ALG_GCM);
  if (!error) error = psa_aead_set_nonce(&operation, nonce, sizeof nonce);
  if (!error) error = psa_aead_update(&operation, data, size, data, size, &length);
  if (!error) error = psa_aead_finish(&operation, data + length, size - length, &rest, tag, sizeof tag, &tagLength);
  return error;
}
#endif

int main(int count, char** arguments) {
  size_t size = count > 1 ? (size_t)atoi(arguments[1]) : 1024;
  double limit = count > 2 ? atof(arguments[2]) : 500, done = 0, start;
  uint8_t* data = calloc(1, size);
  if (!data || begin()) return 1;
  start = now();
  do {
    for (int i = 0; i < 16; i++) {
      nonce[0]++;
      if (encrypt(data, size)) return 1;
    }
    done += 16 * (double)size;
  } while (now() - start < limit);
  printf("%.0f\n", done / (now() - start) * 1000);
  free(data);
  return 0;
}
