/*
 * The network interface of the device: a switch in front of the desktop's. SIGUSR1 takes it down from outside, SIGUSR2 brings it up;
 * the signals are blocked in every thread and read here.
 */
#define _GNU_SOURCE
#include "board.h"
#include "loop.h"
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int down;
/* What the callback was told last. */
static int told;
static Watch* watching;

int networkIsDown(void) {
  return down;
}

static void change(int isDown) {
  if (down == isDown) return;
  down = isDown;
  if (down) tcpInterrupt();
  if (watching) watching->due = 1;
}

static short events(Watch* watch) {
  (void)watch;
  return POLLIN;
}

static void dispatch(xsMachine* the, Watch* watch, short ready) {
  struct signalfd_siginfo info;
  if (ready && read(watch->fd, &info, sizeof info) == sizeof info) {
    change(info.ssi_signo == SIGUSR1);
    boardNetwork(!down);
  }
  watch->due = 0;
  if (told == down || !xsmcIsCallable(watch->slots[0])) return;
  told = down;
  xsmcVars(1);
  xsmcSetBoolean(xsVar(0), !down);
  loopCall(the, &watch->slots[0], &xsGlobal, 1, &xsVar(0), NULL);
}

static void destroy(Watch* watch) {
  close(watch->fd);
}

void networkInstall(xsMachine* the) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGUSR2);
  watching = watchAdd(the, sizeof(Watch));
  watching->fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  watching->events = events;
  watching->dispatch = dispatch;
  watching->destroy = destroy;
}

void xs_network_up(xsMachine* the) {
  xsmcSetBoolean(xsResult, !down);
}

void xs_network_set(xsMachine* the) {
  change(!xsmcTest(xsArg(0)));
}

void xs_network_watch(xsMachine* the) {
  told = down;
  watching->slots[0] = xsArg(0);
}
