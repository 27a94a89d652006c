/* Files as flash is written: all or nothing, durable on return. -1 and errno tell of a failure. */
#ifndef SEALWIRE_XS_FILE_H
#define SEALWIRE_XS_FILE_H

#include <stddef.h>

/* Makes a folder, with those above it. */
int fileFolder(char* name);
/* The file holds the old or the new bytes at any moment; `cut` ends the process before the new are in place. */
int fileReplace(const char* name, const void* data, size_t size, int cut);
/* 1 when it was there, 0 when not. */
int fileRemove(const char* name);

#endif
