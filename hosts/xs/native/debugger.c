/* The connection to the debugger xsbug: the engine speaks its protocol, this moves the bytes. */
#define _GNU_SOURCE
#include "xsAll.h"
#include "host.h"
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

const char* debuggerAddress;

void fxConnect(txMachine* the) {
  char host[256];
  const char* colon = debuggerAddress ? strrchr(debuggerAddress, ':') : NULL;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  /* The flash is made before there is anything to debug. */
  if (!debuggerAddress || !the->sharedMachine) return;
  if (!colon) hostFail(EXIT_USAGE, "--xsbug wants HOST:PORT, not %s.", debuggerAddress);
  snprintf(host, sizeof host, "%.*s", (int)(colon - debuggerAddress), debuggerAddress);
  if (getaddrinfo(host, colon + 1, &hints, &found)) hostFail(EXIT_USAGE, "xsbug's host %s is not known.", host);
  int fd = socket(found->ai_family, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen))
    hostFail(EXIT_USAGE, "xsbug does not answer at %s; start it first.", debuggerAddress);
  freeaddrinfo(found);
  the->connection = fd;
}

void fxDisconnect(txMachine* the) {
  if (the->connection >= 0) close(the->connection);
  the->connection = -1;
}

txBoolean fxIsConnected(txMachine* the) {
  return the->connection >= 0;
}

txBoolean fxIsReadable(txMachine* the) {
  struct pollfd polled = {.fd = the->connection, .events = POLLIN};
  return the->connection >= 0 && poll(&polled, 1, 0) > 0;
}

void fxReceive(txMachine* the) {
  ssize_t count = recv(the->connection, the->debugBuffer, sizeof the->debugBuffer - 1, 0);
  if (count <= 0) {
    fxDisconnect(the);
    count = 0;
  }
  the->debugOffset = (txSize)count;
  the->debugBuffer[count] = 0;
}

void fxSend(txMachine* the, txBoolean more) {
  const char* p = the->echoBuffer;
  ssize_t left = the->echoOffset;
  (void)more;
  while (left > 0 && the->connection >= 0) {
    ssize_t count = send(the->connection, p, (size_t)left, MSG_NOSIGNAL);
    if (count <= 0) fxDisconnect(the);
    else p += count, left -= count;
  }
}

