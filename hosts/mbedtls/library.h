/* Which Mbed TLS is linked. */
#ifndef SEALWIRE_LIBRARY_H
#define SEALWIRE_LIBRARY_H

/* Such as `3.6.6`, as the library says itself: the headers may be of another one. NULL in a host that is built without. */
const char* sw_library_version(void);

#endif
