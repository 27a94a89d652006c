/* The RTC memory of an ESP8266 on a desktop: the declarations that retained.c uses. */
#ifndef USER_INTERFACE_H
#define USER_INTERFACE_H

#include <stdint.h>

typedef int boolean;
boolean system_rtc_mem_read(uint8_t block, void* into, uint16_t length);
boolean system_rtc_mem_write(uint8_t block, const void* from, uint16_t length);

#endif
