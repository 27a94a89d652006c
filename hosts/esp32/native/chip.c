/* The ESP32 family under ESP-IDF 5 and 6: native functions of chip.js, and what hosts/mbedtls wants of the chip. */
#include "xsmc.h"
#include "chip.h"
#include "esp_attr.h"
#include "esp_mac.h"
#include "esp_random.h"
#include "esp_rtc_time.h"
#include "esp_sleep.h"
#include "esp_system.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "sdkconfig.h"
#include "soc/soc_caps.h"
#include <string.h>
#if CONFIG_ESP_TASK_WDT_EN
  #include "esp_task_wdt.h"
#endif
#if SOC_HMAC_SUPPORTED
  #include "esp_efuse.h"
  #include "esp_hmac.h"
#endif

/* Neither zeroed nor loaded at start: random after power-on, kept through deep sleep and restart. */
#define RETAINED 4096
static RTC_NOINIT_ATTR uint8_t retained[RETAINED];

void xs_chip_mac(xsMachine* the) {
  void* into = NULL;
  xsUnsignedValue size = 0;
  uint8_t address[6];
  /* The burnt-in one, whatever the interfaces were told to use. */
  if (esp_efuse_mac_get_default(address) != ESP_OK) memset(address, 0, sizeof address);
  xsmcGetBufferWritable(xsArg(0), &into, &size);
  memcpy(into, address, size < sizeof address ? size : sizeof address);
}

void xs_chip_retained_length(xsMachine* the) {
  xsmcSetInteger(xsResult, RETAINED);
}

/* The number is read before the buffer: reading one could run JavaScript, and move the other. */
static uint8_t* placeOf(xsIntegerValue offset, xsUnsignedValue size) {
  if (offset < 0 || size > RETAINED || (xsUnsignedValue)offset > RETAINED - size) return NULL;
  return retained + offset;
}

void xs_chip_retained_read(xsMachine* the) {
  xsIntegerValue offset = xsmcToInteger(xsArg(0));
  void* into = NULL;
  xsUnsignedValue size = 0;
  xsmcGetBufferWritable(xsArg(1), &into, &size);
  uint8_t* place = placeOf(offset, size);
  if (place) memcpy(into, place, size);
  xsmcSetBoolean(xsResult, place != NULL);
}

void xs_chip_retained_write(xsMachine* the) {
  xsIntegerValue offset = xsmcToInteger(xsArg(0));
  void* bytes = NULL;
  xsUnsignedValue size = 0;
  xsmcGetBufferReadable(xsArg(1), &bytes, &size);
  uint8_t* place = placeOf(offset, size);
  if (place) memcpy(place, bytes, size);
  xsmcSetBoolean(xsResult, place != NULL);
}

void xs_chip_wake_cause(xsMachine* the) {
  int cause;
  switch (esp_reset_reason()) {
    case ESP_RST_DEEPSLEEP: cause = SW_WAKE_SLEEP; break;
    case ESP_RST_SW:
    case ESP_RST_PANIC: cause = SW_WAKE_RESTART; break;
    case ESP_RST_INT_WDT:
    case ESP_RST_TASK_WDT:
    case ESP_RST_WDT: cause = SW_WAKE_WATCHDOG; break;
    default: cause = SW_WAKE_POWER; break;
  }
  xsmcSetInteger(xsResult, cause);
}

void xs_chip_sleep(xsMachine* the) {
  double milliseconds = xsmcToNumber(xsArg(0));
  /* The timer has 48 bits of slow clock cycles; a year is far below, and longer than any battery. */
  if (!(milliseconds >= 1)) milliseconds = 1;
  if (milliseconds > 31536000000.0) milliseconds = 31536000000.0;
  esp_deep_sleep((uint64_t)(milliseconds * 1000));
}

void xs_chip_restart(xsMachine* the) {
  (void)the;
  esp_restart();
}

/* The JavaScript task gives way, so that the idle task runs, whose absence the watchdog bites for. */
void xs_chip_feed(xsMachine* the) {
  (void)the;
#if CONFIG_ESP_TASK_WDT_EN
  if (esp_task_wdt_status(NULL) == ESP_OK) esp_task_wdt_reset();
#endif
  vTaskDelay(1);
}

#if SOC_HMAC_SUPPORTED
/* The key block that was burnt for HMAC by software ("upstream"), such as with `espefuse.py burn_key BLOCK_KEY4 key.bin HMAC_UP`. */
static int keyOf(hmac_key_id_t* key) {
  esp_efuse_block_t block;
  if (!esp_efuse_find_purpose(ESP_EFUSE_KEY_PURPOSE_HMAC_UP, &block)) return 0;
  *key = (hmac_key_id_t)(block - EFUSE_BLK_KEY0);
  return 1;
}
#endif

void xs_chip_has_secret(xsMachine* the) {
#if SOC_HMAC_SUPPORTED
  hmac_key_id_t key;
  xsmcSetBoolean(xsResult, keyOf(&key));
#else
  xsmcSetBoolean(xsResult, 0);
#endif
}

void xs_chip_hmac(xsMachine* the) {
  int made = 0;
#if SOC_HMAC_SUPPORTED
  void *data = NULL, *into = NULL;
  xsUnsignedValue size = 0, room = 0;
  hmac_key_id_t key;
  xsmcGetBufferReadable(xsArg(0), &data, &size);
  xsmcGetBufferWritable(xsArg(1), &into, &room);
  made = room == 32 && keyOf(&key) && esp_hmac_calculate(key, data, size, into) == ESP_OK;
#endif
  xsmcSetBoolean(xsResult, made);
}

/* Hardware noise, true randomness while Wi-Fi or Bluetooth is on: every connection and every key is made then. */
int sw_entropy(void* context, unsigned char* output, size_t size) {
  (void)context;
  esp_fill_random(output, size);
  return 0;
}

/* Wi-Fi, too, uses the library. */
const void* sw_task(void) {
  return xTaskGetCurrentTaskHandle();
}

/* The RTC timer since power-on: it runs through deep sleep, and nobody sets it, as SNTP does the wall clock. */
int64_t sw_clock(void) {
  return (int64_t)(esp_rtc_get_time_us() / 1000);
}
