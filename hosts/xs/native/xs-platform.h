/*
 * What the XS engine wants to know of the place it runs on: a Linux desktop that stands in for a chip.
 * Included by the engine's own sources and by those of the host.
 */
#ifndef SEALWIRE_XS_PLATFORM_H
#define SEALWIRE_XS_PLATFORM_H

#undef mxLittleEndian
#define mxLittleEndian 1
#undef mxLinux
#define mxLinux 1

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define mxExport extern
#define mxImport extern
#define XS_FUNCTION_NORETURN __attribute__((noreturn))
#define mxUseGCCAtomics 1
#define mxUsePOSIXThreads 1

#define mxMachinePlatform \
  void* arena; \
  int connection; \
  void* waiterCondition; \
  void* waiterData; \
  void* waiterLink;

#define mxUseDefaultBuildKeys 1
#define mxUseDefaultParseScript 1
#define mxUseDefaultSharedChunks 1

/* Names of properties are 16 bits on a chip; the 64-bit host needs no such limit. */
#if INTPTR_MAX == INT64_MAX
  #define mx32bitID 1
#endif
#define mxCESU8 1

#endif
