#include "retained.h"
#include "user_interface.h"
#include <string.h>

int sw_retained_holds(int32_t offset, uint32_t size) {
  return offset >= 0 && size <= SW_RETAINED_LENGTH && (uint32_t)offset <= SW_RETAINED_LENGTH - size;
}

/*
 * RTC memory is moved in blocks, what is asked for need not begin or end at one: 64 bytes at a time, from the first block that is touched.
 */
int sw_retained_move(uint32_t offset, uint8_t* target, const uint8_t* source, uint32_t size) {
  uint32_t blocks[16];
  while (size) {
    uint32_t begin = offset & ~3u, skip = offset - begin;
    uint32_t count = size < sizeof blocks - skip ? size : (uint32_t)sizeof blocks - skip;
    uint16_t length = (uint16_t)((skip + count + 3) & ~3u);
    uint8_t block = (uint8_t)(SW_RETAINED_BLOCK + begin / 4);
    if (!system_rtc_mem_read(block, blocks, length)) return 0;
    if (target) {
      memcpy(target, (uint8_t*)blocks + skip, count);
      target += count;
    } else {
      memcpy((uint8_t*)blocks + skip, source, count);
      if (!system_rtc_mem_write(block, blocks, length)) return 0;
      source += count;
    }
    offset += count;
    size -= count;
  }
  return 1;
}
