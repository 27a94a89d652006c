/* Counts and caps what Mbed TLS allocates: see memory.h. */
#include "memory.h"
#include <stdint.h>
#include <stdlib.h>

/* In front of each block; as large as the strictest alignment asks for. */
typedef union {
  size_t size;
  long double alignment;
  void* pointer;
} Header;

static struct {
  size_t now, peak, cap, blocks;
  unsigned failures;
} memory;

#ifdef SEALWIRE_MEMORY_FAULTS
SwMemoryFault sw_memory_fault;

static int isFault(void) {
  if (sw_memory_fault.count == 0) return 0;
  if (sw_memory_fault.count == 1 && sw_memory_fault.stays) return 1;
  return --sw_memory_fault.count == 0;
}
#else
  #define isFault() 0
#endif

void* sw_memory_calloc(size_t count, size_t size) {
  size_t bytes = count * size;
  Header* header = NULL;
  if (count && bytes / count != size) bytes = SIZE_MAX;
  /* The cap is not a budget that may be exceeded by one block. */
  if (bytes <= SIZE_MAX - sizeof(Header) && (!memory.cap || (memory.now <= memory.cap && bytes <= memory.cap - memory.now)) && !isFault())
    header = calloc(1, sizeof(Header) + bytes);
  if (!header) {
    memory.failures++;
    return NULL;
  }
  header->size = bytes;
  memory.now += bytes;
  memory.blocks++;
  if (memory.now > memory.peak) memory.peak = memory.now;
  return header + 1;
}

void sw_memory_free(void* block) {
  if (!block) return;
  Header* header = (Header*)block - 1;
  memory.now -= header->size;
  memory.blocks--;
  free(header);
}

size_t sw_memory_now(void) {
  return memory.now;
}

size_t sw_memory_peak(void) {
  return memory.peak;
}

void sw_memory_reset_peak(void) {
  memory.peak = memory.now;
}

size_t sw_memory_blocks(void) {
  return memory.blocks;
}

size_t sw_memory_cap(size_t bytes) {
  size_t before = memory.cap;
  memory.cap = bytes;
  return before;
}

unsigned sw_memory_failures(void) {
  return memory.failures;
}

int sw_memory_watched(void) {
#ifdef SEALWIRE_MEMORY_UNWATCHED
  return 0;
#else
  return 1;
#endif
}
