/*
 * The library's two record buffers, as large as what passes through them and no larger.
 *
 * The library makes both for the largest record, when the connection begins, and lets them shrink at most once. Here the one for input begins
 * small and grows to each record whose header came: the library reads a header by itself, and is not given one before there is room for what
 * follows. The one for output is large while ClientHello and our Certificate message are made, and as large as the largest write since
 * the handshake. Espressif's port does the same by wrapping functions of the library.
 *
 * Where the library cannot change its buffers (MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH is off) all this does nothing.
 */
#include "memory.h"
#include "mbedtls/platform.h"
#include "mbedtls/platform_util.h"
#include "tls-engine.h"
#include <string.h>

#ifdef MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH

/* The counter of records in front of the first record, and its header. */
enum { COUNTER = 8, HEADER = 5, HEAD = COUNTER + HEADER };
/* Around the content of a record: explicit IV, tag, type and padding of TLS 1.3. */
enum { EXPANSION = 16 + 16 + 1 + 16 };
enum { SMALLEST_INPUT = HEAD + 256 };
/* The largest other message of ours is CertificateVerify: an RSA signature with its algorithm and length. */
  #ifdef MBEDTLS_MPI_MAX_SIZE
enum { LARGEST_SIGNATURE = MBEDTLS_MPI_MAX_SIZE };
  #else
enum { LARGEST_SIGNATURE = 1024 };
  #endif
enum { SMALLEST_OUTPUT = HEAD + EXPANSION + LARGEST_SIGNATURE + 64 };

typedef struct {
  unsigned char** buffer;
  size_t* size;
  unsigned char** pointers[6];
} Buffer;

  #define FIELD(name) (&e->ssl.MBEDTLS_PRIVATE(name))
  #if defined(MBEDTLS_SSL_DTLS_CONNECTION_ID)
    #error "The engine is for TLS: MBEDTLS_SSL_DTLS_CONNECTION_ID must be off."
  #endif

static Buffer input(SwTLS* e) {
  return (Buffer){FIELD(in_buf), FIELD(in_buf_len), {FIELD(in_ctr), FIELD(in_hdr), FIELD(in_len), FIELD(in_iv), FIELD(in_msg), FIELD(in_offt)}};
}

static Buffer output(SwTLS* e) {
  return (Buffer){FIELD(out_buf), FIELD(out_buf_len), {FIELD(out_ctr), FIELD(out_hdr), FIELD(out_len), FIELD(out_iv), FIELD(out_msg), NULL}};
}

/* Only between two calls of the library. @returns whether there was memory */
static int resize(Buffer which, size_t size) {
  unsigned char *old = *which.buffer, *made = sw_tls_calloc_of_library(size);
  if (!made) return 0;
  memcpy(made, old, size < *which.size ? size : *which.size);
  for (int i = 0; i < 6; i++)
    if (which.pointers[i] && *which.pointers[i]) *which.pointers[i] = made + (*which.pointers[i] - old);
  mbedtls_platform_zeroize(old, *which.size);
  *which.buffer = made;
  *which.size = size;
  sw_tls_free_of_library(old);
  return 1;
}

static size_t atMost(size_t size, size_t most) {
  return size < most ? size : most;
}

int sw_tls_buffers_begin(SwTLS* e) {
  e->fullInput = *FIELD(in_buf_len);
  e->fullOutput = *FIELD(out_buf_len);
  return resize(input(e), atMost(SMALLEST_INPUT, e->fullInput));
}

/*
 * For the record whose header waits in the ring. The rest of a handshake message that is cut into several records is put behind the
 * first part, by 3.6: room is made for all of it at once, and behind the first part for the header of the next, which the library refuses to
 * read where there is none.
 */
int sw_tls_input_fits(SwTLS* e, size_t body) {
  size_t at = (size_t)(*FIELD(in_hdr) - *FIELD(in_buf));
  /* Behind it the next header: the library wants room for that before it asks for a byte of it. */
  size_t need = at + HEADER + body + HEADER;
  if (at > COUNTER && need < HEAD + *FIELD(in_hslen) + HEADER) need = HEAD + *FIELD(in_hslen) + HEADER;
  need = atMost(need, e->fullInput);
  e->inputNeeded = need > *FIELD(in_buf_len) ? need : 0;
  return e->inputNeeded == 0;
}

int sw_tls_grow_input(SwTLS* e) {
  size_t need = e->inputNeeded;
  e->inputNeeded = 0;
  return resize(input(e), need);
}

int sw_tls_output_for(SwTLS* e, size_t content) {
  size_t need = atMost(HEAD + EXPANSION + content, e->fullOutput);
  return need <= *FIELD(out_buf_len) || resize(output(e), need);
}

/* PSA fills what is left of its output, or copies all of it, and the library tells it that there is room for the largest record. */
static int isMadeByPSA(int state) {
  #if MBEDTLS_VERSION_NUMBER >= 0x04000000 || defined(MBEDTLS_USE_PSA_CRYPTO)
    #if SW_TLS13
  if (state == MBEDTLS_SSL_CLIENT_CERTIFICATE_VERIFY) return 1;
    #endif
  return state == MBEDTLS_SSL_CLIENT_KEY_EXCHANGE;
  #else
  (void)state;
  return 0;
  #endif
}

/* For the message that the library makes in this state. It shrinks only when everything has left that was made before. */
int sw_tls_output_for_state(SwTLS* e, int state) {
  size_t smallest = atMost(SMALLEST_OUTPUT, e->fullOutput);
  if (state == MBEDTLS_SSL_HELLO_REQUEST) return 1;
  if (state == MBEDTLS_SSL_CLIENT_HELLO || isMadeByPSA(state))
    return *FIELD(out_buf_len) == e->fullOutput || resize(output(e), e->fullOutput);
  if (state == MBEDTLS_SSL_CLIENT_CERTIFICATE) return sw_tls_output_for(e, e->ownMessage);
  return *FIELD(out_left) || *FIELD(out_buf_len) <= smallest || resize(output(e), smallest);
}

/* The handshake is over: what its largest message needed is given back, unless something of it is still to be looked at. */
void sw_tls_buffers_open(SwTLS* e) {
  if (*FIELD(in_left) == 0 && *FIELD(in_offt) == NULL && *FIELD(in_hslen) >= *FIELD(in_msglen) && *FIELD(in_hdr) == *FIELD(in_buf) + COUNTER &&
      *FIELD(in_buf_len) > SMALLEST_INPUT)
    resize(input(e), SMALLEST_INPUT);
}

#else

int sw_tls_buffers_begin(SwTLS* e) {
  (void)e;
  return 1;
}

int sw_tls_input_fits(SwTLS* e, size_t body) {
  (void)e, (void)body;
  return 1;
}

int sw_tls_grow_input(SwTLS* e) {
  (void)e;
  return 1;
}

int sw_tls_output_for(SwTLS* e, size_t content) {
  (void)e, (void)content;
  return 1;
}

int sw_tls_output_for_state(SwTLS* e, int state) {
  (void)e, (void)state;
  return 1;
}

void sw_tls_buffers_open(SwTLS* e) {
  (void)e;
}

#endif
