/* What native functions of the cryptography answer when they fail: crypto-errors.ts makes a SealwireError of it. */
#ifndef SEALWIRE_STATUS_H
#define SEALWIRE_STATUS_H

enum {
  SW_OK = 0,
  /* An argument is not of its type: no buffer, no key of this host, no number. */
  SW_ARGUMENT = -1,
  /* The key, or the hash, was closed. */
  SW_CLOSED = -2,
  /* A key of another type is needed. */
  SW_KEY_TYPE = -3,
  /* A private or public key is needed that lies on P-256. */
  SW_CURVE = -4,
  /* What was given cannot be parsed, or has a length that is not allowed. */
  SW_INVALID = -5,
  /* A tag or signature does not match. */
  SW_MISMATCH = -6,
  /* The native memory, or its cap, is exhausted. */
  SW_MEMORY = -7,
  /* The random number generator failed. */
  SW_ENTROPY = -8,
  /* The host is built without Mbed TLS, or the library without the algorithm. */
  SW_UNSUPPORTED = -9,
  /* The library failed for a reason that should not be. */
  SW_FAILED = -10,
};

#endif
