"""A back end in Python that opens and seals payloads, written from the RFCs and docs/sealing.md alone: the test's second implementation.

Reads one JSON object from standard input, `{"library": ..., "jobs": [...]}`, and writes a JSON array with a result for each job. The library is `pycose`
(a COSE library that knows Partial IV), or `cryptography` with `cbor2`: then RFC 9052 is done here. Byte strings are hexadecimal.
"""

import json
import sys

import cbor2
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ALG, KID, IV, PARTIAL_IV, KID_CONTEXT = 1, 4, 5, 6, 10

# Of each algorithm (RFC 9053 sections 4.1 and 4.2): bytes of the key, of the nonce, of the tag.
ALGORITHMS = {1: (16, 12, 16), 3: (32, 12, 16), 10: (16, 13, 8), 30: (16, 13, 16)}


def derive(master, salt, sender, id_context, alg):
    """Key and Context IV of a sender: RFC 8613 section 3.2.1."""
    key_length, nonce_length, _ = ALGORITHMS[alg]

    def hkdf(kind, length):
        info = cbor2.dumps([sender, id_context or None, alg, kind, length])
        return HKDF(algorithm=SHA256(), length=length, salt=salt or None, info=info).derive(master)

    return hkdf("Key", key_length), hkdf("IV", nonce_length)


def external_aad(sender, topic):
    return cbor2.dumps(["sealwire", "message", sender, topic])


def nonce_of(partial_iv, context_iv):
    """RFC 9052 section 3.1: padded on the left with zeros, XOR the Context IV."""
    padded = partial_iv.rjust(len(context_iv), b"\0")
    return bytes(a ^ b for a, b in zip(padded, context_iv))


def cipher(alg, key):
    return AESGCM(key) if alg in (1, 3) else AESCCM(key, tag_length=ALGORITHMS[alg][2])


def enc_structure(protected, sender, topic):
    """RFC 9052 section 5.3."""
    return cbor2.dumps(["Encrypt0", protected, external_aad(sender, topic)])


class RFC9052:
    """COSE_Encrypt0 with nothing but a cipher and CBOR."""

    @staticmethod
    def open(message, master, salt, topic):
        protected, unprotected, ciphertext = cbor2.loads(message)
        alg = cbor2.loads(protected)[ALG]
        sender = unprotected[KID]
        key, context_iv = derive(master, salt, sender, unprotected.get(KID_CONTEXT), alg)
        nonce = unprotected[IV] if IV in unprotected else nonce_of(unprotected[PARTIAL_IV], context_iv)
        return cipher(alg, key).decrypt(nonce, ciphertext, enc_structure(protected, sender, topic))

    @staticmethod
    def seal(payload, master, salt, topic, sender, id_context, alg, partial_iv):
        key, context_iv = derive(master, salt, sender, id_context, alg)
        protected = cbor2.dumps({ALG: alg})
        unprotected = {KID: sender, PARTIAL_IV: partial_iv}
        if id_context:
            unprotected[KID_CONTEXT] = id_context
        nonce = nonce_of(partial_iv, context_iv)
        ciphertext = cipher(alg, key).encrypt(nonce, payload, enc_structure(protected, sender, topic))
        return cbor2.dumps([protected, unprotected, ciphertext])


class PyCOSE:
    """COSE_Encrypt0 by pycose: the key takes the Context IV as its Base IV."""

    @staticmethod
    def open(message, master, salt, topic):
        from pycose.headers import KID as kid
        from pycose.keys import SymmetricKey
        from pycose.keys.keyparam import KpBaseIV
        from pycose.messages import CoseMessage

        # It wants to see the tag of COSE_Encrypt0.
        object = CoseMessage.decode(b"\xd0" + message)
        sender = object.get_attr(kid)
        protected, unprotected, _ = cbor2.loads(message)
        alg = cbor2.loads(protected)[ALG]
        key, context_iv = derive(master, salt, sender, unprotected.get(KID_CONTEXT), alg)
        object.key = SymmetricKey(key, optional_params={KpBaseIV: context_iv})
        object.external_aad = external_aad(sender, topic)
        return object.decrypt()

    @staticmethod
    def seal(payload, master, salt, topic, sender, id_context, alg, partial_iv):
        from pycose.algorithms import CoseAlgorithm
        from pycose.headers import Algorithm, KID as kid, PartialIV
        from pycose.keys import SymmetricKey
        from pycose.keys.keyparam import KpBaseIV
        from pycose.messages import Enc0Message

        key, context_iv = derive(master, salt, sender, id_context, alg)
        unprotected = {kid: sender, PartialIV: partial_iv}
        if id_context:
            unprotected[KID_CONTEXT] = id_context
        object = Enc0Message(
            phdr={Algorithm: CoseAlgorithm.from_id(alg)},
            uhdr=unprotected,
            payload=payload,
            external_aad=external_aad(sender, topic),
            key=SymmetricKey(key, optional_params={KpBaseIV: context_iv}),
        )
        return object.encode(tag=False)


def run(library, job):
    arguments = {
        name: bytes.fromhex(value) if name not in ("topic", "alg") else value
        for name, value in job.items()
        if name != "do"
    }
    try:
        return {"bytes": getattr(library, job["do"])(**arguments).hex()}
    except Exception as error:
        return {"error": type(error).__name__ + ": " + str(error)}


if __name__ == "__main__":
    request = json.load(sys.stdin)
    if request["library"] == "pycose":
        import pycose  # noqa: F401: whether it is there
    library = PyCOSE if request["library"] == "pycose" else RFC9052
    json.dump([run(library, job) for job in request["jobs"]], sys.stdout)
