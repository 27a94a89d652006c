/* What hosts/mbedtls wants of the place it runs on: entropy, and a clock that runs through sleep. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stddef.h>
#include <errno.h>
#include <sys/random.h>
#include <time.h>

int sw_entropy(void* context, unsigned char* output, size_t size);
int64_t sw_clock(void);
const void* sw_task(void);
#ifdef SEALWIRE_MBEDTLS_OWN
  #include "mbedtls/version.h"
int64_t mbedtls_ms_time(void);
#endif

int sw_entropy(void* context, unsigned char* output, size_t size) {
  (void)context;
  for (size_t done = 0; done < size;) {
    ssize_t count = getrandom(output + done, size - done, 0);
    if (count < 0 && errno != EINTR) return -1;
    if (count > 0) done += (size_t)count;
  }
  return 0;
}

const void* sw_task(void) {
  static _Thread_local char ofThread;
  return &ofThread;
}

int64_t sw_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#ifdef SEALWIRE_MBEDTLS_OWN
/* MBEDTLS_PLATFORM_MS_TIME_ALT: begins anew with each start, as that of ESP-IDF does after a deep sleep. tls-session.c makes up for it. */
int64_t mbedtls_ms_time(void) {
  static int64_t begin;
  if (begin == 0) begin = sw_clock();
  return sw_clock() - begin;
}

#if MBEDTLS_VERSION_NUMBER >= 0x04000000
  #include "mbedtls/platform.h"
  #include "memory.h"
/*
 * MBEDTLS_PSA_DRIVER_GET_ENTROPY: 2.28 and 3.6 ask for it through random.c. What is allocated next belongs to the generator of the whole
 * program, and stays when the connection that asked for random bytes fails.
 */
int mbedtls_platform_get_entropy(psa_driver_get_entropy_flags_t flags, size_t* bits, unsigned char* output, size_t size) {
  if (flags != PSA_DRIVER_GET_ENTROPY_FLAGS_NONE) return PSA_ERROR_NOT_SUPPORTED;
  sw_memory_unwatch();
  *bits = 8 * size;
  return sw_entropy(NULL, output, size) ? PSA_ERROR_INSUFFICIENT_ENTROPY : 0;
}
#endif
#endif
