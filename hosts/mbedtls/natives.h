/* The native functions of crypto.js, and how they answer. With `xsmc.h` included before. */
#ifndef SEALWIRE_NATIVES_H
#define SEALWIRE_NATIVES_H

/* Answers a status: out of memory as such, whatever the library made of an allocation that failed since `failures` was read. */
void sw_answer(xsMachine* the, int status, unsigned failures);

void xs_key(xsMachine* the);
void xs_key_close(xsMachine* the);
void xs_crypto_import(xsMachine* the);
void xs_crypto_generate(xsMachine* the);
void xs_crypto_export(xsMachine* the);
void xs_crypto_public(xsMachine* the);
void xs_crypto_random(xsMachine* the);
void xs_crypto_hmac(xsMachine* the);
void xs_crypto_derive_key(xsMachine* the);
void xs_crypto_derive_bytes(xsMachine* the);
void xs_crypto_pbkdf2(xsMachine* the);
void xs_crypto_encrypt(xsMachine* the);
void xs_crypto_decrypt(xsMachine* the);
void xs_crypto_sign(xsMachine* the);
void xs_crypto_verify(xsMachine* the);
void xs_crypto_agree(xsMachine* the);
void xs_crypto_request(xsMachine* the);
void xs_crypto_certificate(xsMachine* the);
void xs_hash(xsMachine* the);
void xs_hash_destructor(void* data);
void xs_hash_begin(xsMachine* the);
void xs_hash_update(xsMachine* the);
void xs_hash_digest(xsMachine* the);

#endif
