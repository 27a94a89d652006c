/*
 * The native memory of Mbed TLS and of the code around it: every block is counted, and a cap makes allocation fail.
 *
 * Builds of the library that are ours call these functions directly (sealwire_mbedtls_config.h); the archives of a distribution have their
 * `calloc` and `free` renamed to them when the host is linked. Only shared libraries and ESP-IDF's library cannot be watched:
 * `sw_memory_watched()`. Of ESP-IDF's no more is seen than that an allocation fails: it lets a function of ours come before its own.
 */
#ifndef SEALWIRE_MEMORY_H
#define SEALWIRE_MEMORY_H

#include <stddef.h>

/* Zeroed; NULL when there is no memory, or the cap would be exceeded. */
void* sw_memory_calloc(size_t count, size_t size);
/* NULL is allowed. The content is not wiped: who holds secrets does that before. */
void sw_memory_free(void* block);

/*
 * A ring of blocks that belong together. While it is watched, new blocks join it; those that are freed leave it. For steps after which the
 * library may forget what it allocated. Zeroed it is empty.
 */
typedef struct SwMemoryRing {
  struct SwMemoryRing* next;
} SwMemoryRing;

void sw_memory_watch(SwMemoryRing* ring);
void sw_memory_unwatch(void);
/* Its blocks are like all others again. */
void sw_memory_let_go(SwMemoryRing* ring);
/* Wipes and frees what is left of it. */
void sw_memory_reclaim(SwMemoryRing* ring);

/* Bytes in use, as asked for: without what the system's allocator needs for itself. */
size_t sw_memory_now(void);
/* The most that was in use since the last reset. */
size_t sw_memory_peak(void);
void sw_memory_reset_peak(void);
/* Blocks in use. */
size_t sw_memory_blocks(void);

/* The most that may be in use; 0 for no cap. @returns the cap of before */
size_t sw_memory_cap(size_t bytes);

/*
 * How many allocations have failed since the program began. Mbed TLS hides it: a chain that could not be verified for want of memory
 * reads as badly signed. Who calls the library compares the number before and after, and believes no other error when it grew.
 */
unsigned sw_memory_failures(void);
/* Of a host whose library allocates by functions of the platform: what tells this task from others, never NULL. Only its own failures count. */
const void* sw_task(void);

#ifdef SEALWIRE_MEMORY_FAULTS
/* Of the desktop host alone, for tests: the n-th allocation from now fails, alone or with all after it; counted down. */
typedef struct {
  unsigned count;
  int stays;
} SwMemoryFault;
extern SwMemoryFault sw_memory_fault;
#endif

/* Whether the library's own allocations are seen here. */
int sw_memory_watched(void);

#endif
