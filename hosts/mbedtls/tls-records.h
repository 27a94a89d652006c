/* Watches the ciphertext that comes in, so that a record that must be refused costs no memory. */
#ifndef SEALWIRE_TLS_RECORDS_H
#define SEALWIRE_TLS_RECORDS_H

#include <stddef.h>
#include <stdint.h>

typedef enum { SW_RECORDS_GOOD, SW_RECORDS_TOO_LARGE, SW_RECORDS_NOT_TLS } SwRecordsVerdict;

typedef struct {
  /* Largest length in a record's header. */
  uint16_t limit;
  uint16_t bodyLeft;
  uint8_t header[5];
  uint8_t headerFilled;
  /* Of the server's first handshake message: where its reader is (tls-records.c). */
  uint8_t helloPart;
  uint8_t extendedMasterSecret;
  uint16_t helloLeft, extensionsLeft, number;
} SwRecords;

/* @param limit largest plaintext that is accepted */
void sw_records_begin(SwRecords* records, size_t limit);
/* The handshake is done: what protects a record is known. */
void sw_records_open(SwRecords* records, size_t limit, int is13);
/* Looks at the next bytes of the stream. */
SwRecordsVerdict sw_records_check(SwRecords* records, const uint8_t* bytes, size_t size);

#endif
