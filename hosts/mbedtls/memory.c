/* Counts and caps what Mbed TLS allocates: see memory.h. */
#include "memory.h"
#include "mbedtls/platform.h"
#include "mbedtls/platform_util.h"
#include <stdint.h>
#include <stdlib.h>

/*
 * Of a library that allocates by functions of its platform, ESP-IDF's: in front of them, and no further. The same function frees, whenever a block
 * was made, so it does not matter that tasks of the system may have used the library before.
 */
#if defined(SEALWIRE_MEMORY_UNWATCHED) && defined(MBEDTLS_PLATFORM_MEMORY) && !defined(MBEDTLS_PLATFORM_CALLOC_MACRO) && \
    !defined(CONFIG_MBEDTLS_CUSTOM_MEM_ALLOC)
  #define SW_MEMORY_NOTES_FAILURES
#endif

/* In front of each block; as large as the strictest alignment asks for. */
typedef union {
  struct {
    size_t size;
    /* `next` is NULL outside of a ring. */
    SwMemoryRing link;
  } is;
  long double alignment;
  void* pointer;
} Header;

static struct {
  size_t now, peak, cap, blocks;
  unsigned failures;
} memory;

/* The ring that new blocks join. */
static SwMemoryRing* watching;

/* Mostly one of the newest goes, which are the first of the ring that is watched. */
static void leave(SwMemoryRing* link) {
  SwMemoryRing* before = watching ? watching : link;
  while (before->next != link) {
    before = before->next;
    /* It is in another ring. */
    if (before == watching) before = link;
  }
  before->next = link->next;
  link->next = NULL;
}

void sw_memory_let_go(SwMemoryRing* ring) {
  for (SwMemoryRing* link = ring->next; link && link != ring;) {
    SwMemoryRing* next = link->next;
    link->next = NULL;
    link = next;
  }
  ring->next = NULL;
}

void sw_memory_watch(SwMemoryRing* ring) {
  sw_memory_let_go(ring);
  ring->next = ring;
  watching = ring;
}

void sw_memory_unwatch(void) {
  watching = NULL;
}

void sw_memory_reclaim(SwMemoryRing* ring) {
  while (ring->next && ring->next != ring) {
    Header* header = (Header*)((char*)ring->next - offsetof(Header, is.link));
    mbedtls_platform_zeroize(header + 1, header->is.size);
    sw_memory_free(header + 1);
  }
  ring->next = NULL;
}

#ifdef SEALWIRE_MEMORY_FAULTS
SwMemoryFault sw_memory_fault;

static int isFault(void) {
  if (sw_memory_fault.count == 0) return 0;
  if (sw_memory_fault.count == 1 && sw_memory_fault.stays) return 1;
  return --sw_memory_fault.count == 0;
}

  #ifdef SEALWIRE_MEMORY_UNWATCHED
void* sw_memory_unwatched_calloc(size_t count, size_t size);
void sw_memory_unwatched_free(void* block);

/* Stands for the allocation of a platform that is not ours, such as ESP-IDF. */
void* sw_memory_unwatched_calloc(size_t count, size_t size) {
  return isFault() ? NULL : calloc(count, size);
}

void sw_memory_unwatched_free(void* block) {
  free(block);
}
  #endif
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
  header->is.size = bytes;
  if (watching) {
    header->is.link.next = watching->next;
    watching->next = &header->is.link;
  }
  memory.now += bytes;
  memory.blocks++;
  if (memory.now > memory.peak) memory.peak = memory.now;
  return header + 1;
}

void sw_memory_free(void* block) {
  if (!block) return;
  Header* header = (Header*)block - 1;
  if (header->is.link.next) leave(&header->is.link);
  memory.now -= header->is.size;
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

#ifdef SW_MEMORY_NOTES_FAILURES
static const void* task;

/* Of no bytes ESP-IDF gives none: that is no want. */
static void* noted(size_t count, size_t size) {
  void* block = MBEDTLS_PLATFORM_STD_CALLOC(count, size);
  if (!block && count && size && sw_task() == task) memory.failures++;
  return block;
}
#endif

/* Asked before each call of the library whose errors matter, so it is here that the library is told, before the first of them. */
unsigned sw_memory_failures(void) {
#ifdef SW_MEMORY_NOTES_FAILURES
  if (!task) mbedtls_platform_set_calloc_free(noted, MBEDTLS_PLATFORM_STD_FREE);
  task = sw_task();
#endif
  return memory.failures;
}

int sw_memory_watched(void) {
#ifdef SEALWIRE_MEMORY_UNWATCHED
  return 0;
#else
  return 1;
#endif
}
