/*
 * TCP: the ECMA-419 socket class pattern over a non-blocking socket. At most as many bytes wait in either direction as with the
 * defaults of lwIP on an ESP32, four segments.
 */
#define _GNU_SOURCE
#include "board.h"
#include "loop.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES 5744

enum { SELF, ON_READABLE, ON_WRITABLE, ON_ERROR };

typedef struct {
  Watch watch;
  int connected;
  /* `close()` was called: what was written is still sent, nothing is called back. */
  int closed;
  /* Nothing more will come: an errno, or 0 when the peer closed properly. */
  int over, reason;
  int tellWritable;
  size_t inputBegin, inputEnd, outputBegin, outputEnd;
  uint8_t input[BUFFER_BYTES], output[BUFFER_BYTES];
} Connection;

static size_t unread(const Connection* c) {
  return c->inputEnd - c->inputBegin;
}

static size_t unsent(const Connection* c) {
  return c->outputEnd - c->outputBegin;
}

static size_t writable(const Connection* c) {
  return c->connected && !c->closed && !c->over ? BUFFER_BYTES - unsent(c) : 0;
}

static void end(Connection* c, int reason) {
  if (c->over) return;
  c->over = 1;
  c->reason = reason;
  c->outputBegin = c->outputEnd = 0;
  if (reason) c->inputBegin = c->inputEnd = 0;
  c->watch.due = 1;
}

static void sendSome(Connection* c) {
  while (unsent(c)) {
    ssize_t count = send(c->watch.fd, c->output + c->outputBegin, unsent(c), MSG_NOSIGNAL);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) end(c, errno);
      return;
    }
    c->outputBegin += (size_t)count;
    boardSent(c, (size_t)count);
    c->tellWritable = c->watch.due = 1;
  }
  c->outputBegin = c->outputEnd = 0;
}

/* @returns whether something arrived */
static int receiveSome(Connection* c) {
  if (c->inputBegin) {
    memmove(c->input, c->input + c->inputBegin, unread(c));
    c->inputEnd -= c->inputBegin;
    c->inputBegin = 0;
  }
  if (c->inputEnd == BUFFER_BYTES) return 0;
  ssize_t count = recv(c->watch.fd, c->input + c->inputEnd, BUFFER_BYTES - c->inputEnd, 0);
  if (count > 0) {
    c->inputEnd += (size_t)count;
    boardReceived(c, (size_t)count);
    return 1;
  }
  if (count == 0) end(c, 0);
  else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) end(c, errno);
  return 0;
}

static short events(Watch* watch) {
  Connection* c = (Connection*)watch;
  short wanted = 0;
  if (c->over) return 0;
  if (!c->connected || unsent(c)) wanted |= POLLOUT;
  if (c->connected && !c->closed && unread(c) < BUFFER_BYTES) wanted |= POLLIN;
  return wanted;
}

static void callNumber(xsMachine* the, Connection* c, int which, double value) {
  xsmcVars(1);
  xsmcSetNumber(xsVar(0), value);
  loopCall(the, &c->watch.slots[which], &c->watch.slots[SELF], 1, &xsVar(0), NULL);
}

/* The class makes an error of the reason. */
static void callError(xsMachine* the, Connection* c) {
  xsmcVars(1);
  if (!xsmcIsCallable(c->watch.slots[ON_ERROR])) return;
  xsVar(0) = xsCall1(c->watch.slots[SELF], fxID(the, "describe"), xsInteger(c->reason));
  loopCall(the, &c->watch.slots[ON_ERROR], &c->watch.slots[SELF], 1, &xsVar(0), NULL);
}

static void release(Connection* c) {
  c->closed = 1;
  c->watch.keepsAlive = 0;
  c->watch.slots[ON_READABLE] = c->watch.slots[ON_WRITABLE] = c->watch.slots[ON_ERROR] = c->watch.slots[SELF];
  watchEnd(&c->watch);
}

static void dispatch(xsMachine* the, Watch* watch, short ready) {
  Connection* c = (Connection*)watch;
  int arrived = 0;
  if (!c->connected && !c->over && ready) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) end(c, error);
    else c->connected = c->tellWritable = 1;
  } else if (!c->over && ready) {
    if (ready & POLLOUT) sendSome(c);
    if (!c->closed && !c->over && (ready & (POLLIN | POLLHUP | POLLERR))) arrived = receiveSome(c);
  }
  watch->due = 0;
  if (c->closed) {
    if (!unsent(c)) release(c);
    return;
  }
  if (c->tellWritable && writable(c)) {
    c->tellWritable = 0;
    callNumber(the, c, ON_WRITABLE, (double)writable(c));
  }
  if (arrived && !c->closed && unread(c)) callNumber(the, c, ON_READABLE, (double)unread(c));
  if (c->over && !c->closed && !unread(c)) {
    c->closed = 1;
    boardConnectionEnded(the, c);
    callError(the, c);
    /* Whoever closes it later must not reach what is freed now. */
    xsmcSetHostData(c->watch.slots[SELF], NULL);
    release(c);
  } else if (c->tellWritable && writable(c))
    watch->due = 1;
}

static void interrupt(Watch* watch) {
  Connection* c = (Connection*)watch;
  /* What was written before `close()` is lost, too. */
  if (c->closed) release(c);
  else end(c, ENETDOWN);
}

void tcpInterrupt(void) {
  watchVisit(dispatch, interrupt);
}

static void destroy(Watch* watch) {
  if (watch->fd >= 0) close(watch->fd);
}

void xs_tcp_destructor(void* data) {
  /* While it is open, the loop holds the object: this is the end of the process, or a closed one. */
  (void)data;
}

static void option(xsMachine* the, Connection* c, int which, const char* name) {
  xsmcGet(xsVar(0), xsArg(0), fxID(the, name));
  c->watch.slots[which] = xsVar(0);
}

void xs_tcp(xsMachine* the) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } peer = {0};
  socklen_t size;
  char address[64];
  xsmcVars(1);
  xsmcGet(xsVar(0), xsArg(0), fxID(the, "address"));
  xsmcToStringBuffer(xsVar(0), address, sizeof address);
  xsmcGet(xsVar(0), xsArg(0), fxID(the, "port"));
  uint16_t port = htons((uint16_t)xsmcToInteger(xsVar(0)));
  if (inet_pton(AF_INET, address, &peer.v4.sin_addr) == 1) {
    peer.v4.sin_family = AF_INET;
    peer.v4.sin_port = port;
    size = sizeof peer.v4;
  } else if (inet_pton(AF_INET6, address, &peer.v6.sin6_addr) == 1) {
    peer.v6.sin6_family = AF_INET6;
    peer.v6.sin6_port = port;
    size = sizeof peer.v6;
  } else
    xsRangeError("not an IP address");
  Connection* c = (Connection*)watchAdd(the, sizeof(Connection));
  boardConnection(c);
  c->watch.events = events;
  c->watch.dispatch = dispatch;
  c->watch.destroy = destroy;
  c->watch.keepsAlive = 1;
  c->watch.slots[SELF] = xsThis;
  option(the, c, ON_READABLE, "onReadable");
  option(the, c, ON_WRITABLE, "onWritable");
  option(the, c, ON_ERROR, "onError");
  xsmcSetHostData(xsThis, c);
  c->watch.fd = socket(peer.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  xsmcGet(xsVar(0), xsArg(0), fxID(the, "noDelay"));
  int noDelay = xsmcTest(xsVar(0));
  if (c->watch.fd >= 0) setsockopt(c->watch.fd, IPPROTO_TCP, TCP_NODELAY, &noDelay, sizeof noDelay);
  if (networkIsDown()) end(c, ENETDOWN);
  else if (c->watch.fd < 0 || (connect(c->watch.fd, &peer.any, size) && errno != EINPROGRESS)) end(c, errno);
}

static Connection* connectionOf(xsMachine* the) {
  return xsmcGetHostData(xsThis);
}

/* read(): everything; read(count): at most so many bytes; read(buffer): into it. */
void xs_tcp_read(xsMachine* the) {
  Connection* c = connectionOf(the);
  size_t count = c && !c->closed ? unread(c) : 0;
  void* target = NULL;
  if (count == 0) return;
  if (xsmcArgc > 0 && xsmcTypeOf(xsArg(0)) == xsReferenceType) {
    xsUnsignedValue size;
    xsmcGetBufferWritable(xsArg(0), &target, &size);
    if (size < count) count = size;
    xsmcSetInteger(xsResult, (int)count);
  } else {
    if (xsmcArgc > 0 && xsmcTypeOf(xsArg(0)) != xsUndefinedType) {
      double wanted = xsmcToNumber(xsArg(0));
      if (!(wanted >= 0)) xsRangeError("count must not be negative");
      if (wanted < (double)count) count = (size_t)wanted;
    }
    xsmcSetArrayBuffer(xsResult, NULL, (int)count);
    target = xsmcToArrayBuffer(xsResult);
  }
  memcpy(target, c->input + c->inputBegin, count);
  c->inputBegin += count;
  if (c->over && !unread(c)) c->watch.due = 1;
}

/* @returns the bytes that can be written now, or -1 - that number when the buffer is larger */
void xs_tcp_write(xsMachine* the) {
  Connection* c = connectionOf(the);
  size_t room = c ? writable(c) : 0;
  void* data;
  xsUnsignedValue size;
  xsmcGetBufferReadable(xsArg(0), &data, &size);
  if (size > room) {
    xsmcSetNumber(xsResult, -1 - (double)room);
    return;
  }
  if (c && size) {
    if (c->outputEnd + size > BUFFER_BYTES) {
      memmove(c->output, c->output + c->outputBegin, unsent(c));
      c->outputEnd -= c->outputBegin;
      c->outputBegin = 0;
    }
    memcpy(c->output + c->outputEnd, data, size);
    c->outputEnd += size;
    sendSome(c);
  }
  xsmcSetNumber(xsResult, c ? (double)writable(c) : 0);
}

void xs_tcp_close(xsMachine* the) {
  Connection* c = connectionOf(the);
  if (!c) return;
  xsmcSetHostData(xsThis, NULL);
  if (c->closed) return;
  boardConnectionEnded(the, c);
  c->closed = 1;
  if (!c->connected || c->over || !unsent(c)) release(c);
}
