/*
 * Runs a simulator app (`mc.so`) without a window: for terminals and continuous integration.
 *
 * Compiled on demand by `sealwire moddable` against the Moddable SDK that made the app. What the app traces goes to standard output. Exit
 * codes: what the app ends with (80: it sleeps, 81: it restarts), 2 for a wrong use, 70 when the engine gave up, such as for an uncaught
 * exception.
 */
#define mxLinux 1
#include "screen.h"
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXIT_USAGE = 2, EXIT_ENGINE = 70 };

static GMainLoop* loop;
static guint idle;

static void onAbort(txScreen* screen, int status) {
  (void)screen;
  fprintf(stderr, "The engine gave up (status %d): the output above says why. A chip would restart.\n", status);
  fflush(stdout);
  _Exit(EXIT_ENGINE);
}

static void onChange(txScreen* screen) {
  (void)screen;
}

static gboolean onIdle(gpointer screen) {
  if (((txScreen*)screen)->idle) ((txScreen*)screen)->idle(screen);
  return G_SOURCE_CONTINUE;
}

static void onStart(txScreen* screen, double interval) {
  screen->flags |= mxScreenIdling;
  if (!idle) idle = g_timeout_add((guint)interval, onIdle, screen);
}

static void onStop(txScreen* screen) {
  screen->flags &= ~mxScreenIdling;
  if (idle) g_source_remove(idle);
  idle = 0;
}

static void onPost(txScreen* screen, char* message, int size) {
  (void)screen;
  (void)message;
  (void)size;
}

int main(int count, char* arguments[]) {
  if (count != 2) {
    fprintf(stderr, "Usage: %s mc.so\n", arguments[0]);
    return EXIT_USAGE;
  }
  /* Lines as they come, into a pipe as well. */
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  /* The SDK's sockets write to connections that are gone; a debugger's connection sets the default back. */
  signal(SIGPIPE, SIG_IGN);
  void* app = dlopen(arguments[1], RTLD_NOW);
  if (!app) {
    fprintf(stderr, "%s\n", dlerror());
    return EXIT_USAGE;
  }
  void (*launch)(txScreen*);
  *(void**)&launch = dlsym(app, "fxScreenLaunch");
  if (!launch) {
    fprintf(stderr, "%s is not an app of the Moddable simulator.\n", arguments[1]);
    return EXIT_USAGE;
  }
  /* A screen of one pixel. */
  txScreen* screen = calloc(1, sizeof(txScreen) + screenBytesPerPixel);
  if (!screen) return EXIT_ENGINE;
  screen->width = screen->height = 1;
  screen->rotation = -1;
  screen->abort = onAbort;
  screen->bufferChanged = onChange;
  screen->formatChanged = onChange;
  screen->post = onPost;
  screen->start = onStart;
  screen->stop = onStop;
  g_mutex_init(&screen->workersMutex);
  loop = g_main_loop_new(NULL, FALSE);
  launch(screen);
  signal(SIGPIPE, SIG_IGN);
  g_main_loop_run(loop);
  return 0;
}
