/*
 * A TLS client without I/O over Mbed TLS 2.28 and 3.6: ciphertext in by `feed`, out by `drain`, one handshake message per `step`.
 * Knows nothing of JavaScript; tls-natives.c joins the two.
 *
 * Memory, all of it counted by memory.h: this record with its ring of input, the library's own context and two buffers. There is no ring of
 * output: what is large waits in the library's output buffer until `drain` hands it out, and nothing more is made until then.
 */
#ifndef SEALWIRE_TLS_ENGINE_H
#define SEALWIRE_TLS_ENGINE_H

#include "key.h"
#include "memory.h"
#include "mbedtls/ssl.h"
#include "mbedtls/version.h"
#include "tls-records.h"
#include "tls-x509.h"
#include <stddef.h>
#include <stdint.h>

/* Fields that 3.x calls private, and 2.28 did not. */
#ifndef MBEDTLS_PRIVATE
  #define MBEDTLS_PRIVATE(member) member
#endif
#if MBEDTLS_VERSION_NUMBER >= 0x03000000 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
  #define SW_TLS13 1
#else
  #define SW_TLS13 0
#endif

#if MBEDTLS_VERSION_NUMBER < 0x03000000
  #define mbedtls_ssl_is_handshake_over(context) ((context)->state == MBEDTLS_SSL_HANDSHAKE_OVER)
#endif

/* The state in which a ticket of TLS 1.2 is read. */
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  #define SW_TLS_STATE_TICKET MBEDTLS_SSL_NEW_SESSION_TICKET
#else
  #define SW_TLS_STATE_TICKET MBEDTLS_SSL_SERVER_NEW_SESSION_TICKET
#endif

/*
 * 3.6 and 4.0 forget the ciphers of a transform of TLS 1.3, keys in them, when memory ends while they make it
 * (mbedtls_ssl_tls13_compute_handshake_transform). What a step that ended so allocated is freed with the engine. A key store that grows on
 * demand allocates for good in any step, and so does the library's own pool of entropy, whenever the generator is reseeded: then that is left
 * alone. With MBEDTLS_PSA_DRIVER_GET_ENTROPY the host ends the watch of a step in which it is asked for entropy.
 */
#if SW_TLS13 && !defined(MBEDTLS_PSA_KEY_STORE_DYNAMIC) && \
    (defined(MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG) || defined(MBEDTLS_PSA_DRIVER_GET_ENTROPY))
  #define SW_TLS_RECLAIMS 1
#else
  #define SW_TLS_RECLAIMS 0
#endif

/*
 * What is sent waits here when it is small: an alert must be taken at once (3.6 makes it anew at every attempt), and the last messages of a
 * handshake may leave together.
 */
#define SW_TLS_OUTBOX 72
/* Ciphertext that waits to be processed. The library collects a record in its own buffer, so a small ring is enough. */
#define SW_TLS_RING 256
#define SW_TLS_MAXIMUM_ANCHORS 16
#define SW_TLS_MAXIMUM_LISTS 16
#define SW_TLS_MAXIMUM_CHAIN 8
#define SW_TLS_MAXIMUM_PROTOCOLS 8
#define SW_TLS_MAXIMUM_SESSION 16384

/* Bits of sw_tls_status. */
enum {
  SW_TLS_OPEN = 1,
  SW_TLS_READABLE = 2,
  /* A session waits to be taken. */
  SW_TLS_SESSION = 4,
  /* The peer said goodbye, and everything before it was read. */
  SW_TLS_CLOSED = 8,
  SW_TLS_FAILED = 16,
  SW_TLS_UNSENT = 32,
  /* A step may find something to do. */
  SW_TLS_WORK = 64,
};

/* Certificates and lists, borrowed for one call: they lie in the memory of JavaScript. */
typedef struct {
  SwView anchors[SW_TLS_MAXIMUM_ANCHORS];
  SwView lists[SW_TLS_MAXIMUM_LISTS];
  SwView chain[SW_TLS_MAXIMUM_CHAIN];
  unsigned anchorCount, listCount, chainCount;
} SwCredentials;

typedef struct {
  /* A name or an IP address. */
  const char* serverName;
  /* Protocols of ALPN with a line feed between them. */
  const char* protocols;
  size_t protocolsSize;
  SwRevocation revocation;
  /* 2 or 3: TLS 1.2 or 1.3. */
  int minimumVersion, maximumVersion;
  size_t inputBuffer;
  /* 0 when the caller did not ask. */
  size_t fragmentLength;
  double earliest, latest;
  /* NULL when there is no client certificate; kept by the engine. */
  SwKey* key;
  const uint8_t* session;
  size_t sessionSize;
  int sessionExtendedMasterSecret;
  /* Whether TLS 1.2 asks for tickets. */
  int tickets;
} SwTLSOptions;

typedef struct {
  mbedtls_ssl_context ssl;
  mbedtls_ssl_config conf;
  const char* protocolList[SW_TLS_MAXIMUM_PROTOCOLS + 1];
  char* protocols;
  /* While the handshake may still want them: our certificates, and the key, parsed for the one message that needs it. */
  mbedtls_x509_crt* own;
  mbedtls_pk_context ownKey;
  SwKey* key;
  SwVerification verification;
  SwRecords records;
#if SW_TLS_RECLAIMS
  SwMemoryRing step;
#endif
  /* Only during a call of `drain`. */
  uint8_t* target;
  size_t targetRoom;
  /* What the library wanted to send and could not. */
  size_t pending;
  /* Of the library's buffers: what it made them for, and the size that the record which comes needs (0: it fits). */
  size_t fullInput, fullOutput, inputNeeded;
  /* Of our Certificate message: what the library writes is bounded by the buffer that it made, not by the one that it has. */
  size_t ownMessage;
  size_t inputBuffer;
  uint16_t ringBegin, ringCount;
  uint8_t ring[SW_TLS_RING];
  uint8_t outbox[SW_TLS_OUTBOX];
  uint8_t outboxCount, ownCount;
  uint8_t offeredExtendedMasterSecret, ticketIssued;
  /* An allocation failed, or there was no slot for a key, in a step of the handshake, and the library went on: what goes wrong later comes of it. */
  uint8_t lacked;
  /* The state of the library before the step that is under way, or was the last. */
  uint8_t stepState;
  /* What the ring holds is a part of a record's header. */
  uint8_t partialHeader;
  uint8_t set, open, ended, atEnd, peerClosed, sessionDue;
  uint8_t goodbye : 1, goodbyeSaid : 1;
  /* Of the failure: what happened, the alert that came, the library's own number. */
  uint8_t failure, alert;
  int error;
  double longestStep;
} SwTLS;

/* Of the host: milliseconds. Runs through deep sleep where the chip has such a clock. */
int64_t sw_clock(void);

/* Never NULL but for want of memory; `failure` is set when the options cannot be used. */
SwTLS* sw_tls_create(const SwTLSOptions* options, const SwCredentials* credentials);
void sw_tls_destroy(SwTLS* engine);
size_t sw_tls_feed(SwTLS* engine, const uint8_t* bytes, size_t size);
size_t sw_tls_drain(SwTLS* engine, uint8_t* target, size_t size);
size_t sw_tls_read(SwTLS* engine, uint8_t* target, size_t size);
size_t sw_tls_write(SwTLS* engine, const uint8_t* bytes, size_t size);
size_t sw_tls_readable(SwTLS* engine);
size_t sw_tls_writable(SwTLS* engine);
/* Whether the next step will want the credentials. */
int sw_tls_wants_credentials(const SwTLS* engine);
/* @returns whether there is more to do at once */
int sw_tls_step(SwTLS* engine, const SwCredentials* credentials);
void sw_tls_end(SwTLS* engine);
unsigned sw_tls_status(SwTLS* engine);

/* tls-session.c: the session of an open connection. */
size_t sw_tls_session_size(SwTLS* engine);
/* Writes it and forgets it. @returns whether that went well */
int sw_tls_session_take(SwTLS* engine, uint8_t* target, size_t size);
/* Milliseconds, or -1 when the server did not say. */
double sw_tls_session_lifetime(const SwTLS* engine);
void sw_tls_session_offer(SwTLS* engine, const uint8_t* bytes, size_t size);
/* Looks at what the connection gave; called once it is open, and whenever a ticket came. */
void sw_tls_session_note(SwTLS* engine);
int sw_tls_is13(const SwTLS* engine);

/* Frees a block that the library allocated; allocates one that it will free. */
void sw_tls_free_of_library(void* block);
void* sw_tls_calloc_of_library(size_t size);

/* tls-buffers.c. Those with a result @return whether there was memory, but for `fits`: whether this body of a record has room now. */
int sw_tls_buffers_begin(SwTLS* engine);
int sw_tls_input_fits(SwTLS* engine, size_t body);
int sw_tls_grow_input(SwTLS* engine);
int sw_tls_output_for(SwTLS* engine, size_t content);
int sw_tls_output_for_state(SwTLS* engine, int state);
void sw_tls_buffers_open(SwTLS* engine);

/* tls-configuration.c: the length of our Certificate message. */
size_t sw_tls_own_message(const SwCredentials* credentials);
/* @returns 0, or the failure of options that cannot be used */
SwFailure sw_tls_configure(SwTLS* engine, const SwTLSOptions* options, const SwCredentials* credentials);
int sw_tls_on_receive(void* context, unsigned char* target, size_t size);
int sw_tls_on_send(void* context, const unsigned char* bytes, size_t size);

/* tls-failure.c */
void sw_tls_fail(SwTLS* engine, SwFailure failure);
/* Makes a failure of an error of the library; `allocations`: failed allocations before the call. */
void sw_tls_fail_with(SwTLS* engine, int error, unsigned allocations);

#endif
