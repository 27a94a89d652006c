/*
 * Headers of TLS records, and of ServerHello the one thing that the library does not tell: whether extended master secret was agreed on
 * (RFC 7627). ServerHello is never encrypted; it is read byte by byte as it passes, whatever records it is cut into.
 */
#include "tls-records.h"
#include <string.h>

enum { CHANGE_CIPHER_SPEC = 20, HANDSHAKE = 22, APPLICATION_DATA = 23 };
enum { SERVER_HELLO = 2, EXTENDED_MASTER_SECRET = 23 };
/* What protects a record: RFC 8446 section 5.2 allows 256 bytes; the AEAD suites of TLS 1.2 take 24 at most. */
enum { EXPANSION = 256, EXPANSION_12 = 24 };

enum {
  HELLO_TYPE,
  HELLO_FIXED,
  HELLO_SESSION_ID_LENGTH,
  HELLO_SESSION_ID,
  HELLO_EXTENSIONS_LENGTH,
  HELLO_EXTENSION_HEAD,
  HELLO_EXTENSION_BODY,
  HELLO_READ,
};

void sw_records_begin(SwRecords* records, size_t limit) {
  memset(records, 0, sizeof *records);
  records->limit = (uint16_t)(limit + EXPANSION);
}

void sw_records_open(SwRecords* records, size_t limit, int is13) {
  records->helloPart = HELLO_READ;
  records->limit = (uint16_t)(limit + (is13 ? EXPANSION : EXPANSION_12));
}

/* Goes on to a part of this length; what is empty is passed over by the caller's loop. */
static void go(SwRecords* records, uint8_t part, uint16_t length) {
  records->helloPart = part;
  records->helloLeft = length;
  records->number = 0;
}

static void helloByte(SwRecords* records, uint8_t byte) {
  switch (records->helloPart) {
    case HELLO_TYPE:
      /* The length (3 bytes), version (2) and random (32) follow. */
      if (byte == SERVER_HELLO) go(records, HELLO_FIXED, 3 + 2 + 32);
      else records->helloPart = HELLO_READ;
      return;
    case HELLO_FIXED:
      if (--records->helloLeft == 0) go(records, HELLO_SESSION_ID_LENGTH, 1);
      return;
    case HELLO_SESSION_ID_LENGTH:
      /* The cipher suite (2) and the compression method (1) follow. */
      go(records, HELLO_SESSION_ID, (uint16_t)(byte + 3));
      return;
    case HELLO_SESSION_ID:
      if (--records->helloLeft == 0) go(records, HELLO_EXTENSIONS_LENGTH, 2);
      return;
    case HELLO_EXTENSIONS_LENGTH:
      records->number = (uint16_t)(records->number << 8 | byte);
      if (--records->helloLeft) return;
      records->extensionsLeft = records->number;
      go(records, HELLO_EXTENSION_HEAD, 4);
      break;
    case HELLO_EXTENSION_HEAD:
      if (records->helloLeft == 4) records->number = byte;
      else if (records->helloLeft == 3) {
        /* Of a type below 256 the first byte is zero. */
        if (records->number == 0 && byte == EXTENDED_MASTER_SECRET) records->extendedMasterSecret = 1;
        records->number = 0;
      } else
        records->number = (uint16_t)(records->number << 8 | byte);
      if (records->extensionsLeft) records->extensionsLeft--;
      if (--records->helloLeft) return;
      go(records, HELLO_EXTENSION_BODY, records->number);
      break;
    case HELLO_EXTENSION_BODY:
      if (records->extensionsLeft) records->extensionsLeft--;
      records->helloLeft--;
      break;
    default: return;
  }
  if (records->helloPart == HELLO_EXTENSION_BODY && records->helloLeft == 0) go(records, HELLO_EXTENSION_HEAD, 4);
  if (records->extensionsLeft == 0) records->helloPart = HELLO_READ;
}

static SwRecordsVerdict checkHeader(SwRecords* records) {
  const uint8_t* header = records->header;
  /* As far as it came: who does not speak TLS may not send five bytes. */
  if (header[0] < CHANGE_CIPHER_SPEC || header[0] > APPLICATION_DATA || (records->headerFilled > 1 && header[1] != 3))
    return SW_RECORDS_NOT_TLS;
  if (records->headerFilled < sizeof records->header) return SW_RECORDS_GOOD;
  records->bodyLeft = (uint16_t)(header[3] << 8 | header[4]);
  records->headerFilled = 0;
  return records->bodyLeft > records->limit ? SW_RECORDS_TOO_LARGE : SW_RECORDS_GOOD;
}

SwRecordsVerdict sw_records_check(SwRecords* records, const uint8_t* bytes, size_t size) {
  for (size_t i = 0; i < size;) {
    if (records->bodyLeft == 0) {
      records->header[records->headerFilled++] = bytes[i++];
      SwRecordsVerdict verdict = checkHeader(records);
      if (verdict != SW_RECORDS_GOOD) return verdict;
      continue;
    }
    size_t count = size - i < records->bodyLeft ? size - i : records->bodyLeft;
    if (records->header[0] == HANDSHAKE)
      for (size_t k = 0; k < count && records->helloPart != HELLO_READ; k++) helloByte(records, bytes[i + k]);
    records->bodyLeft = (uint16_t)(records->bodyLeft - count);
    i += count;
  }
  return SW_RECORDS_GOOD;
}
