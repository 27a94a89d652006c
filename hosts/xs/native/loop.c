/*
 * The event loop: promise jobs, timers, and whatever has a file descriptor to wait for. Nothing else calls into JavaScript.
 *
 * What JavaScript gave to the host (callbacks) is held in C records; one host object marks them all for the garbage collector.
 */
#include "loop.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
  double when;
  uint32_t order;
  uint32_t id;
  xsSlot callback;
} Timer;

static Timer* timers;
static size_t timerCount, timerCapacity;
static uint32_t nextTimer = 1;
static Watch* watches;
static xsSlot roots;
static int promiseJobs;

double loopNow(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1000.0 + (double)now.tv_nsec / 1e6;
}

static void markRoots(xsMachine* the, void* data, xsMarkRoot markRoot) {
  (void)data;
  for (size_t i = 0; i < timerCount; i++) (*markRoot)(the, &timers[i].callback);
  for (Watch* watch = watches; watch; watch = watch->next)
    for (int i = 0; i < WATCH_SLOTS; i++) (*markRoot)(the, &watch->slots[i]);
}

static const xsHostHooks hooks = {NULL, markRoots, NULL};

void loopInstall(xsMachine* the) {
  xsBeginHost(the);
  {
    roots = xsNewHostObject(NULL);
    fxSetHostHooks(the, &roots, &hooks);
    fxSetHostData(the, &roots, &roots);
    xsRemember(roots);
  }
  xsEndHost(the);
}

/* Timers: a binary heap, the next one first; those of one moment in the order in which they were set. */

static int earlier(const Timer* a, const Timer* b) {
  return a->when < b->when || (a->when == b->when && a->order < b->order);
}

static void place(size_t at) {
  Timer moving = timers[at];
  while (at > 0 && earlier(&moving, &timers[(at - 1) / 2])) {
    timers[at] = timers[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  for (;;) {
    size_t child = at * 2 + 1;
    if (child >= timerCount) break;
    if (child + 1 < timerCount && earlier(&timers[child + 1], &timers[child])) child++;
    if (!earlier(&timers[child], &moving)) break;
    timers[at] = timers[child];
    at = child;
  }
  timers[at] = moving;
}

static void takeOut(size_t at) {
  timerCount--;
  if (at == timerCount) return;
  timers[at] = timers[timerCount];
  place(at);
}

void xs_timer_set(xsMachine* the) {
  double delay = xsmcArgc > 1 ? xsmcToNumber(xsArg(1)) : 0;
  if (!xsmcIsCallable(xsArg(0))) xsTypeError("A timer needs a function.");
  if (!(delay > 0)) delay = 0;
  if (timerCount == timerCapacity) {
    size_t capacity = timerCapacity ? timerCapacity * 2 : 16;
    Timer* grown = realloc(timers, capacity * sizeof(Timer));
    if (!grown) xsUnknownError("no memory for a timer");
    timers = grown;
    timerCapacity = capacity;
  }
  uint32_t id = nextTimer++;
  timers[timerCount] = (Timer){loopNow() + delay, id, id, xsArg(0)};
  timerCount++;
  place(timerCount - 1);
  xsmcSetNumber(xsResult, id);
}

void xs_timer_clear(xsMachine* the) {
  if (xsmcArgc == 0 || xsmcTypeOf(xsArg(0)) == xsUndefinedType) return;
  double id = xsmcToNumber(xsArg(0));
  for (size_t i = 0; i < timerCount; i++) {
    if (timers[i].id == id) {
      takeOut(i);
      return;
    }
  }
}

/* Watches */

Watch* watchAdd(xsMachine* the, size_t size) {
  Watch* watch = calloc(1, size);
  if (!watch) xsUnknownError("no memory for a connection");
  for (int i = 0; i < WATCH_SLOTS; i++) watch->slots[i] = xsUndefined;
  watch->fd = -1;
  watch->next = watches;
  watches = watch;
  return watch;
}

void watchVisit(void (*dispatch)(xsMachine* the, Watch* watch, short events), void (*visit)(Watch* watch)) {
  for (Watch* watch = watches; watch; watch = watch->next)
    if (watch->dispatch == dispatch && !watch->ended) (*visit)(watch);
}

void watchEnd(Watch* watch) {
  watch->ended = 1;
}

void loopCall(xsMachine* the, xsSlot* function, xsSlot* self, int count, xsSlot* first, xsSlot* second) {
  if (!xsmcIsCallable(*function)) return;
  xsTry {
    if (count == 0) xsCallFunction0(*function, *self);
    else if (count == 1) xsCallFunction1(*function, *self, *first);
    else xsCallFunction2(*function, *self, *first, *second);
  }
  xsCatch {
    reportException(the, EXIT_UNCAUGHT_EXCEPTION);
  }
}

void fxQueuePromiseJobs(xsMachine* the) {
  (void)the;
  promiseJobs = 1;
}

extern void fxRunPromiseJobs(xsMachine* the);
extern void fxEndJob(xsMachine* the);
extern void fxCheckUnhandledRejections(xsMachine* the, int atExit);

/* A rejection that nobody handles by the end of its turn will never be: the same rule as on Node. */
void loopPromiseJobs(xsMachine* the) {
  while (promiseJobs) {
    promiseJobs = 0;
    fxRunPromiseJobs(the);
  }
  fxEndJob(the);
  fxCheckUnhandledRejections(the, 1);
}

static void runTimers(xsMachine* the) {
  double now = loopNow();
  /* Those that are set meanwhile wait for the next turn. */
  uint32_t last = nextTimer;
  while (timerCount && timers[0].when <= now && timers[0].id < last) {
    xsBeginHost(the);
    {
      xsmcVars(1);
      xsVar(0) = timers[0].callback;
      takeOut(0);
      loopCall(the, &xsVar(0), &xsGlobal, 0, NULL, NULL);
    }
    xsEndHost(the);
    loopPromiseJobs(the);
  }
}

static void sweepWatches(void) {
  Watch** address = &watches;
  Watch* watch;
  while ((watch = *address)) {
    if (watch->ended) {
      *address = watch->next;
      if (watch->destroy) watch->destroy(watch);
      free(watch);
    } else
      address = &watch->next;
  }
}

static void dispatch(xsMachine* the, Watch* watch, short events) {
  watch->due = 0;
  xsBeginHost(the);
  watch->dispatch(the, watch, events);
  xsEndHost(the);
  loopPromiseJobs(the);
}

static void waitAndDispatch(xsMachine* the, int timeout) {
  size_t count = 0, i = 0;
  for (Watch* watch = watches; watch; watch = watch->next) count++;
  struct pollfd* polled = calloc(count ? count : 1, sizeof(struct pollfd));
  Watch** ready = calloc(count ? count : 1, sizeof(Watch*));
  if (!polled || !ready) hostFail(EXIT_ENGINE_FAILURE, "The desktop is out of memory.");
  for (Watch* watch = watches; watch; watch = watch->next) {
    short events = watch->events(watch);
    if (watch->due) timeout = 0;
    ready[i] = watch;
    polled[i++] = (struct pollfd){.fd = watch->fd, .events = events};
  }
  if (poll(polled, count, timeout) < 0 && errno != EINTR) hostFail(EXIT_ENGINE_FAILURE, "poll: %s.", strerror(errno));
  for (i = 0; i < count; i++) {
    Watch* watch = ready[i];
    if (!watch->ended && (polled[i].revents || watch->due)) dispatch(the, watch, polled[i].revents);
  }
  free(polled);
  free(ready);
}

void loopRun(xsMachine* the) {
  loopPromiseJobs(the);
  for (;;) {
    sweepWatches();
    int waiting = 0;
    for (Watch* watch = watches; watch; watch = watch->next) waiting |= watch->keepsAlive;
    if (!timerCount && !waiting) return;
    int timeout = -1;
    if (timerCount) {
      double left = timers[0].when - loopNow();
      /* Rounded up: a timer is never early. */
      timeout = left <= 0 ? 0 : left > 1e6 ? 1000000 : (int)left + 1;
    }
    if (watches || timeout != 0) waitAndDispatch(the, timeout);
    runTimers(the);
  }
}
