/* Stands for every native function of this folder in a host that is built without Mbed TLS: each answers "not here". */
#include "xsmc.h"
#include "status.h"

#define ABSENT(name) \
  void name(xsMachine* the); \
  void name(xsMachine* the) { \
    xsmcSetInteger(xsResult, SW_UNSUPPORTED); \
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
