/* Sessions: offered, looked at, and written out. */
#include "memory.h"
#include "mbedtls/platform.h"
#include "mbedtls/platform_util.h"
#include "tls-engine.h"

/* The archives of a distribution have their `free` renamed, its headers do not know it. */
void sw_tls_free_of_library(void* block) {
  if (sw_memory_watched()) sw_memory_free(block);
  else mbedtls_free(block);
}

void* sw_tls_calloc_of_library(size_t size) {
  return sw_memory_watched() ? sw_memory_calloc(1, size) : mbedtls_calloc(1, size);
}

/*
 * The library tells the age of a ticket of TLS 1.3 by mbedtls_ms_time(), and offers none whose age is below zero: on the ESP32 that clock begins anew
 * after a deep sleep. Outside of the engine, the time at which a ticket came is therefore told by the host's clock, which runs through it.
 */
#if SW_TLS13 && defined(MBEDTLS_HAVE_TIME) && defined(MBEDTLS_SSL_SESSION_TICKETS)
  #include "mbedtls/platform_time.h"

static void shiftReception(mbedtls_ssl_session* session, int64_t by) {
  if (session->MBEDTLS_PRIVATE(tls_version) == MBEDTLS_SSL_VERSION_TLS1_3) session->MBEDTLS_PRIVATE(ticket_reception_time) += by;
}

static int64_t hostAhead(void) {
  return sw_clock() - (int64_t)mbedtls_ms_time();
}

/* The library computes the age unchecked, of whatever lay in flash. */
static int isOfPast(const mbedtls_ssl_session* session) {
  int64_t came;
  if (session->MBEDTLS_PRIVATE(tls_version) != MBEDTLS_SSL_VERSION_TLS1_3) return 1;
  came = (int64_t)session->MBEDTLS_PRIVATE(ticket_reception_time);
  return came >= 0 && came <= sw_clock();
}
#else
  #define shiftReception(session, by) ((void)0)
  #define isOfPast(session) 1
#endif

/* With one that cannot be read the handshake is full, without an error. */
void sw_tls_session_offer(SwTLS* e, const uint8_t* bytes, size_t size) {
  mbedtls_ssl_session session;
  if (size == 0 || size > SW_TLS_MAXIMUM_SESSION) return;
  mbedtls_ssl_session_init(&session);
  if (mbedtls_ssl_session_load(&session, bytes, size) == 0 && isOfPast(&session)) {
    shiftReception(&session, -hostAhead());
    mbedtls_ssl_set_session(&e->ssl, &session);
  }
  mbedtls_ssl_session_free(&session);
}

static mbedtls_ssl_session* sessionOf(const SwTLS* e) {
  return e->open ? e->ssl.MBEDTLS_PRIVATE(session) : NULL;
}

static void forgetTicket(mbedtls_ssl_session* session) {
  unsigned char* ticket = session->MBEDTLS_PRIVATE(ticket);
  if (!ticket) return;
  mbedtls_platform_zeroize(ticket, session->MBEDTLS_PRIVATE(ticket_len));
  sw_tls_free_of_library(ticket);
  session->MBEDTLS_PRIVATE(ticket) = NULL;
  session->MBEDTLS_PRIVATE(ticket_len) = 0;
}

/* A resumed handshake of TLS 1.2 makes nothing new, unless the server sent another ticket. */
void sw_tls_session_note(SwTLS* e) {
  mbedtls_ssl_session* session = sessionOf(e);
  if (!session || e->failure) return;
  int hasTicket = session->MBEDTLS_PRIVATE(ticket_len) > 0;
  if (sw_tls_is13(e)) e->sessionDue = e->ticketIssued && hasTicket && session->MBEDTLS_PRIVATE(ticket_lifetime) > 0;
  else if (e->ticketIssued) e->sessionDue = (uint8_t)hasTicket;
  else e->sessionDue = e->verification.called && session->MBEDTLS_PRIVATE(id_len) > 0;
  e->ticketIssued = 0;
  if (!e->sessionDue) forgetTicket(session);
}

size_t sw_tls_session_size(SwTLS* e) {
  const mbedtls_ssl_session* session = sessionOf(e);
  size_t size = 0;
  if (!session || !e->sessionDue) return 0;
  mbedtls_ssl_session_save(session, NULL, 0, &size);
  return size <= SW_TLS_MAXIMUM_SESSION ? size : 0;
}

/* Who has it written out needs the ticket here no longer. */
int sw_tls_session_take(SwTLS* e, uint8_t* target, size_t size) {
  mbedtls_ssl_session* session = sessionOf(e);
  size_t written = 0;
  e->sessionDue = 0;
  if (!session) return 0;
  shiftReception(session, hostAhead());
  if (mbedtls_ssl_session_save(session, target, size, &written) || written != size) return 0;
  forgetTicket(session);
  return 1;
}

double sw_tls_session_lifetime(const SwTLS* e) {
  const mbedtls_ssl_session* session = sessionOf(e);
  if (!session || !session->MBEDTLS_PRIVATE(ticket_len) || !session->MBEDTLS_PRIVATE(ticket_lifetime)) return -1;
  return session->MBEDTLS_PRIVATE(ticket_lifetime) * 1000.0;
}
