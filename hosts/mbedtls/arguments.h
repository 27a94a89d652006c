/*
 * Arguments of native functions, checked whatever JavaScript hands over: nothing here throws, and a missing argument is a wrong one.
 *
 * A pointer into a buffer holds until the engine allocates next, since collecting garbage moves buffers: read numbers first, buffers
 * last, and call nothing of the engine before the work is done.
 */
#ifndef SEALWIRE_ARGUMENTS_H
#define SEALWIRE_ARGUMENTS_H

#include "xsmc.h"
#include "status.h"
#include <stddef.h>
#include <stdint.h>

typedef struct {
  unsigned char* data;
  size_t size;
} SwBytes;

/* @returns the argument, or NULL when there are fewer */
#define sw_argument(index) ((int)xsmcArgc > (index) ? &xsArg(index) : NULL)

/* An ArrayBuffer, or a view of bytes on one. @returns SW_OK or SW_ARGUMENT */
int sw_bytes_of(xsMachine* the, xsSlot* slot, int writable, SwBytes* bytes);
/* The same, and no bytes for `undefined`. */
int sw_optional_bytes_of(xsMachine* the, xsSlot* slot, SwBytes* bytes);
/* A whole number. @returns SW_OK; SW_ARGUMENT when it is no number; SW_INVALID when it is out of bounds */
int sw_integer_of(xsMachine* the, xsSlot* slot, double minimum, double maximum, double* number);
/* Host data of a class: checked by its destructor. @returns SW_OK; SW_ARGUMENT for another object; SW_CLOSED when it is NULL */
int sw_host_data_of(xsMachine* the, xsSlot* slot, xsDestructor destructor, void** data);

#endif
