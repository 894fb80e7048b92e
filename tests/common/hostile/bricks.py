"""What hostile mail is built from. The command line is that of bombs.py and large.py: LAB OUT.

LAB holds list.pem, alice.pem, alice.key, ec.pem and ca.pem, ca.key; each file in OUT is one mail.
"""
import base64, datetime, hashlib, os, sys, zlib
from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding as blocks, serialization as s
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID

LAB, OUT = sys.argv[1:]
MOST = 990_000
HEAD = b"From: Alice <alice@example.org>\r\nTo: team@example.org\r\n"
NOW = datetime.datetime.now(datetime.timezone.utc)


def write(name, mail, most=1_000_000):
    assert len(mail) < most, (name, len(mail))
    with open(os.path.join(OUT, name), "wb") as out:
        out.write(mail)


def load(name):
    return open(os.path.join(LAB, name), "rb").read()


def tlv(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    digits = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([n]) if n < 128 else bytes([128 + len(digits)]) + digits) + body


def oid(text):
    first, second, *rest = map(int, text.split("."))
    out = bytes([first * 40 + second])
    for arc in rest:
        digits = [arc & 127]
        while arc := arc >> 7:
            digits.insert(0, 128 | arc & 127)
        out += bytes(digits)
    return tlv(6, out)


def seq(*parts):
    return tlv(48, *parts)


def number(n):
    return tlv(2, n.to_bytes(n.bit_length() // 8 + 1, "big"))


DATA, SIGNED, ENVELOPED = (oid("1.2.840.113549.1.7." + n) for n in "123")
AUTHENVELOPED, COMPRESSED = (oid("1.2.840.113549.1.9.16.1." + n) for n in ("23", "9"))
SHA256, RSA = oid("2.16.840.1.101.3.4.2.1"), oid("1.2.840.113549.1.1.1")
NULL = b"\5\0"


def binary(der, head=HEAD):
    return head + (b"Content-Type: application/pkcs7-mime; name=smime.p7m\r\n"
                   b"Content-Transfer-Encoding: binary\r\n\r\n") + der


def info(kind, *parts):
    return seq(kind, tlv(0xa0, seq(*parts)))


def certificate(name):
    return x509.load_pem_x509_certificate(load(name))


def key(name):
    return s.load_pem_private_key(load(name), None)


def der(cert):
    return cert.public_bytes(s.Encoding.DER)


def issue(public, subject, issuer, signer, extensions=(), serial=None):
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
               .serial_number(serial or x509.random_serial_number())
               .not_valid_before(NOW - datetime.timedelta(days=1)).not_valid_after(NOW + datetime.timedelta(days=9)))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signer, hashes.SHA256())


def common(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def unchecked(cert, spki, signature=bytes(256)):
    """The certificate with another key, its signature spoiled by that."""
    tbs = cert.tbs_certificate_bytes
    old = cert.public_key().public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo)
    header = len(tbs) - int.from_bytes(tbs[2:4], "big")
    body = tbs[header:].replace(old, spki)
    algorithm = seq(oid("1.2.840.113549.1.1.11"), NULL)
    return seq(seq(body), algorithm, tlv(3, b"\0" + signature))
