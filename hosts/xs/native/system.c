/* Native functions of the board: console, clock, entropy, heap, the end of the process. */
#define _GNU_SOURCE
#include "board.h"
#include "loop.h"
#include "options.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

void xs_system_print(xsMachine* the) {
  puts(xsmcToString(xsArg(0)));
}

/* Milliseconds since the process began. */
void xs_system_ticks(xsMachine* the) {
  static double begin;
  if (begin == 0) begin = loopNow() - 1;
  xsmcSetNumber(xsResult, loopNow() - begin);
}

void xs_system_time(xsMachine* the) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  xsmcSetNumber(xsResult, (double)now.tv_sec * 1000.0 + (double)(now.tv_nsec / 1000000));
}

void xs_system_random(xsMachine* the) {
  void* data;
  xsUnsignedValue size, done = 0;
  xsmcGetBufferWritable(xsArg(0), &data, &size);
  while (done < size) {
    ssize_t count = getrandom((uint8_t*)data + done, size - done, 0);
    if (count < 0) xsUnknownError("the desktop gives no random bytes");
    done += (xsUnsignedValue)count;
  }
}

void xs_system_exit(xsMachine* the) {
  int code = xsmcToInteger(xsArg(0));
  boardFlush(the);
  heapAtEnd(the);
  fflush(stdout);
  exit(code);
}

/* The value of an environment variable, or undefined. */
void xs_system_environment(xsMachine* the) {
  const char* value = getenv(xsmcToString(xsArg(0)));
  if (value) xsmcSetString(xsResult, (char*)value);
}

void xs_system_argument(xsMachine* the) {
  int index = xsmcToInteger(xsArg(0));
  if (index >= 0 && index < hostOptions()->argumentCount) xsmcSetString(xsResult, hostOptions()->arguments[index]);
}

/* Fills an ArrayBuffer with doubles: used, peak, total of chunks, slots, stack and native stack; what is left of a heap of fixed size. */
void xs_system_heap(xsMachine* the) {
  HeapReport report;
  void* data;
  xsUnsignedValue size;
  heapReport(the, &report);
  const Figures* all[] = {&report.chunks, &report.slots, &report.stack, &report.native};
  double figures[13];
  for (int i = 0; i < 4; i++) {
    figures[i * 3] = (double)all[i]->used;
    figures[i * 3 + 1] = (double)all[i]->peak;
    figures[i * 3 + 2] = (double)all[i]->total;
  }
  figures[12] = hostOptions()->fixed ? (double)report.free : -1;
  xsmcGetBufferWritable(xsArg(0), &data, &size);
  memcpy(data, figures, size < sizeof figures ? size : sizeof figures);
}

/* measure(step, reset): the same on standard error, as a line of JSON: costs the heap nothing. */
void xs_system_measure(xsMachine* the) {
  char label[64];
  xsmcToStringBuffer(xsArg(0), label, sizeof label);
  heapMeasure(the, label);
  if (xsmcArgc > 1 && xsmcTest(xsArg(1))) heapResetPeaks(the);
}

/* Milliseconds of processor time that the process has used. */
void xs_system_cpu(xsMachine* the) {
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  xsmcSetNumber(xsResult, (double)used.tv_sec * 1000.0 + (double)used.tv_nsec / 1e6);
}

void xs_system_collect(xsMachine* the) {
  xsCollectGarbage();
}

void xs_system_reset_peaks(xsMachine* the) {
  heapResetPeaks(the);
}
