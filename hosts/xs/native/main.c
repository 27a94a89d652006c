/* The host program: options, flash, the machine of the device, the loop. */
#define _GNU_SOURCE
#include "xsAll.h"
#include "host.h"
#include "library.h"
#include "memory.h"
#include "options.h"
#include <sys/mman.h>

#define FLASH_BYTES (96u * 1024 * 1024)
#define HEAP_BYTES (384u * 1024 * 1024)
#if defined(__SANITIZE_ADDRESS__)
  #define NATIVE_STACK_BYTES (32u * 1024 * 1024)
#else
  #define NATIVE_STACK_BYTES (2u * 1024 * 1024)
#endif

static Options options;

static const char usage[] =
    "Usage: sealwire-xs [options] MODULE [-- ARGUMENT...]\n"
    "Runs a firmware's compiled JavaScript on the XS engine.\n\n"
    "  --static BYTES   heap of a fixed size for chunks, slots and stack, with the increments of an ESP8266\n"
    "  --stack SLOTS    size of the JavaScript stack (256 with --static, else 4096)\n"
    "  --chunks BYTES   hard cap for chunks: the firmware ends when it needs more, however much it collects\n"
    "  --slots COUNT    hard cap for slots\n"
    "  --native BYTES   hard cap for what TLS and cryptography allocate beside the heap\n"
    "  --map NAME=PATH  the file that an import of NAME means; NAME may end in * (repeat as needed)\n"
    "  --preload MODULE runs a module at build time: what it makes lies in flash (repeat as needed)\n"
    "  --heap           prints the heap's figures at the end, on standard error, as one line of JSON\n"
    "  --measure        prints them once the engine has started, before the firmware's modules are loaded\n"
    "  --census         prints with them what lies in the heap, object by object\n"
    "  --list           prints the modules that the firmware holds, and ends\n"
    "  --xsbug HOST:PORT  attaches the debugger xsbug\n"
    "  --version        prints the version of the engine, and ends\n";

static size_t number(const char* option, const char* text) {
  char* end;
  if (!text) hostFail(EXIT_USAGE, "%s wants a number.", option);
  unsigned long value = strtoul(text, &end, 10);
  if (*end || end == text || value > HEAP_BYTES) hostFail(EXIT_USAGE, "%s wants a number, not %s.", option, text);
  return value;
}

static void parse(int argc, char** argv) {
  int i;
  options.preloads = calloc((size_t)argc, sizeof(char*));
  for (i = 1; i < argc && argv[i][0] == '-'; i++) {
    const char* option = argv[i];
    char* value = i + 1 < argc ? argv[i + 1] : NULL;
    if (!strcmp(option, "--heap")) options.heap = 1;
    else if (!strcmp(option, "--measure")) options.measure = 1;
    else if (!strcmp(option, "--census")) options.measure = options.census = 1;
    else if (!strcmp(option, "--list")) options.list = 1;
    else if (!strcmp(option, "--help")) {
      fputs(usage, stdout);
      exit(0);
    } else if (!strcmp(option, "--version")) {
      printf("XS %d.%d.%d, %d bits%s%s\n", XS_MAJOR_VERSION, XS_MINOR_VERSION, XS_PATCH_VERSION, (int)sizeof(void*) * 8,
             sw_library_version() ? ", Mbed TLS " : "", sw_library_version() ? sw_library_version() : "");
      exit(0);
    } else if (!value) hostFail(EXIT_USAGE, "%s is no option, or wants a value.", option);
    else if (!strcmp(option, "--static")) options.fixed = number(option, value), i++;
    else if (!strcmp(option, "--stack")) options.stack = number(option, value), i++;
    else if (!strcmp(option, "--chunks")) options.chunks = number(option, value), i++;
    else if (!strcmp(option, "--slots")) options.slots = number(option, value), i++;
    else if (!strcmp(option, "--native")) sw_memory_cap(number(option, value)), i++;
    else if (!strcmp(option, "--map")) mapAdd(value), i++;
    else if (!strcmp(option, "--preload")) options.preloads[options.preloadCount++] = value, i++;
    else if (!strcmp(option, "--xsbug")) debuggerAddress = value, i++;
    else hostFail(EXIT_USAGE, "%s is no option.", option);
  }
  if (i == argc) {
    fputs(usage, stderr);
    exit(EXIT_USAGE);
  }
  options.entry = argv[i++];
  if (i < argc && !strcmp(argv[i], "--")) i++;
  options.argumentCount = argc - i;
  options.arguments = argv + i;
}

const Options* hostOptions(void) {
  return &options;
}

static void print(const char* name, Figures figures) {
  fprintf(stderr, "\"%s\":{\"used\":%zu,\"peak\":%zu,\"total\":%zu},", name, figures.used, figures.peak, figures.total);
}

void heapAtEnd(txMachine* the) {
  HeapReport report;
  if (!options.heap) return;
  heapReport(the, &report);
  fputc('{', stderr);
  print("chunks", report.chunks);
  print("slots", report.slots);
  print("stack", report.stack);
  print("native", report.native);
  print("library", (Figures){sw_memory_now(), sw_memory_peak(), sw_memory_cap(0)});
  fprintf(stderr, "\"free\":%zu}\n", report.free);
}

/* Flash: the built-ins, every module's bytecode, and what preloaded modules made. */
static txMachine* makeFlash(Arena* arena) {
  txCreation creation = {1 << 20, 1 << 20, 1 << 16, 1 << 14, 8192, 8192, 1024, 1993, 127, 64 * 1024, 1993, 0};
  arenaOpen(arena, FLASH_BYTES);
  nextArena = arena;
  txMachine* root = fxCreateMachine(&creation, "flash", NULL, XS_NO_ID);
  if (!root) hostFail(EXIT_ENGINE_FAILURE, "The engine cannot be started.");
  modulesLink(root, options.entry, options.preloads, options.preloadCount);
  modulesPreload(root);
  loopPromiseJobs(root);
  flashPrepare(root);
  fxShareMachine(root);
  flashSeal(root);
  arenaProtect(arena);
  return root;
}

static txMachine* makeDevice(Arena* arena, txMachine* root) {
  /* Roomy without --static: tests need many times the heap of a chip, and each increment costs a garbage collection. */
  txCreation creation = {1 << 26, 1 << 24, 1 << 18, 1 << 18, 4096, 64, 32, 1993, 127, 64 * 1024, 1993, 0};
  if (options.fixed) {
    creation.initialChunkSize = 1536;
    creation.incrementalChunkSize = 512;
    creation.initialHeapCount = 512;
    creation.incrementalHeapCount = 64;
    creation.stackCount = 256;
    creation.staticSize = (txSize)options.fixed;
  }
  if (options.stack) creation.stackCount = (txSize)options.stack;
  if (options.chunks) creation.initialChunkSize = (txSize)options.chunks, creation.incrementalChunkSize = 0;
  if (options.slots) creation.initialHeapCount = (txSize)options.slots;
  arenaOpen(arena, options.fixed ? options.fixed : HEAP_BYTES);
  arena->fixedSlots = options.slots != 0;
  nextArena = arena;
  txMachine* the = fxCloneMachine(&creation, root, "sealwire-xs", NULL);
  if (!the) hostFail(EXIT_MEMORY_FULL, "The heap of %zu bytes is too small for the engine itself.", options.fixed);
  return the;
}

static void* run(void* unused) {
  static Arena flash, heap;
  (void)unused;
  txMachine* root = makeFlash(&flash);
  if (options.list) {
    modulesList();
    exit(EXIT_DONE);
  }
  nativeStackPaint();
  txMachine* the = makeDevice(&heap, root);
  loopInstall(the);
  networkInstall(the);
  boardInstall(the);
  if (options.measure) {
    heapMeasure(the, "boot");
    heapResetPeaks(the);
  } else
    heapPaintStack(the);
  boardRunning();
  modulesEntry(the, options.entry);
  loopRun(the);
  heapAtEnd(the);
  fflush(stdout);
  exit(EXIT_DONE);
}

#if defined(__SANITIZE_ADDRESS__)
/* The process ends with its machines: nothing is freed one by one. */
const char* __asan_default_options(void);
const char* __asan_default_options(void) {
  return "detect_leaks=0:handle_segv=0:detect_stack_use_after_return=0";
}
#endif

int main(int argc, char** argv) {
  pthread_attr_t attributes;
  pthread_t thread;
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGPIPE, SIG_IGN);
  sigset_t ofNetwork;
  sigemptyset(&ofNetwork);
  sigaddset(&ofNetwork, SIGUSR1);
  sigaddset(&ofNetwork, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &ofNetwork, NULL);
  parse(argc, argv);
  /* A stack of its own, so that its peak can be measured. */
  uint8_t* stack = mmap(NULL, NATIVE_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) hostFail(EXIT_ENGINE_FAILURE, "The desktop has no memory for the stack.");
  nativeStackSet(stack, NATIVE_STACK_BYTES);
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, stack, NATIVE_STACK_BYTES);
  if (pthread_create(&thread, &attributes, run, NULL)) hostFail(EXIT_ENGINE_FAILURE, "The machine's thread cannot be started.");
  pthread_join(thread, NULL);
  return EXIT_DONE;
}
