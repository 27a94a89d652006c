/* Arguments of native functions: see arguments.h. */
#include "arguments.h"

/*
 * XS 13.3 takes any host object for a buffer, with whatever its property `byteLength` says: what is no ArrayBuffer and no typed array
 * is not even asked. Our own host objects cannot be dressed up as one, since they are frozen when they are made. A proxy may run a trap of
 * its own here, and is refused then: who asks uses nothing that was found before when one argument is refused.
 */
static int looksLikeBuffer(xsMachine* the, xsSlot* slot) {
  return slot && xsmcTypeOf(*slot) == xsReferenceType &&
         (xsmcIsInstanceOf(*slot, xsTypedArrayPrototype) || xsmcIsInstanceOf(*slot, xsArrayBufferPrototype));
}

int sw_bytes_of(xsMachine* the, xsSlot* slot, int writable, SwBytes* bytes) {
  volatile int status = SW_ARGUMENT;
  void* data = NULL;
  xsUnsignedValue size = 0;
  bytes->data = NULL;
  bytes->size = 0;
  if (!looksLikeBuffer(the, slot)) return SW_ARGUMENT;
  /* Throws for a detached buffer, a view that a resized buffer has left behind, elements of several bytes, an object that lies. */
  {
    xsTry {
      if (writable) xsmcGetBufferWritable(*slot, &data, &size);
      else xsmcGetBufferReadable(*slot, &data, &size);
      bytes->data = data;
      bytes->size = size;
      status = SW_OK;
    }
    xsCatch {
    }
  }
  return status;
}

int sw_optional_bytes_of(xsMachine* the, xsSlot* slot, SwBytes* bytes) {
  bytes->data = NULL;
  bytes->size = 0;
  if (!slot || xsmcTypeOf(*slot) == xsUndefinedType) return SW_OK;
  return sw_bytes_of(the, slot, 0, bytes);
}

int sw_integer_of(xsMachine* the, xsSlot* slot, double minimum, double maximum, double* number) {
  *number = 0;
  if (!slot) return SW_ARGUMENT;
  /* Only what is a number already: converting an object would run JavaScript. */
  if (xsmcTypeOf(*slot) == xsIntegerType) *number = xsmcToInteger(*slot);
  else if (xsmcTypeOf(*slot) == xsNumberType) *number = xsmcToNumber(*slot);
  else return SW_ARGUMENT;
  /* Written so that NaN is refused. */
  if (!(*number >= minimum && *number <= maximum)) return SW_INVALID;
  return *number == (double)(int64_t)*number ? SW_OK : SW_INVALID;
}

int sw_host_data_of(xsMachine* the, xsSlot* slot, xsDestructor destructor, void** data) {
  volatile int status = SW_ARGUMENT;
  *data = NULL;
  if (!slot || xsmcTypeOf(*slot) != xsReferenceType) return SW_ARGUMENT;
  {
    xsTry {
      *data = xsmcGetHostDataValidate(*slot, (void*)destructor);
      status = *data ? SW_OK : SW_CLOSED;
    }
    xsCatch {
    }
  }
  return status;
}
