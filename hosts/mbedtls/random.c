/* One CTR_DRBG (SP 800-90A) for the process, seeded and reseeded from the host's entropy. */
#include "random.h"
#include "mbedtls/version.h"

#if MBEDTLS_VERSION_NUMBER >= 0x04000000

#include "psa/crypto.h"
#include <string.h>

int sw_random(void* context, unsigned char* output, size_t size) {
  (void)context;
  psa_status_t status = psa_crypto_init();
  if (!status) status = psa_generate_random(output, size);
  /* Weak bytes are worse than none. */
  if (status && size) memset(output, 0, size);
  return (int)status;
}

#else

#include "mbedtls/ctr_drbg.h"
#include "mbedtls/platform_util.h"
#include <string.h>
#if MBEDTLS_VERSION_NUMBER >= 0x03000000 && defined(MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG)
  #include "psa/crypto.h"
#endif

static struct {
  int seeded;
  mbedtls_ctr_drbg_context generator;
} state;

int sw_random(void* context, unsigned char* output, size_t size) {
  static const unsigned char personalization[] = "sealwire";
  int error = 0;
  (void)context;
  if (!state.seeded) {
    mbedtls_ctr_drbg_init(&state.generator);
    error = mbedtls_ctr_drbg_seed(&state.generator, sw_entropy, NULL, personalization, sizeof personalization - 1);
    if (error) mbedtls_ctr_drbg_free(&state.generator);
    else state.seeded = 1;
  }
  for (size_t done = 0; !error && done < size;) {
    size_t count = size - done < MBEDTLS_CTR_DRBG_MAX_REQUEST ? size - done : MBEDTLS_CTR_DRBG_MAX_REQUEST;
    error = mbedtls_ctr_drbg_random(&state.generator, output + done, count);
    done += count;
  }
  /* Weak bytes are worse than none. */
  if (error && size) memset(output, 0, size);
  return error;
}

#ifdef MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG
psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t* context, uint8_t* output, size_t size,
                                             size_t* length) {
  (void)context;
  *length = 0;
  if (sw_random(NULL, output, size)) return PSA_ERROR_INSUFFICIENT_ENTROPY;
  *length = size;
  return PSA_SUCCESS;
}
#endif
#endif
