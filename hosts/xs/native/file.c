/* Files that stand for what a chip has in flash, in RTC memory and in fuses. */
#define _GNU_SOURCE
#include "loop.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void fail(xsMachine* the, const char* what) {
  int error = errno;
  xsUnknownError("%s: %s", what, strerror(error));
}

/* Makes renames and removals in the folder of a file durable. */
static int syncFolderOf(const char* path) {
  char folder[PATH_MAX];
  snprintf(folder, sizeof folder, "%s", path);
  int fd = open(dirname(folder), O_RDONLY | O_DIRECTORY);
  if (fd < 0) return -1;
  int result = fsync(fd);
  close(fd);
  return result;
}

static void pathOf(xsMachine* the, int index, char* path) {
  xsmcToStringBuffer(xsArg(index), path, PATH_MAX);
}

/* folder(path): makes it, with those above. */
void xs_file_folder(xsMachine* the) {
  char path[PATH_MAX];
  pathOf(the, 0, path);
  for (char* slash = path + 1;; slash++) {
    char kept = *slash;
    if (kept != '/' && kept != 0) continue;
    *slash = 0;
    if (mkdir(path, 0700) && errno != EEXIST) fail(the, "mkdir");
    *slash = kept;
    if (!kept) return;
  }
}

/* read(path): an ArrayBuffer, or undefined when there is no such file. */
void xs_file_read(xsMachine* the) {
  char path[PATH_MAX];
  struct stat info;
  pathOf(the, 0, path);
  int fd = open(path, O_RDONLY);
  if (fd < 0) {
    if (errno == ENOENT) return;
    fail(the, "open");
  }
  if (fstat(fd, &info) || info.st_size > INT_MAX) {
    close(fd);
    fail(the, "stat");
  }
  xsmcSetArrayBuffer(xsResult, NULL, (int)info.st_size);
  ssize_t count = read(fd, xsmcToArrayBuffer(xsResult), (size_t)info.st_size);
  close(fd);
  if (count != info.st_size) fail(the, "read");
}

static int writeAll(int fd, const uint8_t* data, size_t size) {
  while (size) {
    ssize_t count = write(fd, data, size);
    if (count < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    data += count;
    size -= (size_t)count;
  }
  return 0;
}

/* write(path, bytes, cut): the file holds the old or the new bytes at any moment; `cut` ends the process before the new are in place. */
void xs_file_write(xsMachine* the) {
  char path[PATH_MAX], temporary[PATH_MAX + 8];
  void* data;
  xsUnsignedValue size;
  pathOf(the, 0, path);
  xsmcGetBufferReadable(xsArg(1), &data, &size);
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) fail(the, "open");
  int failed = writeAll(fd, data, size) || fsync(fd);
  int error = errno;
  close(fd);
  if (!failed && xsmcArgc > 2 && xsmcTest(xsArg(2))) kill(getpid(), SIGKILL);
  if (failed || rename(temporary, path)) {
    errno = failed ? error : errno;
    unlink(temporary);
    fail(the, "write");
  }
  if (syncFolderOf(path)) fail(the, "fsync");
}

/* remove(path): whether it was there. */
void xs_file_remove(xsMachine* the) {
  char path[PATH_MAX];
  pathOf(the, 0, path);
  int found = unlink(path) == 0;
  if (!found && errno != ENOENT) fail(the, "unlink");
  if (found && syncFolderOf(path)) fail(the, "fsync");
  xsmcSetBoolean(xsResult, found);
}

/* size(path): -1 when there is no such file. */
void xs_file_size(xsMachine* the) {
  char path[PATH_MAX];
  struct stat info;
  pathOf(the, 0, path);
  xsmcSetNumber(xsResult, stat(path, &info) ? -1 : (double)info.st_size);
}

/* list(folder): the names in it, one per line. */
void xs_file_list(xsMachine* the) {
  char path[PATH_MAX], names[65536];
  size_t length = 0;
  struct dirent* entry;
  pathOf(the, 0, path);
  DIR* folder = opendir(path);
  if (!folder) fail(the, "opendir");
  names[0] = 0;
  while ((entry = readdir(folder))) {
    size_t size = strlen(entry->d_name);
    if (entry->d_name[0] == '.' || length + size + 2 > sizeof names) continue;
    memcpy(names + length, entry->d_name, size);
    length += size;
    names[length++] = '\n';
    names[length] = 0;
  }
  closedir(folder);
  xsmcSetString(xsResult, names);
}

/* used(folder, except): what the values in a folder take of the flash, one file left out: 32 bytes for each beside key and value. */
void xs_file_used(xsMachine* the) {
  char path[PATH_MAX], except[PATH_MAX], file[PATH_MAX + 256];
  struct dirent* entry;
  double used = 0;
  pathOf(the, 0, path);
  pathOf(the, 1, except);
  DIR* folder = opendir(path);
  if (!folder) fail(the, "opendir");
  while ((entry = readdir(folder))) {
    struct stat info;
    const char* suffix = strrchr(entry->d_name, '.');
    snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
    if (!suffix || strcmp(suffix, ".value") || !strcmp(file, except) || stat(file, &info)) continue;
    used += 32 + (double)info.st_size;
    /* An escaped character is one of the key. */
    for (const char* p = entry->d_name; p < suffix; p += *p == '%' ? 3 : 1) used++;
  }
  closedir(folder);
  xsmcSetNumber(xsResult, used);
}

/* access(path, offset, bytes, writing): a part of a file in place, with no fsync: memory that survives the process. */
void xs_file_access(xsMachine* the) {
  char path[PATH_MAX];
  void* data;
  xsUnsignedValue size;
  pathOf(the, 0, path);
  off_t offset = xsmcToInteger(xsArg(1));
  int writing = xsmcTest(xsArg(3));
  if (writing) xsmcGetBufferReadable(xsArg(2), &data, &size);
  else xsmcGetBufferWritable(xsArg(2), &data, &size);
  int fd = open(path, writing ? O_WRONLY : O_RDONLY);
  if (fd < 0) fail(the, "open");
  ssize_t count = writing ? pwrite(fd, data, size, offset) : pread(fd, data, size, offset);
  close(fd);
  if (count != (ssize_t)size) fail(the, "access");
}

void xs_system_kill(xsMachine* the) {
  (void)the;
  kill(getpid(), SIGKILL);
}
