/* The wire to the board: see board.h. */
#define _GNU_SOURCE
#include "board.h"
#include "memory.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* After standard input, output, errors, and the channel that a firmware on Node has. */
#define WIRE 4
/* Milliseconds after `connected` at which a connect is accounted for: servers send the tickets of TLS 1.3 late. */
#define LATE 100

static int attached;
static Watch* report;
static struct {
  const void* connection;
  double began, sent, received;
} newest;
/* Of a connect that is still to be accounted for. */
static int due;
static double milliseconds;

static void writeAll(const char* bytes, size_t size) {
  while (size) {
    ssize_t count = write(WIRE, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    /* The board is gone. */
    if (count < 0) _exit(EXIT_DONE);
    bytes += count;
    size -= (size_t)count;
  }
}

static void tell(const char* format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char* format, ...) {
  char line[1024];
  va_list arguments;
  if (!attached) return;
  va_start(arguments, format);
  int size = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (size > 0 && size < (int)sizeof line) writeAll(line, (size_t)size);
}

/* The figures of the heap with a connect: what is used is told without garbage, peaks with it. */
static void accountFor(xsMachine* the) {
  if (!due) return;
  due = 0;
  HeapReport peaks, now;
  heapReport(the, &peaks);
  xsCollectGarbage();
  heapReport(the, &now);
  tell("{\"kind\":\"connect\",\"bytesOut\":%.0f,\"bytesIn\":%.0f,\"milliseconds\":%.1f,\"chunks\":%zu,\"chunksPeak\":%zu,\"slots\":%zu,"
       "\"slotsPeak\":%zu,\"stackPeak\":%zu,\"cStackPeak\":%zu,\"native\":%zu,\"nativePeak\":%zu}\n",
       newest.sent, newest.received, milliseconds, now.chunks.used, peaks.chunks.peak, now.slots.used, peaks.slots.peak,
       peaks.stack.peak, peaks.native.peak, sw_memory_now(), sw_memory_peak());
}

static short events(Watch* watch) {
  (void)watch;
  return POLLIN;
}

static void dispatch(xsMachine* the, Watch* watch, short ready) {
  uint64_t expirations;
  if (ready && read(watch->fd, &expirations, sizeof expirations) == sizeof expirations) accountFor(the);
}

static void destroy(Watch* watch) {
  close(watch->fd);
}

void boardInstall(xsMachine* the) {
  const char* board = getenv("SEALWIRE_BOARD");
  if (!board) return;
  attached = 1;
  /* A firmware that hangs does not notice that its board ends. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != (pid_t)strtol(board, NULL, 10)) _exit(EXIT_DONE);
  report = watchAdd(the, sizeof(Watch));
  report->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  /* It may plug the network in again. */
  report->keepsAlive = 1;
  report->events = events;
  report->dispatch = dispatch;
  report->destroy = destroy;
}

void boardRunning(void) {
  tell("{\"kind\":\"running\"}\n");
}

void boardNetwork(int up) {
  tell("{\"kind\":\"network\",\"up\":%s}\n", up ? "true" : "false");
}

void boardConnection(const void* connection) {
  newest.connection = connection;
  newest.began = loopNow();
  newest.sent = newest.received = 0;
}

void boardSent(const void* connection, size_t count) {
  if (connection == newest.connection) newest.sent += (double)count;
}

void boardReceived(const void* connection, size_t count) {
  if (connection == newest.connection) newest.received += (double)count;
}

void boardConnectionEnded(xsMachine* the, const void* connection) {
  if (connection != newest.connection) return;
  accountFor(the);
  newest.connection = NULL;
}

void boardFlush(xsMachine* the) {
  accountFor(the);
}

/* Whether a board listens. */
void xs_board_attached(xsMachine* the) {
  xsmcSetBoolean(xsResult, attached);
}

/* What the firmware, or its platform, shows: the name of the event, and the whole of it as JSON. */
void xs_board_tell(xsMachine* the) {
  if (!attached) return;
  const char* event = xsmcToString(xsArg(1));
  static const char begin[] = "{\"kind\":\"event\",\"event\":";
  writeAll(begin, sizeof begin - 1);
  writeAll(event, strlen(event));
  writeAll("}\n", 2);
  if (strcmp(xsmcToString(xsArg(0)), "connected")) return;
  accountFor(the);
  if (!newest.connection) return;
  due = 1;
  milliseconds = loopNow() - newest.began;
  struct itimerspec late = {.it_value = {.tv_nsec = LATE * 1000000}};
  timerfd_settime(report->fd, 0, &late, NULL);
}
