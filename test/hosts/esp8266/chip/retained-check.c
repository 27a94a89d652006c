/*
 * Writes and reads every offset and length of the retained memory against a plain copy of it, on a model of the chip's RTC memory that
 * refuses what the chip refuses. Says on standard output what it saw, one fact a line.
 */
#include "retained.h"
#include "user_interface.h"
#include <stdio.h>
#include <string.h>

enum { BLOCKS = 192, SYSTEM = 64, CLOCK = 10 };

static uint8_t rtc[BLOCKS * 4];
static int lowest = BLOCKS, highest = -1, refuse = 0;

static int takes(uint8_t block, uint16_t length) {
  int last = block + length / 4 - 1;
  if (refuse || length % 4 || !length || last >= BLOCKS) return 0;
  if (block < lowest) lowest = block;
  if (last > highest) highest = last;
  return 1;
}

boolean system_rtc_mem_read(uint8_t block, void* into, uint16_t length) {
  if (!takes(block, length)) return 0;
  memcpy(into, rtc + 4 * block, length);
  return 1;
}

boolean system_rtc_mem_write(uint8_t block, const void* from, uint16_t length) {
  if (!takes(block, length)) return 0;
  memcpy(rtc + 4 * block, from, length);
  return 1;
}

int main(void) {
  static uint8_t plain[SW_RETAINED_LENGTH], bytes[SW_RETAINED_LENGTH], back[SW_RETAINED_LENGTH];
  unsigned seed = 1, wrong = 0, moves = 0;
  memset(rtc, 0xa5, sizeof rtc);
  memset(plain, 0xa5, sizeof plain);
  for (uint32_t size = 0; size <= SW_RETAINED_LENGTH; size++)
    for (uint32_t offset = 0; offset + size <= SW_RETAINED_LENGTH; offset += 1 + size / 8) {
      for (uint32_t i = 0; i < size; i++) bytes[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
      if (!sw_retained_holds((int32_t)offset, size)) wrong++;
      if (!sw_retained_move(offset, NULL, bytes, size)) wrong++;
      memcpy(plain + offset, bytes, size);
      memset(back, 0, sizeof back);
      if (!sw_retained_move(0, back, NULL, SW_RETAINED_LENGTH) || memcmp(back, plain, sizeof back)) wrong++;
      if (!sw_retained_move(offset, back, NULL, size) || memcmp(back, bytes, size)) wrong++;
      moves++;
    }
  for (int i = 0; i < 4 * (SYSTEM + CLOCK); i++) wrong += rtc[i] != 0xa5;
  printf("length %d\nmoves %u\nwrong %u\nblocks %d to %d\n", SW_RETAINED_LENGTH, moves, wrong, lowest, highest);
  printf("outside %d\n", sw_retained_holds(-1, 1) || sw_retained_holds(0, SW_RETAINED_LENGTH + 1) ||
                             sw_retained_holds(SW_RETAINED_LENGTH, 1) || sw_retained_holds(1, SW_RETAINED_LENGTH) ||
                             sw_retained_holds(INT32_MAX, UINT32_MAX));
  refuse = 1;
  printf("refused %d\n", sw_retained_move(0, NULL, bytes, 4) || sw_retained_move(0, back, NULL, 4));
  return 0;
}
