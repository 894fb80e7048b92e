"""Makes encrypted mail that no installed toolkit writes: python3 envelope.py KEY=VALUE... <entity

to=NAME           recipient: NAME.pem
from=NAME         static key agreement with NAME.key, else an ephemeral key
originator=key|issuer|ski|bag    how the static key is named; bag encloses the certificate too
rid=issuer|ski|KEYID    how the recipient is named; KEYID in hex
kdf=x963|hkdf     md=sha1..sha512    wrap=128|192|256|3des    null=yes: NULL parameters in the key wrap
cofactor=yes      the cofactor scheme, which for these curves is the same
ukm=TEXT          attrs=yes: authenticated attributes; attrs=ber|unsorted: sent so, entered as DER
also=WORDS        before the recipient: bob (another key), pwri, kekri, other (an unknown kind), twin (the same
                  twice), dead (names the recipient, wrapped key is noise)
keys=N            N RecipientEncryptedKeys of others before and after, in one KeyAgreeRecipientInfo
cipher=des-ede3-cbc|aes-256-cbc|aes-256-gcm|aes-256-ccm|chacha20-poly1305    tag=16
short=yes         an RSA ciphertext without its leading zero
label=TEXT        RSA-OAEP with this label, md for the label and mgf for MGF1
"""
import base64, os, struct, sys
from der import oid, tlv
from cryptography import x509
from cryptography.hazmat.primitives import hashes, keywrap, padding as blocks, serialization as s
from cryptography.hazmat.primitives.asymmetric import ec, padding, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, aead, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

want = dict(word.split("=", 1) for word in sys.argv[1:])
text = sys.stdin.buffer.read()
SHA = {"sha1": hashes.SHA1, "sha224": hashes.SHA224, "sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}
SHA_OID = {"sha1": "1.3.14.3.2.26", "sha224": "2.16.840.1.101.3.4.2.4", "sha256": "2.16.840.1.101.3.4.2.1",
           "sha384": "2.16.840.1.101.3.4.2.2", "sha512": "2.16.840.1.101.3.4.2.3"}


def certificate(name):
    return x509.load_pem_x509_certificate(open(name + ".pem", "rb").read())


def issuer_and_serial(cert):
    number = cert.serial_number
    return tlv(48, cert.issuer.public_bytes(), tlv(2, number.to_bytes(number.bit_length() // 8 + 1, "big")))


def ski(cert):
    return cert.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def named(cert, how):
    if how == "issuer":
        return None
    return ski(cert) if how == "ski" else bytes.fromhex(how)


def agreed(cek):
    """KeyAgreeRecipientInfo"""
    public = cert.public_key()
    raw = isinstance(public, x25519.X25519PublicKey)
    if "from" in want:
        own = s.load_pem_private_key(open(want["from"] + ".key", "rb").read(), None)
    else:
        own = x25519.X25519PrivateKey.generate() if raw else ec.generate_private_key(public.curve)
    secret = own.exchange(public) if raw else own.exchange(ec.ECDH(), public)
    point = own.public_key().public_bytes(*((s.Encoding.Raw, s.PublicFormat.Raw) if raw
        else (s.Encoding.X962, s.PublicFormat.UncompressedPoint)))
    kind = want.get("originator", "key")
    if kind == "key":
        algorithm = tlv(48, oid("1.3.101.110" if raw else "1.2.840.10045.2.1"))
        originator = tlv(0xa1, algorithm, tlv(3, b"\0" + point))
    elif kind == "ski":
        originator = tlv(0x80, ski(certificate(want["from"])))
    else:
        originator = issuer_and_serial(certificate(want["from"]))
    triple = want.get("wrap") == "3des"
    size = 192 if triple else int(want.get("wrap", "256"))
    wrap = tlv(48, oid("1.2.840.113549.1.9.16.3.6"), b"\5\0") if triple else tlv(48, oid({128: "2.16.840.1.101.3.4.1.5", 192: "2.16.840.1.101.3.4.1.25", 256: "2.16.840.1.101.3.4.1.45"}[size]),
        b"\5\0" if want.get("null") else b"")
    ukm = want.get("ukm", "").encode()
    info = tlv(48, wrap, tlv(0xa0, tlv(4, ukm)) if ukm else b"", tlv(0xa2, tlv(4, struct.pack(">I", size))))
    md = want.get("md", "sha256")
    if want.get("kdf") == "hkdf":
        scheme = "1.2.840.113549.1.9.16.3." + {"sha256": "19", "sha384": "20", "sha512": "21"}[md]
        kek = HKDF(SHA[md](), size // 8, ukm or None, info).derive(secret)
    else:
        scheme = "1.3.133.16.840.63.0.2" if md == "sha1" else "1.3.132.1.11." + {"sha224": "0", "sha256": "1", "sha384": "2", "sha512": "3"}[md]
        if want.get("cofactor"):
            scheme = "1.3.133.16.840.63.0.3" if md == "sha1" else scheme.replace("1.3.132.1.11", "1.3.132.1.14")
        kek = X963KDF(SHA[md](), size // 8, info).derive(secret)
    key_id = named(cert, want.get("rid", "issuer"))
    rid = issuer_and_serial(cert) if key_id is None else tlv(0xa0, tlv(4, key_id))
    wrapped = triple_wrap(kek, cek) if triple else keywrap.aes_key_wrap(kek, cek)
    other = tlv(48, tlv(0xa0, tlv(4, b"somebody else's key!")), tlv(4, os.urandom(len(wrapped)))) * int(want.get("keys", "0"))
    return tlv(0xa1, tlv(2, b"\3"), tlv(0xa0, originator), tlv(0xa1, tlv(4, ukm)) if ukm else b"",
        tlv(48, oid(scheme), wrap), tlv(48, other, tlv(48, rid, tlv(4, wrapped)), other))


def triple_wrap(kek, cek):
    """RFC 3217 section 3.1"""
    def once(iv, text):
        des = Cipher(algorithms.TripleDES(kek), modes.CBC(iv)).encryptor()
        return des.update(text) + des.finalize()
    digest = hashes.Hash(hashes.SHA1())
    digest.update(cek)
    iv = os.urandom(8)
    inner = iv + once(iv, cek + digest.finalize()[:8])
    return once(bytes.fromhex("4adda22c79e82105"), inner[::-1])


def transported(cek):
    """KeyTransRecipientInfo"""
    key_id = named(cert, want.get("rid", "issuer"))
    rid = issuer_and_serial(cert) if key_id is None else tlv(0x80, key_id)
    if "label" in want:
        md, mgf, label = want.get("md", "sha1"), want.get("mgf", "sha1"), want["label"].encode()
        how = padding.OAEP(padding.MGF1(SHA[mgf]()), SHA[md](), label or None)
        digest = lambda name: tlv(48, oid(SHA_OID[name]), b"\5\0")
        algorithm = tlv(48, oid("1.2.840.113549.1.1.7"), tlv(48, tlv(0xa0, digest(md)),
            tlv(0xa1, tlv(48, oid("1.2.840.113549.1.1.8"), digest(mgf))),
            tlv(0xa2, tlv(48, oid("1.2.840.113549.1.1.9"), tlv(4, label))) if label else b""))
    else:
        how = padding.PKCS1v15()
        algorithm = tlv(48, oid("1.2.840.113549.1.1.1"), b"\5\0")
    wrapped = cert.public_key().encrypt(cek, how)
    while want.get("short") and wrapped[0]:
        wrapped = cert.public_key().encrypt(cek, how)
    if want.get("short"):
        wrapped = wrapped.lstrip(b"\0")
    return tlv(48, tlv(2, b"\0" if key_id is None else b"\2"), rid, algorithm, tlv(4, wrapped))


def sealed(cek):
    """AlgorithmIdentifier, ciphertext, authenticated attributes, tag; the last is none for CBC"""
    cipher = want.get("cipher", "aes-256-cbc")
    attrs = b""
    sent = None
    if want.get("attrs"):
        kind = tlv(48, oid("1.2.840.113549.1.9.3"), tlv(49, oid("1.2.840.113549.1.7.1")))
        time = tlv(48, oid("1.2.840.113549.1.9.5"), tlv(49, tlv(23, b"261120100000Z")))
        attrs = kind + time
        if want["attrs"] == "unsorted":
            sent = time + kind
        if want["attrs"] == "ber":
            sent = b"\x30\x80" + kind[2:] + b"\0\0" + time
    aad = tlv(49, attrs) if attrs else None
    if cipher == "des-ede3-cbc":
        iv = os.urandom(8)
        pad = blocks.PKCS7(64).padder()
        des = Cipher(algorithms.TripleDES(cek), modes.CBC(iv)).encryptor()
        algorithm = tlv(48, oid("1.2.840.113549.3.7"), tlv(4, iv))
        return algorithm, des.update(pad.update(text) + pad.finalize()) + des.finalize(), b"", None
    if cipher.endswith("cbc"):
        iv = os.urandom(16)
        pad = blocks.PKCS7(128).padder()
        aes = Cipher(algorithms.AES(cek), modes.CBC(iv)).encryptor()
        number = {"128": "2", "192": "22", "256": "42"}[cipher[4:7]]
        algorithm = tlv(48, oid("2.16.840.1.101.3.4.1." + number), tlv(4, iv))
        return algorithm, aes.update(pad.update(text) + pad.finalize()) + aes.finalize(), b"", None
    size = int(want.get("tag", "16"))
    nonce = os.urandom(12)
    if cipher.startswith("chacha20"):
        both = aead.ChaCha20Poly1305(cek).encrypt(nonce, text, aad)
        algorithm = tlv(48, oid("1.2.840.113549.1.9.16.3.18"), tlv(4, nonce))
    else:
        both = (aead.AESGCM(cek) if cipher.endswith("gcm") else aead.AESCCM(cek, size)).encrypt(nonce, text, aad)
        if cipher.endswith("gcm"):
            both = both[: len(both) - 16 + size]
        number = {"128": 6, "192": 26, "256": 46}[cipher[4:7]] + cipher.endswith("ccm")
        algorithm = tlv(48, oid(f"2.16.840.1.101.3.4.1.{number}"), tlv(48, tlv(4, nonce), tlv(2, bytes([size]))))
    return algorithm, both[:-size], sent or attrs, both[-size:]


cert = certificate(want["to"])
cipher = want.get("cipher", "aes-256-cbc")
cek = os.urandom(int(cipher[4:7]) // 8 if cipher.startswith("aes") else 24 if cipher.startswith("des") else 32)
info = transported(cek) if hasattr(cert.public_key(), "encrypt") else agreed(cek)
for one in want.get("also", "").split(","):
    if one == "bob":
        bob = certificate("bob")
        rid = issuer_and_serial(bob)
        algorithm = tlv(48, oid("1.2.840.113549.1.1.1"), b"\5\0")
        info = tlv(48, tlv(2, b"\0"), rid, algorithm, tlv(4, bob.public_key().encrypt(cek, padding.PKCS1v15()))) + info
    elif one == "pwri":
        kdf = tlv(0xa0, oid("1.2.840.113549.1.5.12"), tlv(48, tlv(4, os.urandom(8)), tlv(2, b"\x08\0")))
        algorithm = tlv(48, oid("1.2.840.113549.1.9.16.3.9"), tlv(48, oid("2.16.840.1.101.3.4.1.2"), tlv(4, os.urandom(16))))
        info = tlv(0xa3, tlv(2, b"\0"), kdf, algorithm, tlv(4, os.urandom(32))) + info
    elif one == "kekri":
        algorithm = tlv(48, oid("2.16.840.1.101.3.4.1.45"))
        info = tlv(0xa2, tlv(2, b"\4"), tlv(48, tlv(4, b"some key")), algorithm, tlv(4, os.urandom(40))) + info
    elif one == "other":
        info = tlv(0xa4, oid("1.2.840.113549.1.9.16.13.3"), tlv(48, tlv(2, b"\0"))) + info
    elif one == "twin":
        info = info + info
    elif one == "dead":
        algorithm = tlv(48, oid("1.2.840.113549.1.1.1"), b"\5\0")
        info = tlv(48, tlv(2, b"\0"), issuer_and_serial(cert), algorithm, tlv(4, b"\0" + os.urandom(255))) + info
algorithm, ciphertext, attrs, mac = sealed(cek)
bag = b""
if want.get("originator") == "bag":
    bag = tlv(0xa0, tlv(0xa0, certificate(want["from"]).public_bytes(s.Encoding.DER)))
content = tlv(48, oid("1.2.840.113549.1.7.1"), algorithm, tlv(0x80, ciphertext))
kind = "1.2.840.113549.1.7.3" if mac is None else "1.2.840.113549.1.9.16.1.23"
version = b"\2" if mac is None else b"\0"
tail = b"" if mac is None else (tlv(0xa1, attrs) if attrs else b"") + tlv(4, mac)
cms = tlv(48, oid(kind), tlv(0xa0, tlv(48, tlv(2, version), bag, tlv(49, info), content, tail)))
sys.stdout.buffer.write(b"Content-Type: application/pkcs7-mime; name=smime.p7m\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(cms))
