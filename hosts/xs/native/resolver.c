/* Names: the desktop's own resolver, in a thread of its own, since it blocks. */
#define _GNU_SOURCE
#include "loop.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  char host[256];
  int answer;
} Question;

static void* lookUp(void* data) {
  Question* question = data;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  char address[INET6_ADDRSTRLEN] = "";
  if (!getaddrinfo(question->host, NULL, &hints, &found)) {
    const void* bytes = found->ai_family == AF_INET6 ? (void*)&((struct sockaddr_in6*)found->ai_addr)->sin6_addr
                                                     : (void*)&((struct sockaddr_in*)found->ai_addr)->sin_addr;
    inet_ntop(found->ai_family, bytes, address, sizeof address);
    freeaddrinfo(found);
  }
  ssize_t ignored = write(question->answer, address, sizeof address);
  (void)ignored;
  close(question->answer);
  free(question);
  return NULL;
}

static short events(Watch* watch) {
  (void)watch;
  return POLLIN;
}

static void dispatch(xsMachine* the, Watch* watch, short ready) {
  char address[INET6_ADDRSTRLEN] = "";
  (void)ready;
  xsmcVars(1);
  if (read(watch->fd, address, sizeof address) > 0 && address[0] && !networkIsDown()) xsmcSetString(xsVar(0), address);
  watchEnd(watch);
  loopCall(the, &watch->slots[0], &xsGlobal, 1, &xsVar(0), NULL);
}

static void destroy(Watch* watch) {
  close(watch->fd);
}

/* resolve(host, callback): calls back with the address, or with undefined. */
void xs_resolve(xsMachine* the) {
  int ends[2];
  pthread_t thread;
  Question* question = calloc(1, sizeof(Question));
  if (!question || pipe2(ends, O_CLOEXEC)) xsUnknownError("the desktop has no thread for the resolver");
  xsmcToStringBuffer(xsArg(0), question->host, sizeof question->host);
  question->answer = ends[1];
  Watch* watch = watchAdd(the, sizeof(Watch));
  watch->fd = ends[0];
  watch->events = events;
  watch->dispatch = dispatch;
  watch->destroy = destroy;
  watch->keepsAlive = 1;
  watch->slots[0] = xsArg(1);
  if (pthread_create(&thread, NULL, lookUp, question)) xsUnknownError("the desktop has no thread for the resolver");
  pthread_detach(thread);
}
