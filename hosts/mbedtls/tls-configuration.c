/* Checks the options of an engine and sets the library up for them. */
#include "crypto-backend.h"
#include "memory.h"
#include "random.h"
#include "mbedtls/platform_util.h"
#include "tls-engine.h"
#include <math.h>
#include <string.h>
#ifdef MBEDTLS_PSA_CRYPTO_C
  #include "psa/crypto.h"
#endif

#ifdef MBEDTLS_SSL_IN_CONTENT_LEN
  #define IN_CONTENT MBEDTLS_SSL_IN_CONTENT_LEN
  #define OUT_CONTENT MBEDTLS_SSL_OUT_CONTENT_LEN
#else
  #define IN_CONTENT MBEDTLS_SSL_MAX_CONTENT_LEN
  #define OUT_CONTENT MBEDTLS_SSL_MAX_CONTENT_LEN
#endif

/* Forward secrecy and authenticated encryption only; the library leaves out what it does not have. */
static const int suites[] = {
    0x1301, /* TLS_AES_128_GCM_SHA256 */
    0x1302, /* TLS_AES_256_GCM_SHA384 */
    0x1303, /* TLS_CHACHA20_POLY1305_SHA256 */
    0xC02B, /* ECDHE-ECDSA-AES128-GCM-SHA256 */
    0xC02F, /* ECDHE-RSA-AES128-GCM-SHA256 */
    0xC02C, /* ECDHE-ECDSA-AES256-GCM-SHA384 */
    0xC030, /* ECDHE-RSA-AES256-GCM-SHA384 */
    0xCCA9, /* ECDHE-ECDSA-CHACHA20-POLY1305 */
    0xCCA8, /* ECDHE-RSA-CHACHA20-POLY1305 */
    0xC0AC, /* ECDHE-ECDSA-AES128-CCM */
    0,
};

#if MBEDTLS_VERSION_NUMBER < 0x03000000
/* Also of the server's certificate. The defaults of 2.28 allow SHA-1. */
static const int hashes[] = {MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512, MBEDTLS_MD_NONE};
static const mbedtls_ecp_group_id curves[] = {
    MBEDTLS_ECP_DP_SECP256R1,
  #ifdef MBEDTLS_ECP_DP_CURVE25519_ENABLED
    MBEDTLS_ECP_DP_CURVE25519,
  #endif
  #ifdef MBEDTLS_ECP_DP_SECP384R1_ENABLED
    MBEDTLS_ECP_DP_SECP384R1,
  #endif
  #ifdef MBEDTLS_ECP_DP_SECP521R1_ENABLED
    MBEDTLS_ECP_DP_SECP521R1,
  #endif
    MBEDTLS_ECP_DP_NONE,
};
#endif

#if SW_TLS13
/*
 * For both versions in reach. The library offers RSA-PSS, as TLS 1.3 needs it, and 3.6.6 refuses it in the ServerKeyExchange of TLS 1.2: a server
 * that goes by our order must find PKCS#1, which TLS 1.3 does not know, before it.
 */
static const uint16_t signatures[] = {
    0x0403, /* ecdsa_secp256r1_sha256 */
  #ifdef MBEDTLS_ECP_DP_SECP384R1_ENABLED
    0x0503, /* ecdsa_secp384r1_sha384 */
  #endif
  #ifdef MBEDTLS_ECP_DP_SECP521R1_ENABLED
    0x0603, /* ecdsa_secp521r1_sha512 */
  #endif
    0x0401, 0x0501, 0x0601, /* rsa_pkcs1_sha256, 384, 512 */
  #ifdef MBEDTLS_X509_RSASSA_PSS_SUPPORT
    0x0804, 0x0805, 0x0806, /* rsa_pss_rsae_sha256, 384, 512 */
  #endif
    0,
};
#endif

static int isSamePublicKey(const mbedtls_pk_context* a, const mbedtls_pk_context* b) {
  enum { MOST = 1100 };
  int same = 0;
  unsigned char* bytes = sw_memory_calloc(2, MOST);
  if (!bytes) return -1;
  int sizeA = mbedtls_pk_write_pubkey_der((mbedtls_pk_context*)a, bytes, MOST);
  int sizeB = mbedtls_pk_write_pubkey_der((mbedtls_pk_context*)b, bytes + MOST, MOST);
  if (sizeA > 0 && sizeA == sizeB) same = memcmp(bytes + MOST - sizeA, bytes + 2 * MOST - sizeB, (size_t)sizeA) == 0;
  sw_memory_free(bytes);
  return same;
}

/* One certificate at a time, before the library's buffers are there. */
static SwFailure checkCertificate(const SwView* view, const SwKey* key) {
  mbedtls_x509_crt certificate;
  unsigned allocations = sw_memory_failures();
  mbedtls_x509_crt_init(&certificate);
  SwFailure failure = SW_FAILURE_NONE;
  if (mbedtls_x509_crt_parse_der_nocopy(&certificate, view->bytes, view->size) || certificate.raw.len != view->size)
    failure = SW_FAILURE_CERTIFICATE_UNREADABLE;
  else if (key) {
    mbedtls_pk_context pk;
    mbedtls_pk_init(&pk);
    if (sw_key_to_pk(key, &pk)) failure = SW_FAILURE_KEY;
    else if (isSamePublicKey(&pk, &certificate.pk) != 1) failure = SW_FAILURE_KEY_MISMATCH;
    mbedtls_pk_free(&pk);
  }
  mbedtls_x509_crt_free(&certificate);
  return failure && (allocations != sw_memory_failures() || sw_key_store_is_full()) ? SW_FAILURE_OUT_OF_MEMORY : failure;
}

/* Head and length; TLS 1.3 adds a context, and empty extensions to each certificate. */
size_t sw_tls_own_message(const SwCredentials* credentials) {
  size_t size = 4 + 3 + 1;
  for (unsigned i = 0; i < credentials->chainCount; i++) size += 3 + 2 + credentials->chain[i].size;
  return size;
}

static SwFailure checkCredentials(const SwTLSOptions* options, const SwCredentials* credentials, size_t* message) {
  SwFailure failure = SW_FAILURE_NONE;
  for (unsigned i = 0; !failure && i < credentials->anchorCount; i++) failure = checkCertificate(&credentials->anchors[i], NULL);
  for (unsigned i = 0; !failure && i < credentials->listCount; i++)
    if (!sw_revocation_is_list(credentials->lists[i])) failure = SW_FAILURE_LIST_UNREADABLE;
  *message = sw_tls_own_message(credentials);
  for (unsigned i = 0; !failure && i < credentials->chainCount; i++)
    failure = checkCertificate(&credentials->chain[i], i == 0 ? options->key : NULL);
  if (!failure && credentials->chainCount && *message > OUT_CONTENT) failure = SW_FAILURE_CHAIN_TOO_LARGE;
  return failure;
}

/*
 * Asks the server for records that fit: the smallest legal length that is not below what is wanted, and that holds our Certificate message,
 * for the library does not cut its own messages up. When nothing is wanted, the largest that fits the input buffer; nothing at all when any
 * record does. The library refuses lengths above either of its buffers. 2.28 cannot put a server's message together again, so it asks for no
 * less than 4096. What both buffers cannot hold is brought down to the largest that they do. With TLS 1.3 in reach 3.6 must not ask: a server that answers in EncryptedExtensions, as it may, is refused by the library.
 */
static void setFragmentLength(SwTLS* e, size_t wanted, size_t message, int maximumVersion) {
#ifdef MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
  static const struct {
    size_t length;
    unsigned char code;
  } legal[] = {{512, MBEDTLS_SSL_MAX_FRAG_LEN_512},
               {1024, MBEDTLS_SSL_MAX_FRAG_LEN_1024},
               {2048, MBEDTLS_SSL_MAX_FRAG_LEN_2048},
               {4096, MBEDTLS_SSL_MAX_FRAG_LEN_4096}};
  if (SW_TLS13 && maximumVersion > 2) return;
  if (e->inputBuffer >= 16384 && (wanted == 0 || MBEDTLS_VERSION_NUMBER < 0x03000000)) return;
  if (wanted && wanted < message) wanted = message;
  if (MBEDTLS_VERSION_NUMBER < 0x03000000) wanted = 4096;
  for (unsigned i = 0; wanted && i < 4; i++)
    if (legal[i].length >= wanted && mbedtls_ssl_conf_max_frag_len(&e->conf, legal[i].code) == 0) return;
  for (unsigned i = 4; i > 0; i--)
    if (legal[i - 1].length <= e->inputBuffer && mbedtls_ssl_conf_max_frag_len(&e->conf, legal[i - 1].code) == 0) return;
#else
  (void)e, (void)wanted, (void)message, (void)maximumVersion;
#endif
}

static SwFailure setVersions(SwTLS* e, const SwTLSOptions* options) {
  int most = SW_TLS13 ? 3 : 2;
  if (options->minimumVersion > most) return SW_FAILURE_VERSION_ABSENT;
  if (options->maximumVersion < most) most = options->maximumVersion;
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
  static const mbedtls_ssl_protocol_version versions[] = {MBEDTLS_SSL_VERSION_TLS1_2, MBEDTLS_SSL_VERSION_TLS1_3};
  mbedtls_ssl_conf_min_tls_version(&e->conf, versions[options->minimumVersion - 2]);
  mbedtls_ssl_conf_max_tls_version(&e->conf, versions[most - 2]);
  #if SW_TLS13
  if (options->minimumVersion == 2 && most == 3) mbedtls_ssl_conf_sig_algs(&e->conf, signatures);
  #endif
  #if SW_TLS13 && MBEDTLS_VERSION_NUMBER < 0x04000000
  /* 4.0 always tells of them. */
  mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(&e->conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
  #endif
#else
  mbedtls_ssl_conf_min_version(&e->conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
  mbedtls_ssl_conf_max_version(&e->conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
  mbedtls_ssl_conf_sig_hashes(&e->conf, hashes);
  mbedtls_ssl_conf_curves(&e->conf, curves);
#endif
  return SW_FAILURE_NONE;
}

static int setProtocols(SwTLS* e, const SwTLSOptions* options) {
  if (options->protocolsSize == 0) return 0;
  e->protocols = sw_memory_calloc(1, options->protocolsSize + 2);
  if (!e->protocols) return MBEDTLS_ERR_SSL_ALLOC_FAILED;
  memcpy(e->protocols, options->protocols, options->protocolsSize);
  for (size_t i = 0; i < options->protocolsSize; i++)
    if (e->protocols[i] == '\n') e->protocols[i] = 0;
  unsigned count = 0;
  for (char* name = e->protocols; *name && count < SW_TLS_MAXIMUM_PROTOCOLS; name += strlen(name) + 1) e->protocolList[count++] = name;
  return mbedtls_ssl_conf_alpn_protocols(&e->conf, e->protocolList);
}

static int setUp(SwTLS* e, const SwTLSOptions* options) {
  int error = setProtocols(e, options);
  if (!error) error = mbedtls_ssl_setup(&e->ssl, &e->conf);
  if (!error && !sw_tls_buffers_begin(e)) error = MBEDTLS_ERR_SSL_ALLOC_FAILED;
  uint8_t address[16];
  const char* name = sw_x509_address(options->serverName, address) ? NULL : options->serverName;
  /* Sent as SNI. What the library compares it with is of no account: see tls-x509.c. */
  if (!error) error = mbedtls_ssl_set_hostname(&e->ssl, name);
  if (error) return error;
  mbedtls_ssl_set_bio(&e->ssl, e, sw_tls_on_send, sw_tls_on_receive, NULL);
  if (options->session) sw_tls_session_offer(e, options->session, options->sessionSize);
  return 0;
}

static void setVerification(SwTLS* e, const SwTLSOptions* options) {
  SwVerification* v = &e->verification;
  v->earliest = options->earliest;
  v->latest = options->latest;
  v->notAfter = v->nextUpdate = INFINITY;
  v->notBefore = -INFINITY;
  v->revocation = options->revocation;
  mbedtls_ssl_conf_authmode(&e->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_verify(&e->conf, sw_x509_on_certificate, v);
  mbedtls_ssl_conf_cert_profile(&e->conf, &sw_x509_profile);
}

SwFailure sw_tls_configure(SwTLS* e, const SwTLSOptions* options, const SwCredentials* credentials) {
  size_t message;
#if SW_TLS13 || MBEDTLS_VERSION_NUMBER >= 0x04000000
  /* 4.0 wants it to read a certificate. */
  if (psa_crypto_init()) return SW_FAILURE_OUT_OF_MEMORY;
#endif
  SwFailure failure = checkCredentials(options, credentials, &message);
  if (failure) return failure;
  e->ownMessage = message;
  unsigned allocations = sw_memory_failures();
  size_t nameSize = strlen(options->serverName) + 1;
  e->verification.serverName = sw_memory_calloc(1, nameSize);
  if (!e->verification.serverName ||
      mbedtls_ssl_config_defaults(&e->conf, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT))
    return SW_FAILURE_OUT_OF_MEMORY;
  memcpy(e->verification.serverName, options->serverName, nameSize);
  e->inputBuffer = options->inputBuffer < IN_CONTENT ? options->inputBuffer : IN_CONTENT;
  sw_records_begin(&e->records, e->inputBuffer);
#if MBEDTLS_VERSION_NUMBER < 0x04000000
  mbedtls_ssl_conf_rng(&e->conf, sw_random, NULL);
#endif
  mbedtls_ssl_conf_ciphersuites(&e->conf, suites);
#ifdef MBEDTLS_SSL_SESSION_TICKETS
  /* The library asks unless it is told not to. Of TLS 1.2 alone: 1.3 has nothing else. */
  if (!options->tickets) mbedtls_ssl_conf_session_tickets(&e->conf, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
#endif
#ifdef MBEDTLS_SSL_RENEGOTIATION
  mbedtls_ssl_conf_renegotiation(&e->conf, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
  setVerification(e, options);
  setFragmentLength(e, options->fragmentLength, credentials->chainCount ? message : 0, options->maximumVersion);
  failure = setVersions(e, options);
  if (failure) return failure;
  e->offeredExtendedMasterSecret = (uint8_t)options->sessionExtendedMasterSecret;
  if (credentials->chainCount && options->key) e->key = sw_key_retain(options->key);
  int error = setUp(e, options);
  /* Also of a session that could not be read for want of memory: a full handshake would want more of it. */
  if (error || allocations != sw_memory_failures()) {
    sw_tls_fail_with(e, error, allocations);
    return (SwFailure)e->failure;
  }
  return SW_FAILURE_NONE;
}

SwTLS* sw_tls_create(const SwTLSOptions* options, const SwCredentials* credentials) {
  SwTLS* e = sw_memory_calloc(1, sizeof *e);
  if (!e) return NULL;
  mbedtls_ssl_init(&e->ssl);
  mbedtls_ssl_config_init(&e->conf);
  mbedtls_pk_init(&e->ownKey);
  SwFailure failure = sw_tls_configure(e, options, credentials);
  if (failure) sw_tls_fail(e, failure);
  else e->set = 1;
  return e;
}

void sw_tls_destroy(SwTLS* e) {
  if (!e) return;
  /* 3.6 forgets it when it runs out of memory while it is set up, and then misses it. */
  if (!e->ssl.MBEDTLS_PRIVATE(conf)) e->ssl.MBEDTLS_PRIVATE(conf) = &e->conf;
  mbedtls_ssl_free(&e->ssl);
  mbedtls_ssl_config_free(&e->conf);
  mbedtls_pk_free(&e->ownKey);
  sw_key_release(e->key);
  sw_memory_free(e->own);
  sw_memory_free(e->protocols);
  sw_memory_free(e->verification.serverName);
#if SW_TLS_RECLAIMS
  sw_memory_reclaim(&e->step);
#endif
  mbedtls_platform_zeroize(e, sizeof *e);
  sw_memory_free(e);
}
