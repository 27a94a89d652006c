/* The native class of tls-native.js: what it does is said in tls-native.d.ts. */
#include "xsmc.h"
#include "arguments.h"
#include "memory.h"
#include "status.h"
#include "tls-engine.h"
#include "mbedtls/platform_util.h"
#include <math.h>
#include <string.h>

void xs_tls_destructor(void* data);
void xs_tls(xsMachine* the);
void xs_tls_feed(xsMachine* the);
void xs_tls_feed_end(xsMachine* the);
void xs_tls_drain(xsMachine* the);
void xs_tls_read(xsMachine* the);
void xs_tls_write(xsMachine* the);
void xs_tls_readable(xsMachine* the);
void xs_tls_writable(xsMachine* the);
void xs_tls_step(xsMachine* the);
void xs_tls_end(xsMachine* the);
void xs_tls_close(xsMachine* the);
void xs_tls_status(xsMachine* the);
void xs_tls_session(xsMachine* the);
void xs_tls_number(xsMachine* the);
void xs_tls_text(xsMachine* the);
void xs_tls_configuration(xsMachine* the);

void xs_tls_destructor(void* data) {
  sw_tls_destroy(data);
}

/* NULL after close(), and for an object that is none of ours. */
static SwTLS* engineOf(xsMachine* the) {
  void* engine;
  return sw_host_data_of(the, &xsThis, xs_tls_destructor, &engine) == SW_OK ? engine : NULL;
}

/*
 * The buffers of an array, into variables from `first` on: an array may have getters, and what they do must not move what was found before.
 * @returns the number of them, none of `undefined`, or -1 when it is no such array
 */
static int collect(xsMachine* the, xsSlot* array, int first, int most) {
  SwBytes bytes;
  double count;
  if (array && xsmcTypeOf(*array) == xsUndefinedType) {
    xsmcVars(1);
    return 0;
  }
  if (!array || xsmcTypeOf(*array) != xsReferenceType || !xsmcIsInstanceOf(*array, xsArrayPrototype)) return -1;
  xsmcVars(1);
  xsmcGet(xsVar(first), *array, xsID("length"));
  if (sw_integer_of(the, &xsVar(first), 0, most, &count)) return -1;
  xsmcVars((xsIntegerValue)count);
  for (int i = 0; i < count; i++) {
    xsmcGetIndex(xsVar(first + i), *array, (xsIndex)i);
    if (sw_bytes_of(the, &xsVar(first + i), 0, &bytes)) return -1;
  }
  return (int)count;
}

/* Where their bytes lie: until memory of JavaScript is allocated, which nothing does before the native function returns. */
static int views(xsMachine* the, int first, int count, SwView* target) {
  SwBytes bytes;
  for (int i = 0; i < count; i++) {
    if (sw_bytes_of(the, &xsVar(first + i), 0, &bytes)) return 0;
    target[i] = (SwView){bytes.data, bytes.size};
  }
  return 1;
}

/* @returns whether they are what they should be */
static int credentials(xsMachine* the, int first, SwCredentials* target) {
  /* Each array has one variable more than buffers. */
  int anchors = collect(the, sw_argument(first), 0, SW_TLS_MAXIMUM_ANCHORS);
  int lists = anchors < 0 ? -1 : collect(the, sw_argument(first + 1), anchors + 1, SW_TLS_MAXIMUM_LISTS);
  int chain = lists < 0 ? -1 : collect(the, sw_argument(first + 2), anchors + lists + 2, SW_TLS_MAXIMUM_CHAIN);
  if (chain < 0) return 0;
  target->anchorCount = (unsigned)anchors;
  target->listCount = (unsigned)lists;
  target->chainCount = (unsigned)chain;
  return views(the, 0, anchors, target->anchors) && views(the, anchors + 1, lists, target->lists) &&
         views(the, anchors + lists + 2, chain, target->chain);
}

enum {
  SERVER_NAME,
  PROTOCOLS,
  REVOCATION,
  MINIMUM_VERSION,
  MAXIMUM_VERSION,
  INPUT_BUFFER,
  FRAGMENT_LENGTH,
  EARLIEST,
  LATEST,
  KEY,
  SESSION,
  EXTENDED_MASTER_SECRET,
  TICKETS,
  CREDENTIALS,
  ARGUMENTS = CREDENTIALS + 3,
};

/* A string where it lies: as its own type only, for converting an object would run JavaScript. */
static const char* textOf(xsMachine* the, xsSlot* slot) {
  xsType type = slot ? xsmcTypeOf(*slot) : xsUndefinedType;
  return type == xsStringType || type == xsStringXType ? xsmcToString(*slot) : NULL;
}

/* Of a double that may be NaN or infinite. */
static int doubleOf(xsMachine* the, xsSlot* slot, double* value) {
  xsType type = slot ? xsmcTypeOf(*slot) : xsUndefinedType;
  if (type != xsIntegerType && type != xsNumberType) return SW_ARGUMENT;
  *value = xsmcToNumber(*slot);
  return SW_OK;
}

static int optionsOf(xsMachine* the, SwTLSOptions* options) {
  double revocation, minimum, maximum, input, fragment;
  SwBytes session;
  if (sw_integer_of(the, &xsArg(REVOCATION), SW_REVOCATION_OFF, SW_REVOCATION_CHAIN, &revocation) ||
      sw_integer_of(the, &xsArg(MINIMUM_VERSION), 2, 3, &minimum) || sw_integer_of(the, &xsArg(MAXIMUM_VERSION), minimum, 3, &maximum) ||
      sw_integer_of(the, &xsArg(INPUT_BUFFER), 512, 16384, &input) || sw_integer_of(the, &xsArg(FRAGMENT_LENGTH), 0, 4096, &fragment) ||
      doubleOf(the, &xsArg(EARLIEST), &options->earliest) || doubleOf(the, &xsArg(LATEST), &options->latest))
    return SW_ARGUMENT;
  options->revocation = (SwRevocation)revocation;
  options->minimumVersion = (int)minimum;
  options->maximumVersion = (int)maximum;
  options->inputBuffer = (size_t)input;
  options->fragmentLength = (size_t)fragment;
  options->sessionExtendedMasterSecret = xsmcTest(xsArg(EXTENDED_MASTER_SECRET));
  options->tickets = xsmcTest(xsArg(TICKETS));
  if (xsmcTypeOf(xsArg(KEY)) != xsUndefinedType) {
    int status = sw_key_of(the, &xsArg(KEY), &options->key);
    if (status) return status;
  }
  if (sw_optional_bytes_of(the, &xsArg(SESSION), &session)) return SW_ARGUMENT;
  options->session = session.data;
  options->sessionSize = session.size;
  options->protocols = textOf(the, &xsArg(PROTOCOLS));
  options->serverName = textOf(the, &xsArg(SERVER_NAME));
  if (!options->protocols || !options->serverName) return SW_ARGUMENT;
  options->protocolsSize = strlen(options->protocols);
  return SW_OK;
}

void xs_tls(xsMachine* the) {
  SwTLSOptions options = {0};
  SwCredentials given;
  xsmcSetHostData(xsThis, NULL);
  /* First: reading an array could run JavaScript, and move what the options point to. */
  if ((int)xsmcArgc < ARGUMENTS || !credentials(the, CREDENTIALS, &given) || optionsOf(the, &options) != SW_OK) xsTypeError("an argument is not of its type, or the key is closed");
  xsmcSetHostData(xsThis, sw_tls_create(&options, &given));
}

/* Bytes of another view of the same buffer may change under us; the library reads them once. */
void xs_tls_feed(xsMachine* the) {
  SwBytes bytes;
  if (sw_bytes_of(the, sw_argument(0), 0, &bytes)) xsTypeError("no bytes");
  SwTLS* engine = engineOf(the);
  xsmcSetInteger(xsResult, (xsIntegerValue)(engine ? sw_tls_feed(engine, bytes.data, bytes.size) : bytes.size));
}

void xs_tls_feed_end(xsMachine* the) {
  SwTLS* engine = engineOf(the);
  if (engine) engine->ended = 1;
}

static void move(xsMachine* the, size_t (*body)(SwTLS*, uint8_t*, size_t)) {
  SwBytes target;
  if (sw_bytes_of(the, sw_argument(0), 1, &target)) xsTypeError("no bytes");
  SwTLS* engine = engineOf(the);
  xsmcSetInteger(xsResult, (xsIntegerValue)(engine && target.size ? body(engine, target.data, target.size) : 0));
}

void xs_tls_drain(xsMachine* the) {
  move(the, sw_tls_drain);
}

void xs_tls_read(xsMachine* the) {
  move(the, sw_tls_read);
}

void xs_tls_write(xsMachine* the) {
  SwBytes bytes;
  if (sw_bytes_of(the, sw_argument(0), 0, &bytes)) xsTypeError("no bytes");
  SwTLS* engine = engineOf(the);
  xsmcSetInteger(xsResult, (xsIntegerValue)(engine ? sw_tls_write(engine, bytes.data, bytes.size) : 0));
}

void xs_tls_readable(xsMachine* the) {
  SwTLS* engine = engineOf(the);
  xsmcSetInteger(xsResult, (xsIntegerValue)(engine ? sw_tls_readable(engine) : 0));
}

void xs_tls_writable(xsMachine* the) {
  SwTLS* engine = engineOf(the);
  xsmcSetInteger(xsResult, (xsIntegerValue)(engine ? sw_tls_writable(engine) : 0));
}

void xs_tls_step(xsMachine* the) {
  SwTLS* engine = engineOf(the);
  SwCredentials given;
  int wanted = engine && sw_tls_wants_credentials(engine);
  if (wanted) {
    int good = credentials(the, 0, &given);
    /* A getter might have closed it. */
    engine = engineOf(the);
    if (engine && !good) sw_tls_fail(engine, SW_FAILURE_CERTIFICATE_UNREADABLE);
  }
  xsmcSetBoolean(xsResult, engine && sw_tls_step(engine, wanted ? &given : NULL));
}

void xs_tls_end(xsMachine* the) {
  SwTLS* engine = engineOf(the);
  if (engine) sw_tls_end(engine);
}

void xs_tls_close(xsMachine* the) {
  SwTLS* engine = engineOf(the);
  if (!engine) return;
  xsmcSetHostData(xsThis, NULL);
  sw_tls_destroy(engine);
}

void xs_tls_status(xsMachine* the) {
  SwTLS* engine = engineOf(the);
  xsmcSetInteger(xsResult, (xsIntegerValue)(engine ? sw_tls_status(engine) : 0));
}

void xs_tls_session(xsMachine* the) {
  SwTLS* engine = engineOf(the);
  size_t size = engine ? sw_tls_session_size(engine) : 0;
  if (size == 0) {
    if (engine) engine->sessionDue = 0;
    return;
  }
  xsmcSetArrayBuffer(xsResult, NULL, (xsIntegerValue)size);
  if (!sw_tls_session_take(engine, xsmcToArrayBuffer(xsResult), size)) xsmcSetUndefined(xsResult);
}

static int whichOf(xsMachine* the) {
  double which;
  return sw_integer_of(the, sw_argument(0), 0, 255, &which) ? -1 : (int)which;
}

/* In the order of tls-native.d.ts. */
void xs_tls_number(xsMachine* the) {
  SwTLS* e = engineOf(the);
  int which = whichOf(the);
  double value = NAN;
  if (!e) value = which == 0 ? SW_FAILURE_OUT_OF_MEMORY : NAN;
  else
    switch (which) {
      case 0: value = e->failure; break;
      case 1: value = e->verification.detail; break;
      case 2: value = e->verification.depth; break;
      case 3: value = e->verification.date; break;
      case 4: value = e->alert; break;
      case 5: value = e->error; break;
      case 6: value = sw_tls_is13(e) ? 3 : 2; break;
      case 7: value = !e->verification.called; break;
      case 8: value = sw_tls_is13(e) || e->records.extendedMasterSecret; break;
      case 9: value = e->verification.notAfter; break;
      case 10: value = e->verification.notBefore; break;
      case 11: value = e->verification.nextUpdate; break;
      case 12: value = sw_tls_session_lifetime(e); break;
      case 13: value = e->longestStep; break;
      default: break;
    }
  xsmcSetNumber(xsResult, value);
}

/* The library writes TLS-ECDHE-RSA-WITH-... and TLS1-3-AES-...; IANA TLS_ECDHE_RSA_WITH_... and TLS_AES_... */
static void suiteName(const char* name, char* target, size_t size) {
  static const char old[] = "TLS1-3-";
  size_t at = 0;
  if (strncmp(name, old, sizeof old - 1) == 0) {
    memcpy(target, "TLS_", at = 4);
    name += sizeof old - 1;
  }
  for (; *name && at + 1 < size; name++) target[at++] = *name == '-' ? '_' : *name;
  target[at] = 0;
}

void xs_tls_text(xsMachine* the) {
  SwTLS* e = engineOf(the);
  int which = whichOf(the);
  char text[80] = "";
  const char* found = NULL;
  if (!e || !e->set) return;
  if (which == 0 && e->open) {
    const char* name = mbedtls_ssl_get_ciphersuite(&e->ssl);
    suiteName(name ? name : "", text, sizeof text);
    found = text;
  } else if (which == 1 && e->open)
    found = mbedtls_ssl_get_alpn_protocol(&e->ssl);
  else if (which == 2)
    found = e->verification.who;
  if (found) xsmcSetString(xsResult, (char*)found);
}

/* What decides which servers are accepted, and which sessions can be read; FNV-1a. */
void xs_tls_configuration(xsMachine* the) {
  const int values[] = {
      /* Counted up when the engine's own verification changes. */
      2,
      MBEDTLS_VERSION_NUMBER,
      SW_TLS13,
      sizeof(mbedtls_ssl_session),
#ifdef MBEDTLS_SSL_KEEP_PEER_CERTIFICATE
      1,
#else
      0,
#endif
#ifdef MBEDTLS_HAVE_TIME
      1,
#else
      0,
#endif
#ifdef MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
      1,
#else
      0,
#endif
#ifdef MBEDTLS_ECP_DP_SECP384R1_ENABLED
      1,
#else
      0,
#endif
#ifdef MBEDTLS_ECP_DP_SECP521R1_ENABLED
      1,
#else
      0,
#endif
#ifdef MBEDTLS_X509_RSASSA_PSS_SUPPORT
      1,
#else
      0,
#endif
  };
  char text[9];
  uint32_t hash = 0x811c9dc5;
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) hash = (hash ^ (uint32_t)values[i]) * 0x01000193;
  for (int i = 0; i < 8; i++) text[i] = "0123456789abcdef"[hash >> (28 - 4 * i) & 15];
  text[8] = 0;
  xsmcSetString(xsResult, text);
}
