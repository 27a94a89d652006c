/* The options of the command line. */
#ifndef SEALWIRE_XS_OPTIONS_H
#define SEALWIRE_XS_OPTIONS_H

#include <stddef.h>
#include <signal.h>

typedef struct {
  const char* entry;
  char** preloads;
  int preloadCount;
  size_t fixed;
  size_t stack;
  size_t chunks;
  size_t slots;
  int heap;
  int measure;
  int census;
  int list;
  char** arguments;
  int argumentCount;
} Options;

const Options* hostOptions(void);

#endif
