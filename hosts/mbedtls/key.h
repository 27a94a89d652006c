/*
 * Keys: bytes in native memory that JavaScript holds by a handle. The handle's `close()` and the TLS engine each give up their
 * reference; the last one wipes and frees.
 */
#ifndef SEALWIRE_KEY_H
#define SEALWIRE_KEY_H

#include <stddef.h>
#include <stdint.h>
#include "mbedtls/pk.h"

typedef enum {
  /* Any bytes. */
  SW_KEY_SECRET = 1,
  /* P-256: the scalar, 32 bytes. */
  SW_KEY_P256_PRIVATE,
  /* P-256: the point, uncompressed, 65 bytes. */
  SW_KEY_P256_PUBLIC,
  /* Another algorithm (RSA, P-384): DER as it was imported; for TLS client keys and SubjectPublicKeyInfo alone. */
  SW_KEY_OTHER_PRIVATE,
  SW_KEY_OTHER_PUBLIC,
} SwKeyKind;

typedef struct {
  SwKeyKind kind;
  unsigned references;
  size_t length;
  unsigned char bytes[];
} SwKey;

/* @returns a key with one reference and `length` bytes of room, or NULL: no memory */
SwKey* sw_key_new(SwKeyKind kind, size_t length);
SwKey* sw_key_retain(SwKey* key);
/* The last reference wipes. NULL is allowed. */
void sw_key_release(SwKey* key);

/*
 * Fills a context that was initialised, for signing in TLS: parsed afresh, so that it needs memory only while it is there.
 * @returns SW_OK, SW_MEMORY, or another status of status.h
 */
int sw_key_to_pk(const SwKey* key, mbedtls_pk_context* context);

/* With `xsmc.h` included before. */
#ifdef __XS__
/* The handle of a key: a class of crypto.js. */
void xs_key_destructor(void* data);
/*
 * The key in a handle. Throws nothing.
 * @returns SW_OK; SW_ARGUMENT when `slot` is no handle, or NULL; SW_CLOSED. The reference stays the handle's: retain what is kept.
 */
int sw_key_of(xsMachine* the, xsSlot* slot, SwKey** key);
/* The same for a key of one kind. @returns also SW_KEY_TYPE when it is secret, private or public otherwise, SW_CURVE */
int sw_key_of_kind(xsMachine* the, xsSlot* slot, SwKeyKind kind, SwKey** key);
/* Puts a key into a handle that is still empty, which takes the reference over; releases it where that is not possible. */
int sw_key_put(xsMachine* the, xsSlot* slot, SwKey* key);
#endif

#endif
