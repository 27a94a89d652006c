/* The DER of keys on P-256, which is the same for all but the bytes of the key. */
#ifndef SEALWIRE_KEY_DER_H
#define SEALWIRE_KEY_DER_H

#include "crypto-backend.h"
#include "key.h"

#define SW_PKCS8_BYTES 138
#define SW_SPKI_BYTES 91

/* PrivateKeyInfo (RFC 5208) with an ECPrivateKey (RFC 5915) that carries the public key. @returns SW_PKCS8_BYTES */
size_t sw_pkcs8_of(const uint8_t scalar[SW_SCALAR_BYTES], const uint8_t point[SW_POINT_BYTES], uint8_t der[SW_PKCS8_BYTES]);
/* SubjectPublicKeyInfo (RFC 5480). @returns SW_SPKI_BYTES */
size_t sw_spki_of(const uint8_t point[SW_POINT_BYTES], uint8_t der[SW_SPKI_BYTES]);
/* Parses a PKCS#8, SEC 1 or PKCS#1 private key, or a SubjectPublicKeyInfo. @returns SW_OK, SW_INVALID, SW_MEMORY, ... */
int sw_key_import(int private, const uint8_t* der, size_t size, SwKey** key);

#endif
