/* Natives of library.js: which Mbed TLS is linked, and what it takes of the native memory. */
#include "xsmc.h"
#include "library.h"
#include "memory.h"
#include "mbedtls/version.h"

void xs_mbedtls_version(xsMachine* the);
void xs_mbedtls_memory(xsMachine* the);
void xs_mbedtls_memory_reset(xsMachine* the);
void xs_mbedtls_memory_cap(xsMachine* the);
void xs_mbedtls_memory_fault(xsMachine* the);

const char* sw_library_version(void) {
  static char text[18] = MBEDTLS_VERSION_STRING;
#if defined(MBEDTLS_VERSION_C) && MBEDTLS_VERSION_NUMBER < 0x04000000
  mbedtls_version_get_string(text);
#endif
  return text;
}

void xs_mbedtls_version(xsMachine* the) {
  xsmcSetString(xsResult, (char*)sw_library_version());
}

void xs_mbedtls_memory(xsMachine* the) {
  size_t values[] = {sw_memory_now(), sw_memory_peak(), sw_memory_blocks(), sw_memory_failures()};
  int which = xsmcArgc > 0 && xsmcTypeOf(xsArg(0)) == xsIntegerType ? xsmcToInteger(xsArg(0)) : -1;
  if (which >= 0 && which < (int)(sizeof values / sizeof *values) && (sw_memory_watched() || which == 3))
    xsmcSetNumber(xsResult, (double)values[which]);
}

void xs_mbedtls_memory_reset(xsMachine* the) {
  (void)the;
  sw_memory_reset_peak();
}

void xs_mbedtls_memory_fault(xsMachine* the) {
#ifdef SEALWIRE_MEMORY_FAULTS
  double count = xsmcArgc > 0 ? xsmcToNumber(xsArg(0)) : 0;
  xsmcSetNumber(xsResult, sw_memory_fault.count);
  sw_memory_fault.count = count > 0 && count < 1e9 ? (unsigned)count : 0;
  sw_memory_fault.stays = xsmcArgc > 1 && xsmcTest(xsArg(1));
#else
  (void)the;
#endif
}

void xs_mbedtls_memory_cap(xsMachine* the) {
  double bytes = xsmcArgc > 0 ? xsmcToNumber(xsArg(0)) : 0;
  xsmcSetNumber(xsResult, (double)sw_memory_cap(bytes > 0 && bytes < 1e9 ? (size_t)bytes : 0));
}
