/* Stands for every native function of this folder in a host that is built without Mbed TLS: each answers "not here". */
#include "xsmc.h"
#include "library.h"
#include "memory.h"
#include "status.h"

#define ABSENT(name) \
  void name(xsMachine* the); \
  void name(xsMachine* the) { \
    xsmcSetInteger(xsResult, SW_UNSUPPORTED); \
  }

ABSENT(xs_key)
ABSENT(xs_key_close)
ABSENT(xs_hash)
ABSENT(xs_hash_begin)
ABSENT(xs_hash_update)
ABSENT(xs_hash_digest)
ABSENT(xs_crypto_import)
ABSENT(xs_crypto_generate)
ABSENT(xs_crypto_export)
ABSENT(xs_crypto_public)
ABSENT(xs_crypto_random)
ABSENT(xs_crypto_hmac)
ABSENT(xs_crypto_derive_key)
ABSENT(xs_crypto_derive_bytes)
ABSENT(xs_crypto_pbkdf2)
ABSENT(xs_crypto_encrypt)
ABSENT(xs_crypto_decrypt)
ABSENT(xs_crypto_sign)
ABSENT(xs_crypto_verify)
ABSENT(xs_crypto_agree)
ABSENT(xs_crypto_request)
ABSENT(xs_crypto_certificate)

/* Destructors of objects that are never made. */
void xs_key_destructor(void* data);
void xs_key_destructor(void* data) {
  (void)data;
}
void xs_hash_destructor(void* data);
void xs_hash_destructor(void* data) {
  (void)data;
}

/* These answer `undefined`. */
#define SILENT(name) \
  void name(xsMachine* the); \
  void name(xsMachine* the) { \
    (void)the; \
  }

SILENT(xs_mbedtls_version)
SILENT(xs_mbedtls_memory)
SILENT(xs_mbedtls_memory_reset)
SILENT(xs_mbedtls_memory_cap)
SILENT(xs_mbedtls_memory_fault)
SILENT(xs_tls)
SILENT(xs_tls_feed)
SILENT(xs_tls_feed_end)
SILENT(xs_tls_drain)
SILENT(xs_tls_read)
SILENT(xs_tls_write)
SILENT(xs_tls_readable)
SILENT(xs_tls_writable)
SILENT(xs_tls_step)
SILENT(xs_tls_end)
SILENT(xs_tls_close)
SILENT(xs_tls_status)
SILENT(xs_tls_session)
SILENT(xs_tls_number)
SILENT(xs_tls_text)
SILENT(xs_tls_configuration)

void xs_tls_destructor(void* data);
void xs_tls_destructor(void* data) {
  (void)data;
}

const char* sw_library_version(void) {
  return NULL;
}

/* Nothing is allocated that could be watched. */
size_t sw_memory_now(void) {
  return 0;
}

size_t sw_memory_peak(void) {
  return 0;
}

int sw_memory_watched(void) {
  return 0;
}

size_t sw_memory_cap(size_t bytes) {
  (void)bytes;
  return 0;
}

void sw_memory_reset_peak(void) {
}
