/* For the native functions: the event loop as they see it. Written with `xsmc.h`, as natives on a chip are. */
#ifndef SEALWIRE_XS_LOOP_H
#define SEALWIRE_XS_LOOP_H

#include "xsmc.h"
#include "host.h"

#define WATCH_SLOTS 5

typedef struct Watch Watch;
/* Something that waits for a file descriptor; the first member of what a native function keeps. */
struct Watch {
  Watch* next;
  int fd;
  /* No longer used: freed between two turns of the loop. */
  int ended;
  /* Something is to be told although no file descriptor is ready. */
  int due;
  int keepsAlive;
  /* What to poll for. */
  short (*events)(Watch* watch);
  void (*dispatch)(xsMachine* the, Watch* watch, short events);
  void (*destroy)(Watch* watch);
  /* Callbacks and the object itself, marked for the garbage collector. */
  xsSlot slots[WATCH_SLOTS];
};

Watch* watchAdd(xsMachine* the, size_t size);
void watchEnd(Watch* watch);
double loopNow(void);
/* The network interface is gone: every connection ends without a goodbye. */
void tcpInterrupt(void);
int networkIsDown(void);
/* Calls `visit` with every watch that `dispatch` serves. */
void watchVisit(void (*dispatch)(xsMachine* the, Watch* watch, short events), void (*visit)(Watch* watch));
/* Calls a function, if it is one; an exception that escapes ends the process, as it restarts a chip. */
void loopCall(xsMachine* the, xsSlot* function, xsSlot* self, int count, xsSlot* first, xsSlot* second);

#endif
