/* What goes wrong inside Mbed TLS, in the words of the contract. */
#include "memory.h"
#include "mbedtls/error.h"
#include "mbedtls/platform_util.h"
#include "tls-engine.h"

/* 2.28 and 3.x have different names for these, and the same numbers. */
enum { BAD_VERSION = -0x6E80, BAD_CERTIFICATE = -0x7A00 };
enum { ALERT_PROTOCOL_VERSION = 70 };

void sw_tls_fail(SwTLS* e, SwFailure failure) {
  if (e->failure) return;
  e->failure = (uint8_t)failure;
  e->sessionDue = 0;
  e->goodbye = 0;
  mbedtls_platform_zeroize(e->ring, sizeof e->ring);
  e->ringCount = 0;
}

static int isOutOfMemory(int error) {
#if MBEDTLS_VERSION_NUMBER >= 0x04000000
  return error == PSA_ERROR_INSUFFICIENT_MEMORY;
#else
  switch (error) {
    case MBEDTLS_ERR_SSL_ALLOC_FAILED:
    case MBEDTLS_ERR_X509_ALLOC_FAILED:
    case MBEDTLS_ERR_PK_ALLOC_FAILED:
    case MBEDTLS_ERR_ECP_ALLOC_FAILED:
    case MBEDTLS_ERR_MD_ALLOC_FAILED:
    case MBEDTLS_ERR_MPI_ALLOC_FAILED:
    case MBEDTLS_ERR_CIPHER_ALLOC_FAILED:
    case MBEDTLS_ERR_ASN1_ALLOC_FAILED: return 1;
    default: return 0;
  }
#endif
}

/* Errors of X.509 are a sum: a module's high part and the low part of ASN.1. */
static int isX509(int error, int part) {
  int high = -(-error & 0x7f80);
  return high == part;
}

static SwFailure ofCertificate(SwTLS* e, int error) {
  SwVerification* v = &e->verification;
  if (v->failure) return (SwFailure)v->failure;
  if (isX509(error, MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG) || isX509(error, MBEDTLS_ERR_X509_INVALID_ALG)) {
    sw_x509_report(v, SW_FAILURE_UNSUITABLE, SW_DETAIL_ALGORITHM, 0);
  } else if (isX509(error, MBEDTLS_ERR_PK_UNKNOWN_PK_ALG) || isX509(error, MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE) ||
             isX509(error, MBEDTLS_ERR_PK_INVALID_PUBKEY)) {
    sw_x509_report(v, SW_FAILURE_UNSUITABLE, SW_DETAIL_KEY, 0);
  } else if (isX509(error, MBEDTLS_ERR_X509_INVALID_EXTENSIONS) || isX509(error, MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE)) {
    sw_x509_report(v, SW_FAILURE_UNSUITABLE, SW_DETAIL_EXTENSION, 0);
  } else if (error == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED || error == BAD_CERTIFICATE) {
    /* The library refused it after our callback: the curve of its key, or its use. */
    sw_x509_report(v, SW_FAILURE_UNSUITABLE, SW_DETAIL_KEY, 0);
  } else
    sw_x509_report(v, SW_FAILURE_UNTRUSTED, SW_DETAIL_NONE, 0);
  return (SwFailure)v->failure;
}

/* 3.6 says "bad input" of a message that does not fit its buffer. */
static int isTooLarge(int error) {
  return error == MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE || error == MBEDTLS_ERR_SSL_BAD_INPUT_DATA || error == MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
}

void sw_tls_fail_with(SwTLS* e, int error, unsigned allocations) {
  if (e->failure) return;
  e->error = error;
  /* First: want of memory reads as a bad signature, or as anything else. */
  if (e->lacked || allocations != sw_memory_failures() || isOutOfMemory(error)) {
    sw_tls_fail(e, SW_FAILURE_OUT_OF_MEMORY);
    return;
  }
  if (error == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
    e->alert = e->ssl.MBEDTLS_PRIVATE(in_msg) ? e->ssl.MBEDTLS_PRIVATE(in_msg)[1] : 0;
    sw_tls_fail(e, e->alert == ALERT_PROTOCOL_VERSION ? SW_FAILURE_VERSION : SW_FAILURE_ALERT);
    return;
  }
  if (error == BAD_VERSION) sw_tls_fail(e, SW_FAILURE_VERSION);
  else if (isTooLarge(error) && !e->verification.failure) sw_tls_fail(e, SW_FAILURE_MESSAGE_TOO_LARGE);
  else if (!e->open && e->stepState == MBEDTLS_SSL_SERVER_CERTIFICATE &&
           (e->verification.failure || error == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED || error == BAD_CERTIFICATE ||
            (-error & 0x7f80) < 0x4000))
    sw_tls_fail(e, ofCertificate(e, error));
#if SW_TLS13
  else if (error == MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER && e->stepState == MBEDTLS_SSL_SERVER_KEY_EXCHANGE && !sw_tls_is13(e))
    sw_tls_fail(e, SW_FAILURE_SIGNATURE_SCHEME);
#endif
  else
    sw_tls_fail(e, SW_FAILURE_HANDSHAKE);
}
