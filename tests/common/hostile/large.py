"""Writes hostile mail of up to the 50 MiB that are taken in, and some that is small: python3 large.py LAB OUT

See bricks.py. Imports leave nothing beside the sources.
"""
import sys

sys.dont_write_bytecode = True

from bricks import *

LIMIT = 50 << 20
CERT = certificate("list.pem")
RID = seq(CERT.issuer.public_bytes(), number(CERT.serial_number))
AES = "2.16.840.1.101.3.4.1.42"


def large(name, mail):
    """Those of 50 MB take their time; few are written always, the others where all are wanted."""
    if len(mail) < LIMIT // 4 or name in ("line-50mb-header", "recipients-ours-100000") or "LISTSEAL_EVERY_BOMB" in os.environ:
        write(name, mail, LIMIT)


def sealed(text, infos=b""):
    """A mail part for the list; infos come before the one that opens it."""
    cek = os.urandom(32)
    pad = blocks.PKCS7(128).padder()
    aes = Cipher(algorithms.AES(cek), modes.CBC(bytes(16))).encryptor()
    text = aes.update(pad.update(text) + pad.finalize()) + aes.finalize()
    own = seq(b"\2\1\0", RID, seq(RSA, NULL), tlv(4, CERT.public_key().encrypt(cek, padding.PKCS1v15())))
    content = seq(DATA, seq(oid(AES), tlv(4, bytes(16))), tlv(0x80, text))
    return info(ENVELOPED, b"\2\1\0", tlv(49, infos, own), content)


def part(der):
    return b"Content-Type: application/pkcs7-mime; name=smime.p7m\r\nContent-Transfer-Encoding: binary\r\n\r\n" + der


def zeros(size):
    """zlib of so many zeros, piece by piece: a flushed piece may stand again and again."""
    one = 10 << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(one)) + packer.flush(zlib.Z_FULL_FLUSH)
    times = size // one
    check = (one * times % 65_521) << 16 | 1
    return b"\x78\xda" + piece * times + b"\3\0" + check.to_bytes(4, "big")


def compressed(packed):
    return info(COMPRESSED, b"\2\1\0", seq(oid("1.2.840.113549.1.9.16.3.8")),
                seq(DATA, tlv(0xa0, tlv(4, packed))))


def headers():
    text = b"\r\nbody\r\n"
    large("fields-1000000", HEAD + b"a:\r\n" * 1_000_000 + text)
    large("fields-1000000-resent", b"Received: x\r\n" * 1_000_000 + HEAD + text)
    large("header-10mb", HEAD + b"".join(b"X-%d: %b\r\n" % (n, b"x" * 60_000) for n in range(170)) + text)
    large("header-10mb-folded", HEAD + b"Subject: a" + b"\r\n bcdefgh" * 1_000_000 + text)
    large("header-10mb-from", b"From: " + b"a@b.example,\r\n " * 700_000 + b"alice@example.org\r\n" + text)
    large("header-10mb-to", HEAD[:HEAD.index(b"To:")] + b"To: " + b"a@b.example,\r\n " * 700_000 + b"b@b.example\r\n" + text)
    large("header-10mb-parameters", HEAD + b"Content-Type: text/plain" + b"".join(
        b";\r\n a%d*%d*=utf-8''%%41" % (n % 1_000, n) for n in range(400_000)) + b"\r\n" + text)
    large("line-50mb-header", HEAD + b"Subject: " + b"x" * 50_000_000 + b"\r\n" + text)
    large("line-50mb-body", HEAD + b"\r\n" + b"x" * 50_000_000)
    large("line-50mb-no-header", b"x" * 50_000_000)
    large("lines-50mb", HEAD + b"\r\n" + b"\n" * 50_000_000)
    large("lines-50mb-dots", HEAD + b"\r\n" + b".\n" * 25_000_000)
    large("lines-50mb-signed", HEAD + b'Content-Type: multipart/signed; boundary=b; protocol="application/pkcs7-signature"'
          b"\r\n\r\n--b\r\n\r\n" + b"\n" * 48_000_000 + b"\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\nMIA\r\n--b--\r\n")


def structure():
    kind = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    for parts in [1_000, 1_001, 5_000_000]:
        large(f"parts-{parts}", kind + b"--b\r\n\r\nx\r\n" * parts + b"--b--\r\n")
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(10_000))
    large("depth-10000", HEAD + deep + b"\r\nx\r\n" + b"".join(b"--b%d--\r\n" % n for n in reversed(range(10_000))))
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(700_000))
    large("depth-700000", HEAD + deep)
    large("base64-50mb", HEAD + b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"MIAG" * 12_000_000)
    large("base64-50mb-lines", HEAD + b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"M\n" * 24_000_000)


def framing():
    large("ber-deep-40mb", binary(b"\x30\x80" * 20_000_000))
    large("ber-deep-enveloped-40mb", binary(seq(ENVELOPED, b"\xa0\x80" + b"\x30\x80" * 20_000_000)))
    large("ber-pieces-40mb", binary(info(SIGNED, b"\2\1\1", tlv(49), seq(
        DATA, tlv(0xa0, b"\x24\x80" + b"\x04\x01A" * 13_000_000 + b"\0\0")), tlv(49))))
    large("oid-40mb", binary(seq(tlv(6, b"\x81" * 40_000_000 + b"\1"), tlv(0xa0, NULL))))
    large("integer-40mb", binary(info(ENVELOPED, tlv(2, b"\x7f" * 40_000_000))))
    large("length-lies", binary(b"\x30\x84\x7f\xff\xff\xff" + ENVELOPED + b"\xa0\x88" + b"\x7f" * 8 + bytes(100)))


def recipients():
    stranger = seq(b"\2\1\0", RID, seq(RSA, NULL), tlv(4, bytes(256)))
    text = b"Content-Type: text/plain\r\n\r\nhello\r\n"
    large("recipients-ours-9999", binary(sealed(text, stranger * 9_999)))
    large("recipients-ours-100000", binary(sealed(text, stranger * 100_000)))
    mail = text
    for _ in range(100):
        mail = part(sealed(mail))
    large("layers-sealed-100", HEAD + mail)
    large("sealed-40mb", binary(sealed(b"Content-Type: text/plain\r\n\r\n" + b"x" * 40_000_000)))
    large("sealed-lines-40mb", binary(sealed(b"Content-Type: text/plain\r\n\r\n" + b"\n" * 40_000_000)))


def inflating():
    packed = zeros(10 << 30)
    assert 9_000_000 < len(packed) < 12_000_000, len(packed)
    large("inflated-10gb", binary(compressed(packed)))
    large("inflated-10gb-inside", binary(sealed(part(compressed(packed)))))
    # As much as may come out.
    text = b"Content-Type: text/plain\r\n\r\n" + os.urandom(600_000) + b"\n" * (50_000_000 - 600_100)
    large("inflated-50mb", binary(compressed(zlib.compress(text, 9))))
    large("inflated-50mb-inside", binary(sealed(part(compressed(zlib.compress(text, 9))))))


def words():
    """What a notice may quote."""
    loop = b"{% for a in range(999999999) %}{{ a }}{% endfor %}{{ '%999999999d' | format(1) }}"
    for name, field in [("from", b'From: "%b" <alice@example.org>\r\n'), ("subject", b"From: alice@example.org\r\nSubject: %b\r\n"),
                        ("id", b"From: alice@example.org\r\nMessage-ID: <%b@example.org>\r\n"),
                        ("date", b"From: alice@example.org\r\nDate: %b\r\n")]:
        large(f"template-{name}", field % loop + b"To: team@example.org\r\n\r\nbody\r\n")
        many = b"\r\n ".join([loop.replace(b'"', b"")] * 600)[:60_000]
        large(f"template-{name}-long", field % many + b"To: team@example.org\r\n\r\nbody\r\n")
    word = b"=?utf-8?b?" + base64.b64encode(b"\r\nBcc: victim@elsewhere.example\r\n\r\n") + b"?="
    large("template-injection", b"From: %b <alice@example.org>\r\nSubject: %b\r\nTo: team@example.org\r\n\r\nbody\r\n" % (word, word))


headers()
structure()
framing()
recipients()
inflating()
words()
