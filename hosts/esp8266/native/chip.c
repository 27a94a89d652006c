/* The ESP8266 under Espressif's non-OS SDK: native functions of chip.js, and what hosts/mbedtls wants of the chip. */
#include "xsmc.h"
#include "chip.h"
#include "user_interface.h"
#include <string.h>

/* Blocks of 4 bytes: 64 to 191 are the user's (the first 64 are the system's). */
#define FIRST_BLOCK 64
#define RETAINED 512

/* The SDK has no declaration for it; it is in the chip's ROM and libraries. */
extern int os_get_random(unsigned char* into, size_t size);

void xs_chip_mac(xsMachine* the) {
  void* into = NULL;
  xsUnsignedValue size = 0;
  uint8_t address[6] = {0};
  wifi_get_macaddr(STATION_IF, address);
  xsmcGetBufferWritable(xsArg(0), &into, &size);
  memcpy(into, address, size < sizeof address ? size : sizeof address);
}

void xs_chip_retained_length(xsMachine* the) {
  xsmcSetInteger(xsResult, RETAINED);
}

/*
 * RTC memory is moved in blocks, what is asked for need not begin or end at one: 64 bytes at a time, from the first block that is
 * touched. `target` is NULL to write `source`.
 */
static int move(uint32_t offset, uint8_t* target, const uint8_t* source, uint32_t size) {
  uint32_t blocks[16];
  while (size) {
    uint32_t begin = offset & ~3u, skip = offset - begin;
    uint32_t count = size < sizeof blocks - skip ? size : sizeof blocks - skip;
    uint16_t length = (uint16_t)((skip + count + 3) & ~3u);
    if (!system_rtc_mem_read((uint8_t)(FIRST_BLOCK + begin / 4), blocks, length)) return 0;
    if (target) {
      memcpy(target, (uint8_t*)blocks + skip, count);
      target += count;
    } else {
      memcpy((uint8_t*)blocks + skip, source, count);
      if (!system_rtc_mem_write((uint8_t)(FIRST_BLOCK + begin / 4), blocks, length)) return 0;
      source += count;
    }
    offset += count;
    size -= count;
  }
  return 1;
}

static int isInside(xsIntegerValue offset, xsUnsignedValue size) {
  return offset >= 0 && size <= RETAINED && (xsUnsignedValue)offset <= RETAINED - size;
}

void xs_chip_retained_read(xsMachine* the) {
  xsIntegerValue offset = xsmcToInteger(xsArg(0));
  void* into = NULL;
  xsUnsignedValue size = 0;
  xsmcGetBufferWritable(xsArg(1), &into, &size);
  xsmcSetBoolean(xsResult, isInside(offset, size) && move((uint32_t)offset, into, NULL, size));
}

void xs_chip_retained_write(xsMachine* the) {
  xsIntegerValue offset = xsmcToInteger(xsArg(0));
  void* bytes = NULL;
  xsUnsignedValue size = 0;
  xsmcGetBufferReadable(xsArg(1), &bytes, &size);
  xsmcSetBoolean(xsResult, isInside(offset, size) && move((uint32_t)offset, NULL, bytes, size));
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
