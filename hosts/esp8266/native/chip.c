/* The ESP8266 under Espressif's non-OS SDK: native functions of chip.js, and what hosts/mbedtls wants of the chip. */
#include "xsmc.h"
#include "chip.h"
#include "retained.h"
#include "osapi.h"
#include "user_interface.h"
#include <string.h>

void xs_chip_mac(xsMachine* the) {
  void* into = NULL;
  xsUnsignedValue size = 0;
  uint8_t address[6] = {0};
  wifi_get_macaddr(STATION_IF, address);
  xsmcGetBufferWritable(xsArg(0), &into, &size);
  memcpy(into, address, size < sizeof address ? size : sizeof address);
}

void xs_chip_retained_length(xsMachine* the) {
  xsmcSetInteger(xsResult, SW_RETAINED_LENGTH);
}

void xs_chip_retained_read(xsMachine* the) {
  xsIntegerValue offset = xsmcToInteger(xsArg(0));
  void* into = NULL;
  xsUnsignedValue size = 0;
  xsmcGetBufferWritable(xsArg(1), &into, &size);
  xsmcSetBoolean(xsResult, sw_retained_holds(offset, size) && sw_retained_move((uint32_t)offset, into, NULL, size));
}

void xs_chip_retained_write(xsMachine* the) {
  xsIntegerValue offset = xsmcToInteger(xsArg(0));
  void* bytes = NULL;
  xsUnsignedValue size = 0;
  xsmcGetBufferReadable(xsArg(1), &bytes, &size);
  xsmcSetBoolean(xsResult, sw_retained_holds(offset, size) && sw_retained_move((uint32_t)offset, NULL, bytes, size));
}

void xs_chip_wake_cause(xsMachine* the) {
  int cause;
  switch (system_get_rst_info()->reason) {
    case REASON_DEEP_SLEEP_AWAKE: cause = SW_WAKE_SLEEP; break;
    case REASON_SOFT_RESTART:
    case REASON_EXCEPTION_RST: cause = SW_WAKE_RESTART; break;
    case REASON_WDT_RST:
    case REASON_SOFT_WDT_RST: cause = SW_WAKE_WATCHDOG; break;
    default: cause = SW_WAKE_POWER; break;
  }
  xsmcSetInteger(xsResult, cause);
}

void xs_chip_sleep(xsMachine* the) {
  double milliseconds = xsmcToNumber(xsArg(0));
  /* 32 bits of microseconds: 71 minutes. A longer sleep ends early. 0 would be for ever. GPIO16 must be wired to RST. */
  if (!(milliseconds >= 1)) milliseconds = 1;
  if (milliseconds > 4294000.0) milliseconds = 4294000.0;
  system_deep_sleep((uint32_t)(milliseconds * 1000));
}

void xs_chip_restart(xsMachine* the) {
  (void)the;
  system_restart();
}

void xs_chip_feed(xsMachine* the) {
  (void)the;
  system_soft_wdt_feed();
}

/* No key is burnt into this chip. */
void xs_chip_has_secret(xsMachine* the) {
  xsmcSetBoolean(xsResult, 0);
}

void xs_chip_hmac(xsMachine* the) {
  xsmcSetBoolean(xsResult, 0);
}

int sw_entropy(void* context, unsigned char* output, size_t size) {
  (void)context;
  return os_get_random(output, size) ? -1 : 0;
}

/* Begins anew after each deep sleep. Wraps after 71 minutes by itself: the turns are counted. */
int64_t sw_clock(void) {
  static uint32_t last;
  static uint32_t turns;
  uint32_t now = system_get_time();
  if (now < last) turns++;
  last = now;
  return (int64_t)((((uint64_t)turns << 32) + now) / 1000);
}

/* MBEDTLS_PLATFORM_MS_TIME_ALT, wanted of Mbed TLS 3.6. */
int64_t mbedtls_ms_time(void);
int64_t mbedtls_ms_time(void) {
  return sw_clock();
}
