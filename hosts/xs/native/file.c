/* Files that stand for what a chip has in flash, in RTC memory and in fuses. */
#define _GNU_SOURCE
#include "loop.h"
#include "file.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static void fail(xsMachine* the, const char* what) {
  int error = errno;
  xsUnknownError("%s: %s", what, strerror(error));
}

/* Makes renames and removals in the folder of a file durable. */
static int syncFolderOf(const char* of) {
  static char folder[PATH_MAX];
  snprintf(folder, sizeof folder, "%s", of);
  int fd = open(dirname(folder), O_RDONLY | O_DIRECTORY);
  if (fd < 0) return -1;
  int result = fsync(fd);
  close(fd);
  return result;
}

/* Not on the stack: the peak of the C stack is measured, and a chip has no paths. One thread calls these functions. */
static char path[PATH_MAX], other[PATH_MAX + 8];

static void pathOf(xsMachine* the, int index, char* buffer) {
  xsmcToStringBuffer(xsArg(index), buffer, PATH_MAX);
}

int fileFolder(char* name) {
  for (char* slash = name + 1;; slash++) {
    char kept = *slash;
    if (kept != '/' && kept != 0) continue;
    *slash = 0;
    int failed = mkdir(name, 0700) && errno != EEXIST;
    *slash = kept;
    if (failed) return -1;
    if (!kept) return 0;
  }
}

/* folder(path): makes it, with those above. */
void xs_file_folder(xsMachine* the) {
  pathOf(the, 0, path);
  if (fileFolder(path)) fail(the, "mkdir");
}

/*
 * map(path): a file's bytes where they lie, as flash is mapped on a chip: read-only, and no chunk of the heap. Mapped until the process
 * ends, whoever still looks at them.
 */
void xs_file_map(xsMachine* the) {
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
  void* bytes = info.st_size == 0 ? path : mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (bytes == MAP_FAILED) fail(the, "mmap");
  xsResult = xsNewHostObject(NULL);
  xsmcSetHostBuffer(xsResult, bytes, (int)info.st_size);
  xsmcPetrifyHostBuffer(xsResult);
}

/* read(path): an ArrayBuffer, or undefined when there is no such file. */
void xs_file_read(xsMachine* the) {
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

int fileReplace(const char* name, const void* data, size_t size, int cut) {
  static char unfinished[PATH_MAX + 8];
  snprintf(unfinished, sizeof unfinished, "%s.tmp", name);
  int fd = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) return -1;
  int failed = writeAll(fd, data, size) || fsync(fd);
  int error = errno;
  close(fd);
  if (!failed && cut) kill(getpid(), SIGKILL);
  if (failed || rename(unfinished, name)) {
    errno = failed ? error : errno;
    error = errno;
    unlink(unfinished);
    errno = error;
    return -1;
  }
  return syncFolderOf(name);
}

int fileRemove(const char* name) {
  if (unlink(name)) return errno == ENOENT ? 0 : -1;
  return syncFolderOf(name) ? -1 : 1;
}

/* write(path, bytes, cut): the file holds the old or the new bytes at any moment; `cut` ends the process before the new are in place. */
void xs_file_write(xsMachine* the) {
  void* data;
  xsUnsignedValue size;
  pathOf(the, 0, path);
  xsmcGetBufferReadable(xsArg(1), &data, &size);
  if (fileReplace(path, data, size, xsmcArgc > 2 && xsmcTest(xsArg(2)))) fail(the, "write");
}

/* ensure(path, size, fresh): the file has that many bytes, random ones when it is made; `fresh` makes it again. */
void xs_file_ensure(xsMachine* the) {
  struct stat info;
  pathOf(the, 0, path);
  off_t size = xsmcToInteger(xsArg(1));
  int fresh = xsmcArgc > 2 && xsmcTest(xsArg(2));
  if (!fresh && !stat(path, &info) && info.st_size == size) return;
  snprintf(other, sizeof other, "%s.tmp", path);
  int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) fail(the, "open");
  int failed = 0;
  for (off_t done = 0; done < size && !failed;) {
    uint8_t bytes[256];
    ssize_t count = getrandom(bytes, size - done < (off_t)sizeof bytes ? (size_t)(size - done) : sizeof bytes, 0);
    failed = count < 0 || writeAll(fd, bytes, (size_t)count);
    done += count;
  }
  failed = failed || fsync(fd);
  int error = errno;
  close(fd);
  if (failed || rename(other, path)) {
    errno = failed ? error : errno;
    unlink(other);
    fail(the, "write");
  }
  if (syncFolderOf(path)) fail(the, "fsync");
}

/* remove(path): whether it was there. */
void xs_file_remove(xsMachine* the) {
  pathOf(the, 0, path);
  int found = fileRemove(path);
  if (found < 0) fail(the, "unlink");
  xsmcSetBoolean(xsResult, found);
}

/* size(path): -1 when there is no such file. */
void xs_file_size(xsMachine* the) {
  struct stat info;
  pathOf(the, 0, path);
  xsmcSetNumber(xsResult, stat(path, &info) ? -1 : (double)info.st_size);
}

/* access(path, offset, bytes, writing): a part of a file in place, with no fsync: memory that survives the process. */
void xs_file_access(xsMachine* the) {
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
