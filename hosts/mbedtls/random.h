/* Random bytes for everything: keys, nonces, TLS. */
#ifndef SEALWIRE_RANDOM_H
#define SEALWIRE_RANDOM_H

#include <stddef.h>

/*
 * Fills `output`; in the form that Mbed TLS wants as `f_rng`, `context` is not used.
 * @returns 0, or an error of Mbed TLS: then nothing in `output` may be used
 */
int sw_random(void* context, unsigned char* output, size_t size);

/*
 * Of the host: bytes from its hardware or operating system, full entropy.
 * @returns 0, or another value when there are none
 */
int sw_entropy(void* context, unsigned char* output, size_t size);

#endif
