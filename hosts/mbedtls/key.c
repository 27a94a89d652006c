/* Keys in native memory: see key.h. */
#include "xsmc.h"
#include "arguments.h"
#include "crypto-backend.h"
#include "key.h"
#include "key-der.h"
#include "memory.h"
#include "mbedtls/platform_util.h"
#include "mbedtls/version.h"
#include <string.h>

SwKey* sw_key_new(SwKeyKind kind, size_t length) {
  SwKey* key = length <= SIZE_MAX - sizeof(SwKey) ? sw_memory_calloc(1, sizeof(SwKey) + length) : NULL;
  if (!key) return NULL;
  key->kind = kind;
  key->references = 1;
  key->length = length;
  return key;
}

SwKey* sw_key_retain(SwKey* key) {
  key->references++;
  return key;
}

void sw_key_release(SwKey* key) {
  if (!key || --key->references) return;
  mbedtls_platform_zeroize(key, sizeof(SwKey) + key->length);
  sw_memory_free(key);
}

static int parsePublic(mbedtls_pk_context* context, const uint8_t* der, size_t size) {
  unsigned failures = sw_memory_failures();
#if MBEDTLS_VERSION_NUMBER < 0x04000000
  /* The other function also takes a bare RSA key, which is no SubjectPublicKeyInfo. */
  unsigned char* p = (unsigned char*)der;
  int error = mbedtls_pk_parse_subpubkey(&p, der + size, context);
  if (!error && p != der + size) error = -1;
#else
  int error = psa_crypto_init();
  if (!error) error = mbedtls_pk_parse_public_key(context, der, size);
#endif
  if (error && (sw_memory_failures() != failures || sw_key_store_is_full())) return SW_MEMORY;
  return error ? SW_INVALID : SW_OK;
}

int sw_key_to_pk(const SwKey* key, mbedtls_pk_context* context) {
  uint8_t der[SW_PKCS8_BYTES], point[SW_POINT_BYTES];
  int status;
  switch (key->kind) {
    case SW_KEY_P256_PRIVATE:
      status = sw_p256_public(key->bytes, point);
      if (!status) status = sw_pk_parse_private(context, der, sw_pkcs8_of(key->bytes, point, der));
      mbedtls_platform_zeroize(der, sizeof der);
      return status;
    case SW_KEY_P256_PUBLIC:
      return parsePublic(context, der, sw_spki_of(key->bytes, der));
    case SW_KEY_OTHER_PRIVATE:
      return sw_pk_parse_private(context, key->bytes, key->length);
    case SW_KEY_OTHER_PUBLIC:
      return parsePublic(context, key->bytes, key->length);
    default:
      return SW_KEY_TYPE;
  }
}

int sw_key_import(int private, const uint8_t* der, size_t size, SwKey** key) {
  mbedtls_pk_context context;
  *key = NULL;
  mbedtls_pk_init(&context);
  int status = private ? sw_pk_parse_private(&context, der, size) : parsePublic(&context, der, size);
  if (!status) {
    SwKey* made = sw_key_new(private ? SW_KEY_P256_PRIVATE : SW_KEY_P256_PUBLIC, private ? SW_SCALAR_BYTES : SW_POINT_BYTES);
    status = !made ? SW_MEMORY : private ? sw_pk_scalar(&context, made->bytes) : sw_pk_point(&context, made->bytes);
    if (status == SW_CURVE) {
      sw_key_release(made);
      made = sw_key_new(private ? SW_KEY_OTHER_PRIVATE : SW_KEY_OTHER_PUBLIC, size);
      status = made ? SW_OK : SW_MEMORY;
      if (made) memcpy(made->bytes, der, size);
    }
    if (status) sw_key_release(made);
    else *key = made;
  }
  mbedtls_pk_free(&context);
  return status;
}

void xs_key_destructor(void* data) {
  sw_key_release(data);
}

int sw_key_of(xsMachine* the, xsSlot* slot, SwKey** key) {
  void* data;
  int status = sw_host_data_of(the, slot, xs_key_destructor, &data);
  *key = data;
  return status;
}

int sw_key_of_kind(xsMachine* the, xsSlot* slot, SwKeyKind kind, SwKey** key) {
  int status = sw_key_of(the, slot, key);
  if (status || (*key)->kind == kind) return status;
  if (kind == SW_KEY_P256_PRIVATE && (*key)->kind == SW_KEY_OTHER_PRIVATE) return SW_CURVE;
  if (kind == SW_KEY_P256_PUBLIC && (*key)->kind == SW_KEY_OTHER_PUBLIC) return SW_CURVE;
  return SW_KEY_TYPE;
}

int sw_key_put(xsMachine* the, xsSlot* slot, SwKey* key) {
  void* data;
  /* An empty handle reads as a closed one. */
  int status = sw_host_data_of(the, slot, xs_key_destructor, &data);
  if (status != SW_CLOSED) {
    sw_key_release(key);
    return SW_ARGUMENT;
  }
  xsmcSetHostData(*slot, key);
  return SW_OK;
}
