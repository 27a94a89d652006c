/* The native class of tls-native.js: what it does is said in tls-native.d.ts. */
#include "xsmc.h"
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
  SwTLS* engine = xsmcGetHostData(xsThis);
  return engine && engine->magic == SW_TLS_MAGIC ? engine : NULL;
}

static SwView readableView(xsMachine* the, xsSlot* slot) {
  void* bytes = NULL;
  xsUnsignedValue size = 0;
  xsmcGetBufferReadable(*slot, &bytes, &size);
  return (SwView){bytes, size};
}

/*
 * The bytes of an array of buffers, where they lie. They stay there until memory of JavaScript is allocated, which nothing does before the
 * native function returns: the wrapper hands over plain arrays of plain buffers.
 */
static unsigned views(xsMachine* the, int argument, SwView* target, unsigned most) {
  xsmcVars(1);
  if (xsmcArgc <= argument || xsmcTypeOf(xsArg(argument)) != xsReferenceType) return 0;
  xsmcGet(xsVar(0), xsArg(argument), xsID("length"));
  int count = xsmcToInteger(xsVar(0));
  if (count < 0 || (unsigned)count > most) xsRangeError("too many certificates or lists");
  for (int i = 0; i < count; i++) {
    xsmcGetIndex(xsVar(0), xsArg(argument), i);
    target[i] = readableView(the, &xsVar(0));
  }
  return (unsigned)count;
}

static void credentials(xsMachine* the, int first, SwCredentials* target) {
  target->anchorCount = views(the, first, target->anchors, SW_TLS_MAXIMUM_ANCHORS);
  target->listCount = views(the, first + 1, target->lists, SW_TLS_MAXIMUM_LISTS);
  target->chainCount = views(the, first + 2, target->chain, SW_TLS_MAXIMUM_CHAIN);
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
  CREDENTIALS,
  ARGUMENTS = CREDENTIALS + 3,
};

void xs_tls(xsMachine* the) {
  SwTLSOptions options = {0};
  SwCredentials given;
  if (xsmcArgc < ARGUMENTS) xsTypeError("wants more arguments");
  options.revocation = (SwRevocation)xsmcToInteger(xsArg(REVOCATION));
  options.minimumVersion = xsmcToInteger(xsArg(MINIMUM_VERSION)) == 3 ? 3 : 2;
  options.maximumVersion = xsmcToInteger(xsArg(MAXIMUM_VERSION)) == 2 ? 2 : 3;
  int inputBuffer = xsmcToInteger(xsArg(INPUT_BUFFER)), fragmentLength = xsmcToInteger(xsArg(FRAGMENT_LENGTH));
  options.inputBuffer = inputBuffer < 512 ? 512 : inputBuffer > 16384 ? 16384 : (size_t)inputBuffer;
  options.fragmentLength = fragmentLength < 0 || fragmentLength > 4096 ? 0 : (size_t)fragmentLength;
  options.earliest = xsmcToNumber(xsArg(EARLIEST));
  options.latest = xsmcToNumber(xsArg(LATEST));
  options.sessionExtendedMasterSecret = xsmcTest(xsArg(EXTENDED_MASTER_SECRET));
  if (xsmcTypeOf(xsArg(KEY)) != xsUndefinedType && sw_key_of(the, &xsArg(KEY), &options.key) != SW_OK)
    xsTypeError("the key is closed, or none of this host");
  credentials(the, CREDENTIALS, &given);
  if (xsmcTypeOf(xsArg(SESSION)) != xsUndefinedType) {
    SwView session = readableView(the, &xsArg(SESSION));
    options.session = session.bytes;
    options.sessionSize = session.size;
  }
  options.protocols = xsmcToString(xsArg(PROTOCOLS));
  options.protocolsSize = strlen(options.protocols);
  options.serverName = xsmcToString(xsArg(SERVER_NAME));
  xsmcSetHostData(xsThis, sw_tls_create(&options, &given));
}

/* Bytes of another view of the same buffer may change under us; the library reads them once. */
void xs_tls_feed(xsMachine* the) {
  SwTLS* engine = engineOf(the);
  SwView bytes = readableView(the, &xsArg(0));
  xsmcSetInteger(xsResult, (xsIntegerValue)(engine ? sw_tls_feed(engine, bytes.bytes, bytes.size) : bytes.size));
}

void xs_tls_feed_end(xsMachine* the) {
  SwTLS* engine = engineOf(the);
  if (engine) engine->ended = 1;
}

static void move(xsMachine* the, size_t (*body)(SwTLS*, uint8_t*, size_t)) {
  SwTLS* engine = engineOf(the);
  void* target = NULL;
  xsUnsignedValue size = 0;
  xsmcGetBufferWritable(xsArg(0), &target, &size);
  xsmcSetInteger(xsResult, (xsIntegerValue)(engine && size ? body(engine, target, size) : 0));
}

void xs_tls_drain(xsMachine* the) {
  move(the, sw_tls_drain);
}

void xs_tls_read(xsMachine* the) {
  move(the, sw_tls_read);
}

void xs_tls_write(xsMachine* the) {
  SwTLS* engine = engineOf(the);
  SwView bytes = readableView(the, &xsArg(0));
  xsmcSetInteger(xsResult, (xsIntegerValue)(engine ? sw_tls_write(engine, bytes.bytes, bytes.size) : 0));
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
  if (wanted) credentials(the, 0, &given);
  xsmcSetBoolean(xsResult, engine && sw_tls_step(engine, wanted ? &given : NULL));
}

void xs_tls_end(xsMachine* the) {
  SwTLS* engine = engineOf(the);
  if (engine) sw_tls_end(engine);
}

void xs_tls_close(xsMachine* the) {
  SwTLS* engine = engineOf(the);
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

/* In the order of tls-native.d.ts. */
void xs_tls_number(xsMachine* the) {
  SwTLS* e = engineOf(the);
  int which = xsmcArgc > 0 ? xsmcToInteger(xsArg(0)) : -1;
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
  int which = xsmcArgc > 0 ? xsmcToInteger(xsArg(0)) : -1;
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
