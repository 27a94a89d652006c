/*
 * Stands for the SDK's platform header when the native code is only compiled, by `npm run check:moddable`: the real one needs Espressif's SDK.
 * The types that a chip of 32 bits has, and nothing else.
 */
#ifndef SEALWIRE_CHECK_XS_H
#define SEALWIRE_CHECK_XS_H

#include <math.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define mxLittleEndian 1
#define XS_FUNCTION_NORETURN __attribute__((noreturn))

#endif
