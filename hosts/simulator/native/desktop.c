/* The desktop around the simulator: native functions of desktop.js. */
#include "xsmc.h"
#include <stdio.h>
#include <stdlib.h>

void xs_desktop_environment(xsMachine* the);
void xs_desktop_exit(xsMachine* the);

void xs_desktop_environment(xsMachine* the) {
  const char* value = getenv(xsmcToString(xsArg(0)));
  if (value) xsmcSetString(xsResult, (char*)value);
}

void xs_desktop_exit(xsMachine* the) {
  int code = xsmcToInteger(xsArg(0));
  fflush(stdout);
  exit(code);
}
