/* Memory of a machine: one arena, as on a chip, with the figures of its parts. */
#define _GNU_SOURCE
#include "xsAll.h"
#include "host.h"
#include "memory.h"
#include "options.h"
#include <signal.h>
#include <sys/mman.h>

#define PAINT 0xA5

Arena* nextArena;

static Arena* flash;
/* The machine of the device. */
static txMachine* running;

void arenaOpen(Arena* arena, size_t size) {
  void* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) hostFail(EXIT_ENGINE_FAILURE, "The desktop has no %zu bytes for the heap.", size);
  arena->base = arena->low = memory;
  arena->high = arena->end = arena->base + size;
}

static void onFault(int signal, siginfo_t* info, void* context) {
  uint8_t* address = info->si_addr;
  (void)context;
  if (flash && address >= flash->base && address < flash->end) {
    /* The fault was made by the machine's own thread, in the middle of a write: its frames can be read. */
    hostFail(EXIT_FLASH_WRITE, "A preloaded module or built-in was changed; on a chip it lies in flash. It happened at %s.",
             running ? currentPlace(running) : "an unknown place");
  }
  sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
}

void arenaProtect(Arena* arena) {
  struct sigaction action = {.sa_sigaction = onFault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  static uint8_t stack[65536];
  sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
  sigaction(SIGSEGV, &action, NULL);
  flash = arena;
  if (mprotect(arena->base, (size_t)(arena->end - arena->base), PROT_READ))
    hostFail(EXIT_ENGINE_FAILURE, "The flash cannot be protected.");
}

void fxCreateMachinePlatform(txMachine* the) {
  the->arena = nextArena;
  the->connection = -1;
  /* The flash is made first. */
  running = the;
}

void fxDeleteMachinePlatform(txMachine* the) {
  (void)the;
}

/*
 * The engine asks for whole increments. What the newest block has left is given back first, so that the block simply grows:
 * nothing is lost between two blocks.
 */
void* fxAllocateChunks(txMachine* the, txSize size) {
  Arena* arena = the->arena;
  txBlock* block = the->firstBlock;
  if (block) {
    txSize left = (txSize)(block->limit - block->current);
    txSize wanted = size - (txSize)sizeof(txBlock) - left;
    if (wanted < 0) wanted = 0;
    if (arena->low + wanted > arena->high) return NULL;
    /* fxGrowChunks adds `size` to the limit and to the total. */
    arena->low += wanted;
    block->limit = (txByte*)arena->low - size;
    the->maximumChunksSize += wanted - size;
    return block->limit;
  }
  if (arena->low + size > arena->high) return NULL;
  arena->low += size;
  return arena->low - size;
}

void fxFreeChunks(txMachine* the, void* chunks) {
  (void)the;
  (void)chunks;
}

txSlot* fxAllocateSlots(txMachine* the, txSize count) {
  Arena* arena = the->arena;
  size_t size = (size_t)count * sizeof(txSlot);
  /* The engine asks for more when collecting gave it little, too: only a heap with nothing left is full. */
  if (arena->fixedSlots && the->firstHeap) return the->freeHeap ? (txSlot*)-1 : NULL;
  if ((size_t)(arena->high - arena->low) < size) return NULL;
  arena->high -= size;
  /* The first slots a machine asks for are its stack. */
  if (!the->stackBottom) memset(arena->high, PAINT, size);
  return (txSlot*)arena->high;
}

void fxFreeSlots(txMachine* the, void* slots) {
  (void)the;
  (void)slots;
}

/* The bytes that were ever written above `base`, up to `size`. */
static size_t unpainted(const uint8_t* base, size_t size) {
  size_t i = 0;
  while (i < size && base[i] == PAINT) i++;
  return size - i;
}

/* Everything below the present end of a stack, with a margin for the frames of this very function. */
void heapPaintStack(txMachine* the) {
  memset(the->stackBottom, PAINT, (size_t)((uint8_t*)the->stack - (uint8_t*)the->stackBottom));
  nativeStackPaint();
}

void heapResetPeaks(txMachine* the) {
  fxCollectGarbage(the);
  the->peakChunksSize = the->currentChunksSize;
  the->peakHeapCount = the->currentHeapCount;
  sw_memory_reset_peak();
  heapPaintStack(the);
}

/*
 * How far the JavaScript stack ever reached down. Number formatting and regular expressions use the far end of the free stack as
 * scratch memory: a gap of untouched slots tells it apart.
 */
static size_t stackPeak(txMachine* the) {
  txSlot* lowest = the->stack;
  int gap = 0;
  for (txSlot* slot = the->stack - 1; slot >= the->stackBottom && gap < 16; slot--) {
    if (unpainted((uint8_t*)slot, sizeof(txSlot))) lowest = slot, gap = 0;
    else gap++;
  }
  return (size_t)((uint8_t*)the->stackTop - (uint8_t*)lowest);
}

void heapReport(txMachine* the, HeapReport* report) {
  Arena* arena = the->arena;
  size_t stackSize = (size_t)((uint8_t*)the->stackTop - (uint8_t*)the->stackBottom);
  report->chunks = (Figures){(size_t)the->currentChunksSize, (size_t)the->peakChunksSize, (size_t)the->maximumChunksSize};
  report->slots = (Figures){(size_t)the->currentHeapCount * sizeof(txSlot), (size_t)the->peakHeapCount * sizeof(txSlot),
                            (size_t)the->maximumHeapCount * sizeof(txSlot)};
  report->stack = (Figures){(size_t)((uint8_t*)the->stackTop - (uint8_t*)the->stack),
                            stackPeak(the), stackSize};
  nativeStackReport(&report->native);
  report->free = (size_t)(arena->high - arena->low);
}

void heapMeasure(txMachine* the, const char* step) {
  HeapReport now, peaks;
  heapReport(the, &peaks);
  fxCollectGarbage(the);
  heapReport(the, &now);
  fprintf(stderr,
          "MEASURE {\"step\":\"%s\",\"chunks\":[%zu,%zu],\"slots\":[%zu,%zu],\"stack\":[%zu,%zu],\"native\":[%zu,%zu],"
          "\"tlsStack\":%zu,\"library\":[%zu,%zu],\"free\":%zu}\n",
          step, now.chunks.used, peaks.chunks.peak, now.slots.used, peaks.slots.peak, now.stack.used, peaks.stack.peak,
          now.native.used, peaks.native.peak, nativeStackOfTLS(), sw_memory_now(), sw_memory_peak(), now.free);
  if (hostOptions()->census) heapCensus(the, step);
}

/*
 * A value copied out of flash must not look like a chunk of the heap, or the garbage collector would move it. `xsl` does the same
 * when it writes the slots of a firmware as C.
 */
static void sealSlot(txSlot* slot) {
  switch (slot->kind) {
    case XS_STRING_KIND: slot->kind = XS_STRING_X_KIND; break;
    case XS_KEY_KIND: slot->kind = XS_KEY_X_KIND; break;
    case XS_CODE_KIND: slot->kind = XS_CODE_X_KIND; break;
    case XS_BIGINT_KIND: slot->kind = XS_BIGINT_X_KIND; break;
    case XS_ARRAY_KIND: {
      txSlot* item = slot->value.array.address;
      if (item) {
        txSize count = ((txChunk*)((txByte*)item - sizeof(txChunk)))->size / (txSize)sizeof(txSlot);
        for (; count > 0; count--) sealSlot(item++);
      }
      break;
    }
    default: break;
  }
}

/* The global object of a desktop machine keeps a cache of its own properties; that of a linked firmware is a plain object. */
void flashPrepare(txMachine* the) {
  txSlot* global = mxGlobal.value.reference;
  global->next = global->next->next;
  global->flag &= ~XS_EXOTIC_FLAG;
}

void flashSeal(txMachine* root) {
  for (txSlot* heap = root->firstHeap; heap; heap = heap->next)
    for (txSlot* slot = heap + 1; slot < heap->value.reference; slot++) sealSlot(slot);
  for (txSlot* slot = root->stack; slot < root->stackTop; slot++) sealSlot(slot);
}
