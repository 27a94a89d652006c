/* The DER of keys on P-256: see key-der.h. */
#include "key-der.h"
#include <string.h>

#define EC_PUBLIC_KEY_P256 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07

static uint8_t* put(uint8_t* to, const uint8_t* bytes, size_t size) {
  memcpy(to, bytes, size);
  return to + size;
}

size_t sw_pkcs8_of(const uint8_t scalar[SW_SCALAR_BYTES], const uint8_t point[SW_POINT_BYTES], uint8_t der[SW_PKCS8_BYTES]) {
  static const uint8_t head[] = {0x30, 0x81, 0x87, 0x02, 0x01, 0x00, EC_PUBLIC_KEY_P256, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20};
  static const uint8_t middle[] = {0xa1, 0x44, 0x03, 0x42, 0x00};
  uint8_t* end = put(put(put(put(der, head, sizeof head), scalar, SW_SCALAR_BYTES), middle, sizeof middle), point, SW_POINT_BYTES);
  return (size_t)(end - der);
}

size_t sw_spki_of(const uint8_t point[SW_POINT_BYTES], uint8_t der[SW_SPKI_BYTES]) {
  static const uint8_t head[] = {0x30, 0x59, EC_PUBLIC_KEY_P256, 0x03, 0x42, 0x00};
  return (size_t)(put(put(der, head, sizeof head), point, SW_POINT_BYTES) - der);
}
