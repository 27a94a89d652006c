/* Retained memory in the RTC memory of the ESP8266: nothing of it knows the JavaScript engine. */
#ifndef SEALWIRE_RETAINED_H
#define SEALWIRE_RETAINED_H

#include <stdint.h>

/*
 * Blocks of 4 bytes. The first 64 are the system's, the 128 from there the user's. The Moddable SDK keeps its clock in the first ten of those
 * (rtctime_internal.h), and writes them at the first look at the clock after every start: they are left to it, with two to spare.
 */
#define SW_RETAINED_BLOCK (64 + 12)
#define SW_RETAINED_LENGTH (4 * (64 + 128 - SW_RETAINED_BLOCK))

/* Whether that many bytes from there lie within it. */
int sw_retained_holds(int32_t offset, uint32_t size);

/* Reads into `target`, or when it is NULL writes `source`. What is asked for lies within. Returns whether the chip did it. */
int sw_retained_move(uint32_t offset, uint8_t* target, const uint8_t* source, uint32_t size);

#endif
