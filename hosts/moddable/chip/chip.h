/* The native functions of chip.js: each chip has its own file with all of them. With `xsmc.h` included before. */
#ifndef SEALWIRE_CHIP_H
#define SEALWIRE_CHIP_H

#include <stddef.h>
#include <stdint.h>

void xs_chip_mac(xsMachine* the);
void xs_chip_retained_length(xsMachine* the);
void xs_chip_retained_read(xsMachine* the);
void xs_chip_retained_write(xsMachine* the);
void xs_chip_wake_cause(xsMachine* the);
void xs_chip_sleep(xsMachine* the);
void xs_chip_restart(xsMachine* the);
void xs_chip_feed(xsMachine* the);
void xs_chip_has_secret(xsMachine* the);
void xs_chip_hmac(xsMachine* the);

/* What hosts/mbedtls wants of the chip. */
int sw_entropy(void* context, unsigned char* output, size_t size);
int64_t sw_clock(void);
/* Of a chip whose library allocates by functions of the platform: memory.h. */
const void* sw_task(void);

/* In the order of chip.d.ts. */
enum { SW_WAKE_POWER, SW_WAKE_SLEEP, SW_WAKE_RESTART, SW_WAKE_WATCHDOG };

#endif
