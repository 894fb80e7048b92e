"""Opens an encrypted mail with Python's `cryptography` and writes what is inside.

    foreign.py MAIL CERTIFICATE KEY

`pkcs7.pkcs7_decrypt_smime` exists since cryptography 44, which is the least that works; it reads
AES-CBC with RSA PKCS#1 v1.5.
"""

import sys

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs7

mail, certificate, key = (open(name, "rb").read() for name in sys.argv[1:])
inside = pkcs7.pkcs7_decrypt_smime(
    mail,
    x509.load_pem_x509_certificate(certificate),
    load_pem_private_key(key, None),
    [],
)
sys.stdout.buffer.write(inside)
