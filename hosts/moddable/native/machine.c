/* What the machine says of itself: native functions of machine.js. */
#include "xsAll.h"
#include "xsmc.h"
#include <string.h>

void xs_sealwire_heap(xsMachine* the);
void xs_sealwire_build_time(xsMachine* the);
void xs_sealwire_collect(xsMachine* the);

void xs_sealwire_heap(xsMachine* the) {
  void* target = NULL;
  xsUnsignedValue size = 0;
  txSlot* peak = the->stack;
#ifdef mxInstrument
  /* Noted in debug builds only; elsewhere the peak is what is used now. */
  if (the->stackPeak && the->stackPeak < peak) peak = the->stackPeak;
#endif
  int32_t figures[9] = {
      (int32_t)the->currentChunksSize,
      (int32_t)the->peakChunksSize,
      (int32_t)the->maximumChunksSize,
      (int32_t)(the->currentHeapCount * sizeof(txSlot)),
      (int32_t)(the->peakHeapCount * sizeof(txSlot)),
      (int32_t)(the->maximumHeapCount * sizeof(txSlot)),
      (int32_t)((char*)the->stackTop - (char*)the->stack),
      (int32_t)((char*)the->stackTop - (char*)peak),
      (int32_t)((char*)the->stackTop - (char*)the->stackBottom),
  };
  xsmcGetBufferWritable(xsArg(0), &target, &size);
  memcpy(target, figures, size < sizeof figures ? size : sizeof figures);
}

/* The compiler's own notion of the date, "Jan  1 2026", as days since 1970: no true clock is earlier. */
static int32_t compiledAt(void) {
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  static const char date[] = __DATE__;
  const char name[4] = {date[0], date[1], date[2], 0};
  int month = (int)(strstr(months, name) - months) / 3 + 1;
  int day = (date[4] == ' ' ? 0 : date[4] - '0') * 10 + date[5] - '0';
  int year = ((date[7] - '0') * 10 + date[8] - '0') * 100 + (date[9] - '0') * 10 + date[10] - '0';
  /* The year begins in March: leap days come last. */
  int y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;
  int32_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
  /* The time of day is in the compiler's time zone: a day less is safe in all of them. */
  return (days - 1) * 86400;
}

void xs_sealwire_build_time(xsMachine* the) {
  xsmcSetNumber(xsResult, compiledAt());
}

void xs_sealwire_collect(xsMachine* the) {
  xsCollectGarbage();
}
