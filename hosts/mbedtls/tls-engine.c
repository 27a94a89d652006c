#include "tls-engine.h"
#include "crypto-backend.h"
#include "memory.h"
#include <string.h>
#include <time.h>

/* Milliseconds of one kind of clock, for the longest step. */
static double now(void) {
#ifdef CLOCK_MONOTONIC
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
#else
  /* A chip whose C library has no clocks. */
  return (double)sw_clock();
#endif
}

static int state(const SwTLS* e) {
  return e->ssl.MBEDTLS_PRIVATE(state);
}

int sw_tls_is13(const SwTLS* e) {
#if SW_TLS13
  return mbedtls_ssl_get_version_number(&e->ssl) == MBEDTLS_SSL_VERSION_TLS1_3;
#else
  (void)e;
  return 0;
#endif
}

/* ---- What the library reads and writes ---- */

static uint8_t ringByte(const SwTLS* e, size_t at) {
  return e->ring[(e->ringBegin + at) % SW_TLS_RING];
}

/*
 * The library reads the header of a record by itself, and then the rest. It gets no header before all of it came and its buffer has room for
 * what follows: a buffer can be exchanged between two calls only.
 */
static int waits(SwTLS* e) {
  enum { HEADER = 5 };
  e->partialHeader = 0;
  if (e->ssl.MBEDTLS_PRIVATE(in_left) != 0 || e->ringCount == 0) return 0;
  if (e->ringCount < HEADER) return e->partialHeader = !e->ended;
  return !sw_tls_input_fits(e, (size_t)(ringByte(e, 3) << 8 | ringByte(e, 4)));
}

int sw_tls_on_receive(void* context, unsigned char* target, size_t size) {
  SwTLS* e = context;
  if (waits(e)) return MBEDTLS_ERR_SSL_WANT_READ;
  if (e->ringCount == 0) {
    if (!e->ended) return MBEDTLS_ERR_SSL_WANT_READ;
    e->atEnd = 1;
    return 0;
  }
  size_t done = 0;
  while (done < size && e->ringCount) {
    size_t count = SW_TLS_RING - e->ringBegin;
    if (count > e->ringCount) count = e->ringCount;
    if (count > size - done) count = size - done;
    memcpy(target + done, e->ring + e->ringBegin, count);
    e->ringBegin = (uint16_t)((e->ringBegin + count) % SW_TLS_RING);
    e->ringCount = (uint16_t)(e->ringCount - count);
    done += count;
  }
  return (int)done;
}

/* The library comes back with the rest, from the same place, when it is asked to send on. */
int sw_tls_on_send(void* context, const unsigned char* bytes, size_t size) {
  SwTLS* e = context;
  if (e->ended) {
    /* Nobody is there any more, and what came before may still have to be read: an alert that says why. */
    e->pending = 0;
    return (int)size;
  }
  size_t count = e->outboxCount ? 0 : size < e->targetRoom ? size : e->targetRoom;
  e->pending = size - count;
  if (count) {
    memcpy(e->target, bytes, count);
    e->target += count;
    e->targetRoom -= count;
    return (int)count;
  }
  if (size > (size_t)(SW_TLS_OUTBOX - e->outboxCount)) return MBEDTLS_ERR_SSL_WANT_WRITE;
  memcpy(e->outbox + e->outboxCount, bytes, size);
  e->outboxCount = (uint8_t)(e->outboxCount + size);
  e->pending = 0;
  return (int)size;
}

static void emptyOutbox(SwTLS* e) {
  size_t count = e->outboxCount < e->targetRoom ? e->outboxCount : e->targetRoom;
  if (count == 0) return;
  memcpy(e->target, e->outbox, count);
  e->target += count;
  e->targetRoom -= count;
  e->outboxCount = (uint8_t)(e->outboxCount - count);
  memmove(e->outbox, e->outbox + count, e->outboxCount);
}

/* With something pending, the alert itself is not made: the library only sends on. */
static void sendOn(SwTLS* e) {
  mbedtls_ssl_send_alert_message(&e->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR);
}

static void refuse(SwTLS* e, SwFailure failure, uint8_t alert) {
  if (e->failure) return;
  if (e->set && !e->pending) mbedtls_ssl_send_alert_message(&e->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, alert);
  sw_tls_fail(e, failure);
}

size_t sw_tls_feed(SwTLS* e, const uint8_t* bytes, size_t size) {
  if (e->failure || e->peerClosed) return size;
  /* Of an open connection nobody asks for the next step but who wants to read. */
  if (e->open && e->ringCount == SW_TLS_RING) sw_tls_step(e, NULL);
  size_t room = (size_t)(SW_TLS_RING - e->ringCount);
  if (size > room) size = room;
  switch (sw_records_check(&e->records, bytes, size)) {
    case SW_RECORDS_TOO_LARGE: refuse(e, SW_FAILURE_RECORD_TOO_LARGE, MBEDTLS_SSL_ALERT_MSG_RECORD_OVERFLOW); return size;
    case SW_RECORDS_NOT_TLS: sw_tls_fail(e, SW_FAILURE_NOT_TLS); return size;
    default: break;
  }
  if (size) e->partialHeader = 0;
  for (size_t i = 0; i < size; i++) e->ring[(e->ringBegin + e->ringCount + i) % SW_TLS_RING] = bytes[i];
  e->ringCount = (uint16_t)(e->ringCount + size);
  return size;
}

size_t sw_tls_drain(SwTLS* e, uint8_t* target, size_t size) {
  if (!e->set) return 0;
  e->target = target;
  e->targetRoom = size;
  emptyOutbox(e);
  if (e->pending && e->targetRoom) sendOn(e);
  if (!e->pending && e->goodbye && !e->goodbyeSaid) {
    e->goodbyeSaid = 1;
    mbedtls_ssl_close_notify(&e->ssl);
  }
  emptyOutbox(e);
  size -= e->targetRoom;
  e->target = NULL;
  e->targetRoom = 0;
  return size;
}

void sw_tls_end(SwTLS* e) {
  if (e->failure || !e->open || e->goodbye) return;
  e->goodbye = 1;
  sw_tls_drain(e, NULL, 0);
}

size_t sw_tls_readable(SwTLS* e) {
  return e->open && !e->failure ? mbedtls_ssl_get_bytes_avail(&e->ssl) : 0;
}

size_t sw_tls_writable(SwTLS* e) {
  if (!e->open || e->failure || e->goodbye || e->pending) return 0;
  int most = mbedtls_ssl_get_max_out_record_payload(&e->ssl);
  return most > 0 ? (size_t)most : 0;
}

/* ---- Work ---- */

#if SW_TLS13
/* RFC 8446 section 4.6.3: what follows is encrypted with keys that the library cannot make. */
static int isKeyUpdate(const SwTLS* e) {
  enum { KEY_UPDATE = 24 };
  return sw_tls_is13(e) && e->ssl.MBEDTLS_PRIVATE(in_msgtype) == MBEDTLS_SSL_MSG_HANDSHAKE && e->ssl.MBEDTLS_PRIVATE(in_msg)[0] == KEY_UPDATE;
}
#endif

/* What became of a call that reads records of an open connection. @returns whether to go on */
static int settle(SwTLS* e, int result, unsigned allocations) {
  if (e->atEnd && sw_tls_readable(e) == 0) {
    sw_tls_fail(e, e->lacked ? SW_FAILURE_OUT_OF_MEMORY : SW_FAILURE_LOST);
    return 0;
  }
  if (result >= 0) {
    /* The server took our Finished for good: where it is the last message of the handshake, it answers after we opened. */
    e->lacked = 0;
    return 1;
  }
  if (result == MBEDTLS_ERR_SSL_WANT_READ) return 0;
  if (result == MBEDTLS_ERR_SSL_WANT_WRITE) return 0;
  if (result == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
    e->peerClosed = 1;
    return 0;
  }
#if SW_TLS13
  if (result == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
    e->lacked = 0;
    e->ticketIssued = 1;
    sw_tls_session_note(e);
    return 1;
  }
  if (result == MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE && isKeyUpdate(e)) {
    refuse(e, SW_FAILURE_KEY_UPDATE, MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE);
    return 0;
  }
#endif
  sw_tls_fail_with(e, result, allocations);
  return 0;
}

/* The library waits for room. @returns whether it is to be called again */
static int roomWasMade(SwTLS* e, int* result) {
  if (*result != MBEDTLS_ERR_SSL_WANT_READ || !e->inputNeeded) return 0;
  if (sw_tls_grow_input(e)) return 1;
  *result = MBEDTLS_ERR_SSL_ALLOC_FAILED;
  return 0;
}

/* 3.6 says "want read" of a ticket that it has read and not looked at. That must not wait: a write would stumble over it. */
static int readSome(SwTLS* e, uint8_t* target, size_t size) {
  int result;
  do result = mbedtls_ssl_read(&e->ssl, target, size);
  while (roomWasMade(e, &result));
#if SW_TLS13
  if (result == MBEDTLS_ERR_SSL_WANT_READ && state(e) == MBEDTLS_SSL_TLS1_3_NEW_SESSION_TICKET)
    result = mbedtls_ssl_read(&e->ssl, target, size);
#endif
  return result;
}

size_t sw_tls_read(SwTLS* e, uint8_t* target, size_t size) {
  size_t done = 0;
  unsigned allocations = sw_memory_failures();
  while (done < size && sw_tls_readable(e)) {
    int result = readSome(e, target + done, size - done);
    if (result > 0) done += (size_t)result;
    else if (!settle(e, result, allocations) || result == 0) break;
  }
  return done;
}

size_t sw_tls_write(SwTLS* e, const uint8_t* bytes, size_t size) {
  size_t room = sw_tls_writable(e);
  unsigned allocations = sw_memory_failures();
  if (size > room) size = room;
  if (size == 0) return 0;
  int result = sw_tls_output_for(e, size) ? mbedtls_ssl_write(&e->ssl, bytes, size) : MBEDTLS_ERR_SSL_ALLOC_FAILED;
  /* The record is made, and waits to be drained. */
  if (result == MBEDTLS_ERR_SSL_WANT_WRITE) return size;
  if (result < 0) {
    sw_tls_fail_with(e, result, allocations);
    return 0;
  }
  return (size_t)result;
}

int sw_tls_wants_credentials(const SwTLS* e) {
  if (!e->set || e->open || e->failure) return 0;
  return state(e) == MBEDTLS_SSL_SERVER_CERTIFICATE || state(e) == MBEDTLS_SSL_CLIENT_CERTIFICATE;
}

/* The anchors are parsed for the one step that verifies, over bytes that lie in the memory of JavaScript. */
static int parseAnchors(const SwCredentials* credentials, mbedtls_x509_crt* anchors) {
  for (unsigned i = 0; i < credentials->anchorCount; i++) {
    const SwView* anchor = &credentials->anchors[i];
    int error = mbedtls_x509_crt_parse_der_nocopy(anchors, anchor->bytes, anchor->size);
    if (error) return error;
  }
  return 0;
}

/* Of our own certificates the library wants no more than the bytes. The array is the caller's, and may hold others by now. */
static int lendChain(SwTLS* e, const SwCredentials* credentials) {
  if (sw_tls_own_message(credentials) > e->ownMessage || (e->own && credentials->chainCount > e->ownCount)) {
    refuse(e, SW_FAILURE_CHAIN_EXCHANGED, MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR);
    return MBEDTLS_ERR_SSL_BAD_INPUT_DATA;
  }
  if (!e->own) {
    e->own = sw_memory_calloc(credentials->chainCount, sizeof *e->own);
    if (!e->own) return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    e->ownCount = (uint8_t)credentials->chainCount;
    int error = mbedtls_ssl_conf_own_cert(&e->conf, e->own, &e->ownKey);
    if (error) return error;
  }
  for (unsigned i = 0; i < credentials->chainCount; i++) {
    e->own[i].raw.p = (unsigned char*)credentials->chain[i].bytes;
    e->own[i].raw.len = credentials->chain[i].size;
    e->own[i].next = i + 1 < credentials->chainCount ? &e->own[i + 1] : NULL;
  }
  return 0;
}

static void takeChainBack(SwTLS* e, unsigned count) {
  for (unsigned i = 0; e->own && i < count; i++) e->own[i].raw.p = NULL, e->own[i].raw.len = 0, e->own[i].next = NULL;
}

static int isSilent(int at) {
  return at == MBEDTLS_SSL_HELLO_REQUEST || at == MBEDTLS_SSL_FLUSH_BUFFERS || at == MBEDTLS_SSL_HANDSHAKE_WRAPUP;
}

static int isCertificateVerify(int at) {
#if SW_TLS13
  if (at == MBEDTLS_SSL_CLIENT_CERTIFICATE_VERIFY) return 1;
#endif
  return at == MBEDTLS_SSL_CERTIFICATE_VERIFY;
}

/* One message, with what it needs and no longer. */
static int advance(SwTLS* e, const SwCredentials* credentials) {
  int at = state(e), result = 0;
  mbedtls_x509_crt anchors;
  mbedtls_x509_crt_init(&anchors);
  if (at == MBEDTLS_SSL_SERVER_CERTIFICATE && credentials) {
    result = parseAnchors(credentials, &anchors);
    e->verification.lists = credentials->lists;
    e->verification.listCount = credentials->listCount;
    e->verification.anchors = &anchors;
    mbedtls_ssl_conf_ca_chain(&e->conf, &anchors, NULL);
  } else if (at == MBEDTLS_SSL_CLIENT_CERTIFICATE && credentials && credentials->chainCount && e->key)
    result = lendChain(e, credentials);
  else if (isCertificateVerify(at) && e->key)
    result = sw_key_to_pk(e->key, &e->ownKey);
  if (!result && !sw_tls_output_for_state(e, at)) result = MBEDTLS_ERR_SSL_ALLOC_FAILED;
  if (!result) do result = mbedtls_ssl_handshake_step(&e->ssl);
    while (roomWasMade(e, &result));
  /* The library passes from the one to the other and back within a step. */
  int wasTicket = at == SW_TLS_STATE_TICKET ||
                  (at == MBEDTLS_SSL_SERVER_CHANGE_CIPHER_SPEC && state(e) == MBEDTLS_SSL_SERVER_CHANGE_CIPHER_SPEC);
  if (result == 0 && wasTicket) e->ticketIssued = 1;
  mbedtls_ssl_conf_ca_chain(&e->conf, NULL, NULL);
  e->verification.lists = NULL;
  e->verification.listCount = 0;
  e->verification.anchors = e->verification.top = e->verification.issuer = NULL;
  mbedtls_x509_crt_free(&anchors);
  takeChainBack(e, at == MBEDTLS_SSL_CLIENT_CERTIFICATE && credentials ? credentials->chainCount : 0);
  if (isCertificateVerify(at)) {
    mbedtls_pk_free(&e->ownKey);
    mbedtls_pk_init(&e->ownKey);
  }
  return result;
}

static size_t negotiatedFragment(const SwTLS* e) {
#ifndef MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
  size_t most = e->inputBuffer;
#elif MBEDTLS_VERSION_NUMBER < 0x03000000
  size_t most = mbedtls_ssl_get_input_max_frag_len(&e->ssl);
#else
  size_t most = (size_t)mbedtls_ssl_get_max_in_record_payload(&e->ssl);
#endif
  return most && most < e->inputBuffer ? most : e->inputBuffer;
}

/* The server's certificate was verified and its key used; nothing needs it any more. */
static void forgetPeer(SwTLS* e) {
#ifdef MBEDTLS_SSL_KEEP_PEER_CERTIFICATE
  mbedtls_ssl_session* session = e->ssl.MBEDTLS_PRIVATE(session);
  if (session && session->MBEDTLS_PRIVATE(peer_cert)) {
    mbedtls_x509_crt_free(session->MBEDTLS_PRIVATE(peer_cert));
    sw_tls_free_of_library(session->MBEDTLS_PRIVATE(peer_cert));
    session->MBEDTLS_PRIVATE(peer_cert) = NULL;
  }
#else
  (void)e;
#endif
}

static void opened(SwTLS* e) {
  int is13 = sw_tls_is13(e);
  int isResumed = !e->verification.called;
  if (isResumed && !is13 && e->records.extendedMasterSecret != e->offeredExtendedMasterSecret) {
    refuse(e, SW_FAILURE_EXTENDED_MASTER_SECRET, MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
    return;
  }
  e->open = 1;
  forgetPeer(e);
  sw_records_open(&e->records, is13 ? e->inputBuffer : negotiatedFragment(e), is13);
  sw_key_release(e->key);
  e->key = NULL;
  sw_memory_free(e->own);
  e->own = NULL;
  sw_tls_buffers_open(e);
  sw_tls_session_note(e);
}

static int isFailure(int result) {
  return result && result != MBEDTLS_ERR_SSL_WANT_READ && result != MBEDTLS_ERR_SSL_WANT_WRITE;
}

#if SW_TLS_RECLAIMS
static void watch(SwTLS* e) {
  sw_memory_watch(&e->step);
}

static void unwatch(SwTLS* e, int lacks) {
  sw_memory_unwatch();
  if (!lacks) sw_memory_let_go(&e->step);
}
#else
  #define watch(engine)
  #define unwatch(engine, lacks) ((void)(lacks))
#endif

int sw_tls_step(SwTLS* e, const SwCredentials* credentials) {
  if (!e->set || e->failure || e->peerClosed) return 0;
  if (e->ended && e->pending) sendOn(e);
  if (e->pending && !e->open) return 0;
  unsigned allocations = sw_memory_failures();
  if (e->open) {
    if (sw_tls_readable(e)) return 0;
    /* The next ticket would take the place of one that nobody has taken yet. */
    if (e->sessionDue) return 1;
    int goesOn = settle(e, readSome(e, NULL, 0), allocations);
    return goesOn && !sw_tls_readable(e);
  }
  double begin = now();
  int result, at;
  do {
    at = state(e);
    e->stepState = (uint8_t)at;
    watch(e);
    result = advance(e, credentials);
    unwatch(e, isFailure(result) && allocations != sw_memory_failures());
  } while (result == 0 && isSilent(at) && !mbedtls_ssl_is_handshake_over(&e->ssl));
  if (allocations != sw_memory_failures() || sw_key_store_is_full()) e->lacked = 1;
  double took = now() - begin;
  if (took > e->longestStep) e->longestStep = took;
  if (result == MBEDTLS_ERR_SSL_WANT_READ) return 0;
  if (result == MBEDTLS_ERR_SSL_WANT_WRITE) return 1;
  if (result && e->atEnd) sw_tls_fail(e, e->lacked ? SW_FAILURE_OUT_OF_MEMORY : SW_FAILURE_LOST);
  else if (result == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) e->peerClosed = 1;
  else if (result) sw_tls_fail_with(e, result, allocations);
  else if (mbedtls_ssl_is_handshake_over(&e->ssl)) opened(e);
  return !e->failure && !e->peerClosed;
}

unsigned sw_tls_status(SwTLS* e) {
  unsigned status = e->open ? SW_TLS_OPEN : 0;
  size_t readable = sw_tls_readable(e);
  if (readable) status |= SW_TLS_READABLE;
  if (e->pending || e->outboxCount || (e->goodbye && !e->goodbyeSaid)) status |= SW_TLS_UNSENT;
  if (e->failure) return status | SW_TLS_FAILED;
  if (e->sessionDue) status |= SW_TLS_SESSION;
  if (e->peerClosed) return readable ? status : status | SW_TLS_CLOSED;
  if ((e->ringCount && !e->partialHeader) || (e->ended && !e->atEnd) || (e->open && mbedtls_ssl_check_pending(&e->ssl))) status |= SW_TLS_WORK;
  return status;
}
