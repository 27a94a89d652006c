/* Natives of crypto.js: the class of key handles, import, export, generation. */
#include "xsmc.h"
#include "arguments.h"
#include "crypto-backend.h"
#include "key-der.h"
#include "key.h"
#include "memory.h"
#include "mbedtls/platform_util.h"
#include "natives.h"
#include <string.h>

/* An empty handle; an object that JavaScript made without `new` has none. */
void xs_key(xsMachine* the) {
  xsmcSetHostData(xsThis, NULL);
}

void xs_key_close(xsMachine* the) {
  SwKey* key;
  if (sw_key_of(the, &xsThis, &key)) return;
  xsmcSetHostData(xsThis, NULL);
  sw_key_release(key);
}

/* importKey(into, type, bytes) with type 0 for secret, 1 for private, 2 for public */
void xs_crypto_import(xsMachine* the) {
  double type;
  SwBytes bytes;
  SwKey* key = NULL;
  unsigned failures = sw_memory_failures();
  int status = sw_integer_of(the, sw_argument(1), 0, 2, &type);
  if (!status) status = sw_bytes_of(the, sw_argument(2), 0, &bytes);
  if (!status && type == 0) {
    key = sw_key_new(SW_KEY_SECRET, bytes.size);
    if (!key) status = SW_MEMORY;
    else if (bytes.size) memcpy(key->bytes, bytes.data, bytes.size);
  } else if (!status)
    status = sw_key_import(type == 1, bytes.data, bytes.size, &key);
  if (!status) status = sw_key_put(the, sw_argument(0), key);
  sw_answer(the, status, failures);
}

/* generateKey(into) */
void xs_crypto_generate(xsMachine* the) {
  unsigned failures = sw_memory_failures();
  SwKey* key = sw_key_new(SW_KEY_P256_PRIVATE, SW_SCALAR_BYTES);
  int status = key ? sw_p256_generate(key->bytes) : SW_MEMORY;
  if (!status) status = sw_key_put(the, sw_argument(0), key);
  else sw_key_release(key);
  sw_answer(the, status, failures);
}

/* exportPrivateKey(key): PKCS#8, or a status */
void xs_crypto_export(xsMachine* the) {
  uint8_t der[SW_PKCS8_BYTES], point[SW_POINT_BYTES];
  SwKey* key;
  unsigned failures = sw_memory_failures();
  int status = sw_key_of_kind(the, sw_argument(0), SW_KEY_P256_PRIVATE, &key);
  if (!status) status = sw_p256_public(key->bytes, point);
  if (!status) {
    sw_pkcs8_of(key->bytes, point, der);
    xsmcSetArrayBuffer(xsResult, der, SW_PKCS8_BYTES);
    mbedtls_platform_zeroize(der, sizeof der);
  } else
    sw_answer(the, status, failures);
}

/* The SubjectPublicKeyInfo of a key that is not on P-256. */
static void answerOther(xsMachine* the, const SwKey* key, unsigned failures) {
  /* RSA with 4096 bits takes 550 bytes. */
  enum { ROOM = 800 };
  mbedtls_pk_context context;
  uint8_t* der = sw_memory_calloc(1, ROOM);
  int length = 0;
  int status = der ? SW_OK : SW_MEMORY;
  mbedtls_pk_init(&context);
  if (!status) status = sw_key_to_pk(key, &context);
  if (!status) length = mbedtls_pk_write_pubkey_der(&context, der, ROOM);
  mbedtls_pk_free(&context);
  /* It is written to the end of the buffer. */
  if (length > 0) xsmcSetArrayBuffer(xsResult, der + ROOM - length, length);
  else sw_answer(the, status ? status : SW_FAILED, failures);
  sw_memory_free(der);
}

/* publicKey(key): SubjectPublicKeyInfo, or a status */
void xs_crypto_public(xsMachine* the) {
  uint8_t der[SW_SPKI_BYTES], point[SW_POINT_BYTES];
  SwKey* key;
  unsigned failures = sw_memory_failures();
  int status = sw_key_of_kind(the, sw_argument(0), SW_KEY_P256_PRIVATE, &key);
  if (status == SW_CURVE) {
    answerOther(the, key, failures);
    return;
  }
  if (!status) status = sw_p256_public(key->bytes, point);
  if (status) {
    sw_answer(the, status, failures);
    return;
  }
  sw_spki_of(point, der);
  xsmcSetArrayBuffer(xsResult, der, SW_SPKI_BYTES);
}
