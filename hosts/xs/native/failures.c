/* How the process ends when the program cannot go on: a named exit code and a sentence. */
#define _GNU_SOURCE
#include "xsAll.h"
#include "host.h"
#include "options.h"

static const char* nameOf(ExitCode code) {
  switch (code) {
    case EXIT_USAGE: return "USAGE";
    case EXIT_UNCAUGHT_EXCEPTION: return "UNCAUGHT_EXCEPTION";
    case EXIT_UNHANDLED_REJECTION: return "UNHANDLED_REJECTION";
    case EXIT_MEMORY_FULL: return "MEMORY_FULL";
    case EXIT_STACK_OVERFLOW: return "STACK_OVERFLOW";
    case EXIT_MODULE_NOT_FOUND: return "MODULE_NOT_FOUND";
    case EXIT_SYNTAX_ERROR: return "SYNTAX_ERROR";
    case EXIT_FLASH_WRITE: return "FLASH_WRITE";
    default: return "ENGINE_FAILURE";
  }
}

void hostFail(ExitCode code, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fflush(stdout);
  fprintf(stderr, "%s: ", nameOf(code));
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  fflush(stderr);
  _exit(code);
}

const char* currentPlace(txMachine* the) {
  static char place[1200];
  for (txSlot* frame = the->frame; frame && frame->next; frame = frame->next) {
    txSlot* environment = mxFrameToEnvironment(frame);
    if (environment->ID == XS_NO_ID || environment->value.environment.line == 0) continue;
    snprintf(place, sizeof place, "%s:%d", fxGetKeyName(the, environment->ID), (int)environment->value.environment.line);
    return place;
  }
  return "an unknown place";
}

/* The innermost frames, as an error's stack shows them. */
static void printFrames(txMachine* the) {
  int count = 0;
  for (txSlot* frame = the->frame; frame && frame->next && count < 8; frame = frame->next) {
    txSlot* environment = mxFrameToEnvironment(frame);
    char name[128] = "";
    if (environment->ID == XS_NO_ID || environment->value.environment.line == 0) continue;
    fxBufferFrameName(the, name, sizeof name, frame, "");
    fprintf(stderr, " at %s (%s:%d)\n", name, fxGetKeyName(the, environment->ID), (int)environment->value.environment.line);
    count++;
  }
}

/* The stack that an error carries, or at least its name and message. */
static void describe(txMachine* the, char* text, size_t size) {
  snprintf(text, size, "an exception that cannot be shown");
  mxTry(the) {
    mxOverflow(-4);
    mxPush(mxException);
    if (the->stack->kind == XS_REFERENCE_KIND) {
      txSlot* exception = the->stack;
      mxPushSlot(exception);
      mxGetID(mxID(_stack));
      if (the->stack->kind == XS_UNDEFINED_KIND) *the->stack = *exception;
    } else
      mxPushUndefined(), *the->stack = mxException;
    fxToString(the, the->stack);
    snprintf(text, size, "%s", the->stack->value.string);
    mxPop();
    mxPop();
  }
  mxCatch(the) {
  }
}

void reportException(txMachine* the, ExitCode code) {
  static char text[8192];
  describe(the, text, sizeof text);
  hostFail(code, "%s", text);
}

/* The engine gives up. A chip would restart. */
void fxAbort(txMachine* the, int status) {
  switch (status) {
    case XS_NOT_ENOUGH_MEMORY_EXIT: {
      char size[32] = "";
      if (hostOptions()->fixed) snprintf(size, sizeof size, " of %zu bytes", hostOptions()->fixed);
      printFrames(the);
      hostFail(EXIT_MEMORY_FULL, "The heap%s is full at %s (chunks %d of %d, slots %d of %d bytes used).", size, currentPlace(the),
               (int)the->currentChunksSize, (int)the->maximumChunksSize, (int)((size_t)the->currentHeapCount * sizeof(txSlot)),
               (int)((size_t)the->maximumHeapCount * sizeof(txSlot)));
    }
    case XS_STACK_OVERFLOW_EXIT:
      printFrames(the);
      hostFail(EXIT_STACK_OVERFLOW, "The stack of %d slots is full at %s.", (int)(the->stackTop - the->stackBottom), currentPlace(the));
    case XS_UNHANDLED_EXCEPTION_EXIT: reportException(the, EXIT_UNCAUGHT_EXCEPTION);
    case XS_UNHANDLED_REJECTION_EXIT: reportException(the, EXIT_UNHANDLED_REJECTION);
    case XS_NO_MORE_KEYS_EXIT: hostFail(EXIT_MEMORY_FULL, "No property name is left at %s.", currentPlace(the));
    case XS_DEBUGGER_EXIT: hostFail(EXIT_DONE, "The debugger ended the program.");
    default: hostFail(EXIT_ENGINE_FAILURE, "The engine ended with status %d at %s.", status, currentPlace(the));
  }
}
