/*
 * Key-value storage: a folder with one file per key. It stands for NVS, which is native on a chip: nothing of it lies in the heap of
 * JavaScript, and a write needs no more of its stack than a call.
 */
#define _GNU_SOURCE
#include "loop.h"
#include "file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST_KEY 15
/* What an entry takes beside key and value: as in NVS. */
#define ENTRY_OVERHEAD 32

enum { NO_KEY = 1, TOO_LONG, FULL, INJECTED, SYSTEM };
typedef enum { NOTHING, FAIL, BEFORE, BETWEEN, AFTER } Action;

typedef struct {
  double capacity, maximum;
  int writes, atWrite;
  Action action;
  char folder[PATH_MAX];
} Storage;

void xs_storage_destructor(void* data);

static const char suffix[] = ".value";
/* Not on the stack: its peak is measured, and a chip has no paths. One thread calls these functions. */
static char path[PATH_MAX + 64], names[65536];

static void refuse(xsMachine* the, int refusal, int error) {
  if (xsmcArgc > 0) xsCall3(xsThis, fxID(the, "refuse"), xsInteger(refusal), xsArg(0), xsString((char*)strerror(error)));
  else xsCall3(xsThis, fxID(the, "refuse"), xsInteger(refusal), xsUndefined, xsString((char*)strerror(error)));
  xsUnknownError("the storage failed");
}

static Storage* storageOf(xsMachine* the) {
  return xsmcGetHostDataValidate(xsThis, (void*)xs_storage_destructor);
}

/* The file of the key. Some file systems do not tell upper from lower case, and a dot may begin a hidden file: both are escaped. */
static size_t fileOf(xsMachine* the, const Storage* storage) {
  char key[64];
  size_t length;
  if (xsmcTypeOf(xsArg(0)) != xsStringType && xsmcTypeOf(xsArg(0)) != xsStringXType) refuse(the, NO_KEY, 0);
  const char* given = xsmcToString(xsArg(0));
  length = strlen(given);
  if (length == 0 || length > LONGEST_KEY) refuse(the, NO_KEY, 0);
  memcpy(key, given, length + 1);
  char* p = path + snprintf(path, sizeof path, "%s/", storage->folder);
  for (size_t i = 0; i < length; i++) {
    char c = key[i];
    if (c < 0x21 || c > 0x7e) refuse(the, NO_KEY, 0);
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-') *p++ = c;
    else p += sprintf(p, "%%%02x", c);
  }
  strcpy(p, suffix);
  return length;
}

static const char* isValue(const char* name) {
  const char* end = strrchr(name, '.');
  return end && name[0] != '.' && !strcmp(end, suffix) ? end : NULL;
}

/* The bytes that all values take but the one at `path`; -1 when the folder cannot be read. */
static double usedBeside(const Storage* storage) {
  static char other[PATH_MAX + 300];
  struct dirent* entry;
  double used = 0;
  DIR* folder = opendir(storage->folder);
  if (!folder) return -1;
  while ((entry = readdir(folder))) {
    struct stat info;
    const char* end = isValue(entry->d_name);
    snprintf(other, sizeof other, "%s/%s", storage->folder, entry->d_name);
    if (!end || !strcmp(other, path) || stat(other, &info)) continue;
    used += ENTRY_OVERHEAD + (double)info.st_size;
    /* An escaped character is one of the key. */
    for (const char* p = entry->d_name; p < end; p += *p == '%' ? 3 : 1) used++;
  }
  closedir(folder);
  return used;
}

/* Counts a write and does what the fault says of its beginning. @returns what it says of the rest */
static Action nextFault(xsMachine* the, Storage* storage) {
  Action action = ++storage->writes == storage->atWrite ? storage->action : NOTHING;
  if (action == FAIL) refuse(the, INJECTED, 0);
  if (action == BEFORE) kill(getpid(), SIGKILL);
  return action;
}

void xs_storage_destructor(void* data) {
  free(data);
}

/* A write that was interrupted never happened. */
static int removeUnfinished(const Storage* storage) {
  struct dirent* entry;
  DIR* folder = opendir(storage->folder);
  if (!folder) return -1;
  while ((entry = readdir(folder))) {
    const char* end = strrchr(entry->d_name, '.');
    if (!end || strcmp(end, ".tmp")) continue;
    snprintf(path, sizeof path, "%s/%.50s", storage->folder, entry->d_name);
    fileRemove(path);
  }
  closedir(folder);
  return 0;
}

void xs_storage(xsMachine* the) {
  static const char* const actions[] = {"", "fail", "kill-before", "kill-between", "kill-after"};
  Storage* storage = calloc(1, sizeof(Storage));
  if (!storage) xsUnknownError("no memory for the storage");
  xsmcSetHostData(xsThis, storage);
  xsmcToStringBuffer(xsArg(0), storage->folder, sizeof storage->folder);
  storage->capacity = xsmcToNumber(xsArg(1));
  storage->maximum = xsmcToNumber(xsArg(2));
  storage->atWrite = xsmcToInteger(xsArg(3));
  if (xsmcTest(xsArg(4)))
    for (Action action = FAIL; action <= AFTER; action++)
      if (!strcmp(xsmcToString(xsArg(4)), actions[action])) storage->action = action;
  if (fileFolder(storage->folder) || removeUnfinished(storage)) xsUnknownError("%s", strerror(errno));
}

void xs_storage_get_capacity(xsMachine* the) {
  xsmcSetNumber(xsResult, storageOf(the)->capacity);
}

void xs_storage_get_maximum(xsMachine* the) {
  xsmcSetNumber(xsResult, storageOf(the)->maximum);
}

void xs_storage_read(xsMachine* the) {
  struct stat info;
  fileOf(the, storageOf(the));
  int fd = open(path, O_RDONLY);
  if (fd < 0) {
    if (errno != ENOENT) refuse(the, SYSTEM, errno);
    return;
  }
  ssize_t count = -1;
  if (!fstat(fd, &info) && info.st_size <= INT_MAX) {
    xsmcSetArrayBuffer(xsResult, NULL, (int)info.st_size);
    count = read(fd, xsmcToArrayBuffer(xsResult), (size_t)info.st_size);
  }
  int error = errno;
  close(fd);
  if (count < 0 || count != info.st_size) refuse(the, SYSTEM, error);
}

void xs_storage_write(xsMachine* the) {
  Storage* storage = storageOf(the);
  void* data;
  xsUnsignedValue size;
  size_t keyLength = fileOf(the, storage);
  xsmcGetBufferReadable(xsArg(1), &data, &size);
  if (size > storage->maximum) refuse(the, TOO_LONG, 0);
  double used = usedBeside(storage);
  if (used < 0) refuse(the, SYSTEM, errno);
  if (used + ENTRY_OVERHEAD + (double)keyLength + size > storage->capacity) refuse(the, FULL, 0);
  Action action = nextFault(the, storage);
  if (fileReplace(path, data, size, action == BETWEEN)) refuse(the, SYSTEM, errno);
  if (action == AFTER) kill(getpid(), SIGKILL);
}

void xs_storage_delete(xsMachine* the) {
  Storage* storage = storageOf(the);
  fileOf(the, storage);
  Action action = nextFault(the, storage);
  if (action == BETWEEN) kill(getpid(), SIGKILL);
  int found = fileRemove(path);
  if (found < 0) refuse(the, SYSTEM, errno);
  if (action == AFTER) kill(getpid(), SIGKILL);
  xsmcSetBoolean(xsResult, found);
}

/* keys(): separated by line feeds. */
void xs_storage_keys(xsMachine* the) {
  struct dirent* entry;
  char* p = names;
  DIR* folder = opendir(storageOf(the)->folder);
  if (!folder) refuse(the, SYSTEM, errno);
  while ((entry = readdir(folder))) {
    const char* end = isValue(entry->d_name);
    if (!end || p + LONGEST_KEY + 2 > names + sizeof names) continue;
    char* begin = p;
    if (p > names) *p++ = '\n';
    for (const char* from = entry->d_name; from < end; p++) {
      unsigned int c = (unsigned char)*from++;
      if (c == '%' && sscanf(from, "%2x", &c) == 1) from += 2;
      if (p - begin > LONGEST_KEY) break;
      *p = (char)c;
    }
  }
  *p = 0;
  closedir(folder);
  xsmcSetString(xsResult, names);
}
