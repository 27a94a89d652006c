/* Names: the device's own table first, then the desktop's resolver, in a thread of its own, since it blocks. */
#define _GNU_SOURCE
#include "loop.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  char host[256];
  int answer;
} Question;

/* An answer that is there already, or a question to the thread. */
typedef struct {
  Watch watch;
  char address[INET6_ADDRSTRLEN];
} Resolution;

typedef struct Known Known;
struct Known {
  Known* next;
  char host[256], address[INET6_ADDRSTRLEN];
};

static Known* table;

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
  Resolution* resolution = (Resolution*)watch;
  (void)ready;
  xsmcVars(1);
  if (watch->fd >= 0 && read(watch->fd, resolution->address, sizeof resolution->address) <= 0) resolution->address[0] = 0;
  if (resolution->address[0] && !networkIsDown()) xsmcSetString(xsVar(0), resolution->address);
  watchEnd(watch);
  loopCall(the, &watch->slots[0], &xsGlobal, 1, &xsVar(0), NULL);
}

static void destroy(Watch* watch) {
  if (watch->fd >= 0) close(watch->fd);
}

/* host(name, address): what a name means, whatever the desktop knows. */
void xs_resolver_host(xsMachine* the) {
  Known* known = calloc(1, sizeof(Known));
  if (!known) xsUnknownError("no memory for a name");
  xsmcToStringBuffer(xsArg(0), known->host, sizeof known->host);
  xsmcToStringBuffer(xsArg(1), known->address, sizeof known->address);
  known->next = table;
  table = known;
}

/* The address, where no question is needed; empty where none is worth while: it is no name. */
static const char* answerTo(const char* host) {
  unsigned char bytes[16];
  if (inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1) return host;
  for (Known* known = table; known; known = known->next)
    if (!strcasecmp(known->host, host)) return known->address;
  size_t length = strlen(host);
  if (length == 0 || length > 253) return "";
  for (const char* p = host; *p; p++)
    if (!isalnum((unsigned char)*p) && !strchr("_.-", *p)) return "";
  return NULL;
}

/* resolve(host, callback): calls back with the address, or with undefined; never before it returns. */
void xs_resolve(xsMachine* the) {
  int ends[2];
  pthread_t thread;
  Question* question = calloc(1, sizeof(Question));
  if (!question) xsUnknownError("no memory for a name");
  xsmcToStringBuffer(xsArg(0), question->host, sizeof question->host);
  const char* answer = answerTo(question->host);
  Resolution* resolution = (Resolution*)watchAdd(the, sizeof(Resolution));
  Watch* watch = &resolution->watch;
  watch->events = events;
  watch->dispatch = dispatch;
  watch->destroy = destroy;
  watch->keepsAlive = 1;
  watch->slots[0] = xsArg(1);
  if (answer) {
    snprintf(resolution->address, sizeof resolution->address, "%s", answer);
    watch->due = 1;
    free(question);
    return;
  }
  if (pipe2(ends, O_CLOEXEC)) xsUnknownError("the desktop has no thread for the resolver");
  question->answer = ends[1];
  watch->fd = ends[0];
  if (pthread_create(&thread, NULL, lookUp, question)) xsUnknownError("the desktop has no thread for the resolver");
  pthread_detach(thread);
}
