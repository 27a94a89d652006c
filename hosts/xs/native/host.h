/* What the parts of the host share. Includes neither `xs.h` nor `xsAll.h`: each part includes the one it needs first. */
#ifndef SEALWIRE_XS_HOST_H
#define SEALWIRE_XS_HOST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __XS__
typedef struct xsMachineRecord HostMachine;
#else
typedef struct sxMachine HostMachine;
#endif

/* Why the process ends; the names are what people and tests read. */
typedef enum {
  EXIT_DONE = 0,
  EXIT_USAGE = 2,
  EXIT_UNCAUGHT_EXCEPTION = 70,
  EXIT_UNHANDLED_REJECTION = 71,
  EXIT_MEMORY_FULL = 72,
  EXIT_STACK_OVERFLOW = 73,
  EXIT_MODULE_NOT_FOUND = 74,
  EXIT_SYNTAX_ERROR = 75,
  EXIT_FLASH_WRITE = 76,
  EXIT_ENGINE_FAILURE = 77,
  EXIT_SLEEP = 80,
  EXIT_RESTART = 81,
} ExitCode;

/* Ends the process: one line `NAME: sentence` on standard error. */
void hostFail(ExitCode code, const char* format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/*
 * A block of memory that holds one machine's chunks (growing up from the bottom) and slots (growing down from the top), as on a
 * chip. Flash is such a block, too: made read-only once it is written.
 */
typedef struct {
  uint8_t* base;
  uint8_t* low;
  uint8_t* high;
  uint8_t* end;
  /* All the slots there will ever be are those of the beginning. */
  int fixedSlots;
} Arena;

void arenaOpen(Arena* arena, size_t size);
void arenaProtect(Arena* arena);

/* The arena of the machine that is made next. */
extern Arena* nextArena;

typedef struct {
  size_t used, peak, total;
} Figures;

typedef struct {
  Figures chunks, slots, stack, native;
  /* Of a heap of fixed size: what no area has claimed yet. */
  size_t free;
} HeapReport;

void heapReport(HostMachine* the, HeapReport* report);
/* The figures on standard error, as a line `MEASURE {...}`: what is used now is told without garbage, peaks with it. */
void heapMeasure(HostMachine* the, const char* step);
/* With `--census`, after each of these: what lies in the heap. */
void heapCensus(HostMachine* the, const char* step);
/* With `--heap`: the figures on standard error, as one line of JSON. The end of the process, for a cap is taken away. */
void heapAtEnd(HostMachine* the);
/* Collects garbage and lets every peak begin again from what is used now. */
void heapResetPeaks(HostMachine* the);
void heapPaintStack(HostMachine* the);
/* The C stack of the machine's thread, painted before it begins. */
void nativeStackSet(uint8_t* base, size_t size);
void nativeStackPaint(void);
void nativeStackReport(Figures* figures);
/* The deepest point of a native function of TLS, measured from where the engine calls it: with --measure. */
size_t nativeStackOfTLS(void);
typedef void (*NativeFunction)(HostMachine* the);
/* What is to be called in place of a native function. */
NativeFunction nativeStackWatched(const char* name, NativeFunction function);

/* Modules: `mapAdd` gives a name (or, ending in an asterisk, a folder of names) to files. */
void mapAdd(const char* definition);
/* The place in its source of a line of a compiled module. @returns whether there is a source map that tells */
int sourceMapFind(const char* path, int line, char* source, int* sourceLine);
void modulesLink(HostMachine* root, const char* entry, char** preloads, int preloadCount);
void modulesPreload(HostMachine* root);
void modulesEntry(HostMachine* the, const char* entry);
void modulesList(void);

/* The event loop: returns once nothing can happen any more. */
void loopRun(HostMachine* the);
void loopInstall(HostMachine* the);
void networkInstall(HostMachine* the);
void loopPromiseJobs(HostMachine* the);

/* Opens the wire to the board that started the process, if one did, and ends with it; then that the firmware is about to run. */
void boardInstall(HostMachine* the);
void boardRunning(void);

/* Seals what the root machine holds as flash: nothing in it is a chunk of the device's heap. Before and after it is shared. */
void flashPrepare(HostMachine* root);
void flashSeal(HostMachine* root);

/* Describes what was thrown, with the place where it was made, on standard error. */
void reportException(HostMachine* the, ExitCode code) __attribute__((noreturn));
/* `file:line` of the innermost frame that has one. */
const char* currentPlace(HostMachine* the);

/* The debugger xsbug at HOST:PORT. */
extern const char* debuggerAddress;

#endif
