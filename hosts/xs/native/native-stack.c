/*
 * The C stack of the machine's thread: painted, so that its deepest point can be found; and the deepest point of the TLS natives by
 * themselves, below the frames of the engine that calls them.
 */
#include "host.h"
#include "options.h"
#include <string.h>

#define PAINT 0xA5
/* Room for the frames of the functions that paint. */
#define MARGIN 2048

static uint8_t* base;
static size_t size;
/* Depths that were painted over since the last reset, and of a native function of TLS. */
static size_t seen, own;

void nativeStackSet(uint8_t* from, size_t bytes) {
  base = from;
  size = bytes;
  memset(base, PAINT, size);
}

static size_t deepest(void) {
#if defined(__SANITIZE_ADDRESS__)
  return 0;
#else
  size_t i = 0;
  while (i < size && base[i] == PAINT) i++;
  return size - i;
#endif
}

/* Everything below `end`. */
static void paintBelow(uintptr_t end) {
#if !defined(__SANITIZE_ADDRESS__)
  if (end > (uintptr_t)base && end < (uintptr_t)base + size)
    for (volatile uint8_t *p = base + (size - deepest()), *to = base + (end - (uintptr_t)base); p < to; p++) *p = PAINT;
#else
  (void)end;
#endif
}

void nativeStackPaint(void) {
  seen = own = 0;
  paintBelow((uintptr_t)__builtin_frame_address(0) - MARGIN);
}

void nativeStackReport(Figures* figures) {
  size_t now = deepest();
  uint8_t here;
  *figures = (Figures){(size_t)(base + size - &here), now > seen ? now : seen, size};
}

size_t nativeStackOfTLS(void) {
  return own;
}

/* Calls a native function over fresh paint. */
static void watch(HostMachine* the, NativeFunction body) {
#if !defined(__SANITIZE_ADDRESS__)
  volatile uint8_t* here = __builtin_frame_address(0);
  size_t depth = (size_t)(base + size - here), before = deepest();
  if (before > seen) seen = before;
  /* Below this frame, which is small. */
  paintBelow((uintptr_t)here - 256);
  body(the);
  size_t after = deepest();
  if (after > depth && after - depth > own) own = after - depth;
#else
  body(the);
#endif
}

#define WATCHED(each) \
  each(xs_tls) each(xs_tls_step) each(xs_tls_feed) each(xs_tls_drain) each(xs_tls_read) each(xs_tls_write) each(xs_tls_session)
#define DEFINE(name) \
  static NativeFunction name##_itself; \
  static void name##_watched(HostMachine* the) { watch(the, name##_itself); }
WATCHED(DEFINE)

NativeFunction nativeStackWatched(const char* name, NativeFunction function) {
  if (!hostOptions()->measure || !function) return function;
#define CHOOSE(each) \
  if (!strcmp(name, #each)) { \
    each##_itself = function; \
    return each##_watched; \
  }
  WATCHED(CHOOSE)
  return function;
}
