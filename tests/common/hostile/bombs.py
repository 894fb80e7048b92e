"""Writes mail that is made to cost much, each under 1,000,000 bytes: python3 bombs.py LAB OUT

See bricks.py. Imports leave nothing beside the sources.
"""
import sys

sys.dont_write_bytecode = True

from bricks import *
from signatures import foreign, signed


# -- header and MIME ------------------------------------------------------------------------------

def mime():
    text = b"\r\nbody\r\n"
    for name, byte in [("nul", b"\0"), ("lf", b"\n"), ("cr", b"\r"), ("crlf", b"\r\n"), ("high", b"\xff"),
                       ("dashes", b"-"), ("folds", b"\n "), ("colons", b":\n"), ("fields", b"a:\n"),
                       ("deep-der", b"\x30\x80"), ("space", b" ")]:
        write("all-" + name, byte * (MOST // len(byte)))
        write("body-of-" + name, HEAD + b"\r\n" + byte * ((MOST - 100) // len(byte)))
    write("random", os.urandom(MOST))
    for field in [b"From", b"Subject", b"Content-Type", b"Content-Disposition", b"Message-ID",
                  b"Content-Transfer-Encoding"]:
        for name, piece in [("word", b"=?utf-8?q?a?= "), ("address", b"<a@b.example>, "), ("parenthesis", b"("),
                            ("quote", b'"\\'), ("parameter", b"; a=b"), ("extended", b"; name*0*=utf-8''%41"),
                            ("group", b"g:a@b.example;,"), ("angle", b"<"), ("comma", b","), ("fold", b"a\r\n ")]:
            value = piece * (64_000 // len(piece))
            write(f"field-{field.decode().lower()}-{name}", field + b": " + value + b"\r\n" + text)
            many = field + b": " + value[:900] + b"\r\n"
            write(f"fields-{field.decode().lower()}-{name}", many * 250 + text)
    write("continuations", b"Content-Type: application/pkcs7-mime" + b"".join(
        b";\r\n name*%d=%b" % (n, b"x" * 50) for n in range(900)) + b"\r\n" + text)
    # Parameters of as many names as there is room for, in one part and in each of many.
    names = b"Content-Type: text/plain" + b"".join(b";a%d*0=x" % n for n in range(6_000)) + b"\r\n"
    write("parameters", names + text)
    write("parameters-parts", HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + (
        b"--b\r\n" + names + b"\r\nx\r\n") * 14)
    for kind in [b"mixed", b"signed; protocol=\"application/pkcs7-signature\"", b"alternative", b"digest"]:
        short = kind.split(b";")[0].decode()
        for depth in [100, 10_000]:
            nested = b"".join(b"Content-Type: multipart/%b; boundary=b%d\r\n\r\n--b%d\r\n" % (kind, n, n)
                              for n in range(depth))
            write(f"nested-{short}-{depth}", HEAD + nested[:MOST])
        same = b"Content-Type: multipart/%b; boundary=b\r\n\r\n" % kind
        write(f"parts-{short}", HEAD + same + b"--b\r\n\r\n" * 120_000)
        write(f"almost-{short}", HEAD + same + b"--bx\n" * 190_000)
        write(f"self-{short}", HEAD + (same + b"--b\r\n") * 10_000)
        wide = b"Content-Type: multipart/%b; boundary=%b\r\n\r\n" % (kind, b"-" * 70)
        write(f"wide-{short}", HEAD + wide + b"-" * 900_000)
        write(f"wide-lines-{short}", HEAD + wide + (b"-" * 71 + b"\n") * 13_000)
    write("messages", HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 30_000)
    smime = HEAD + b"Content-Type: application/pkcs7-mime; name=smime.p7m\r\nContent-Transfer-Encoding: "
    write("base64-of-nothing", smime + b"base64\r\n\r\n" + b"A" * 980_000)
    write("base64-of-lines", smime + b"base64\r\n\r\n" + b"M\n" * 490_000)
    write("base64-of-padding", smime + b"base64\r\n\r\n" + b"MIA=" * 240_000)
    write("quoted-printable", smime + b"quoted-printable\r\n\r\n" + b"=30=80" * 160_000)
    write("quoted-printable-folds", smime + b"quoted-printable\r\n\r\n" + b"=\n" * 490_000)


# -- BER and CMS framing --------------------------------------------------------------------------

def framing():
    def nest(outer, depth, inner=b""):
        out = inner
        for _ in range(depth):
            out = tlv(outer, out)
        return out

    write("ber-deep", binary(b"\x30\x80" * 450_000))
    write("ber-deep-closed", binary(b"\x30\x80" * 240_000 + b"\0\0" * 240_000))
    write("ber-deep-strings", binary(seq(ENVELOPED, b"\xa0\x80\x24\x80" + b"\x24\x80" * 450_000)))
    write("der-deep", binary(nest(48, 2_000)))
    pieces = b"\x24\x80" + b"\x04\x01A" * 320_000 + b"\0\0"
    one_byte = seq(DATA, tlv(0xa0, pieces))
    write("ber-pieces", binary(info(SIGNED, b"\2\1\1", tlv(49), one_byte, tlv(49))))
    write("ber-pieces-sealed", binary(info(ENVELOPED, b"\2\1\0", tlv(49), seq(
        DATA, seq(oid("2.16.840.1.101.3.4.1.42"), tlv(4, bytes(16))), b"\xa0\x80" + b"\x04\x01A" * 320_000 + b"\0\0"))))
    write("ber-lengths", binary(b"\x30\x88" + b"\x7f" * 8 + b"\x30\x84\x7f\xff\xff\xff" * 150_000))
    write("ber-nulls", binary(info(ENVELOPED, b"\2\1\0", tlv(49, NULL * 480_000), seq())))
    write("oid-long", binary(seq(tlv(6, b"\x81" * 900_000 + b"\1"), tlv(0xa0, NULL))))
    write("version-long", binary(info(ENVELOPED, tlv(2, b"\x7f" * 980_000))))
    write("digests", binary(info(SIGNED, b"\2\1\1", tlv(49, seq(SHA256) * 65_000), seq(DATA), tlv(49))))


# -- encryption -----------------------------------------------------------------------------------

def sealed():
    cert, curve = certificate("list.pem"), certificate("ec.pem")

    def rid(cert):
        return seq(cert.issuer.public_bytes(), number(cert.serial_number))

    def content(text, cipher="42"):
        return seq(DATA, seq(oid("2.16.840.1.101.3.4.1." + cipher), tlv(4, bytes(16))), tlv(0x80, text))

    cek = os.urandom(32)
    def to_list(text):
        """What costs work only once it is opened."""
        pad = blocks.PKCS7(128).padder()
        aes = Cipher(algorithms.AES(cek), modes.CBC(bytes(16))).encryptor()
        text = aes.update(pad.update(text) + pad.finalize()) + aes.finalize()
        wrapped = cert.public_key().encrypt(cek, padding.PKCS1v15())
        one = seq(b"\2\1\0", rid(cert), seq(RSA, NULL), tlv(4, wrapped))
        return binary(info(ENVELOPED, b"\2\1\0", tlv(49, one), content(text)))

    write("large-sealed", to_list(b"Content-Type: text/plain\r\n\r\n" + os.urandom(980_000)))
    nothing = seq(b"\2\1\0", rid(cert), seq(RSA, NULL), tlv(4, bytes(256)))
    few = tlv(49, nothing * (MOST // len(nothing)))
    write("recipients-ours", binary(info(ENVELOPED, b"\2\1\0", few, content(bytes(16)))))
    stranger = seq(b"\2\1\0", seq(seq(), number(7)), seq(RSA, NULL), tlv(4, b""))
    for count in [10_000, 30_000]:
        write(f"recipients-{count}", binary(info(ENVELOPED, b"\2\1\0", tlv(49, stranger * count), content(bytes(16)))))
    by_key = seq(b"\2\1\2", tlv(0x80, bytes(20)), seq(RSA, NULL), tlv(4, bytes(8)))
    write("recipients-by-key", binary(info(ENVELOPED, b"\2\1\2", tlv(49, by_key * 10_000), content(bytes(16)))))
    own = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = own.public_bytes(s.Encoding.X962, s.PublicFormat.UncompressedPoint)
    originator = tlv(0xa0, tlv(0xa1, seq(oid("1.2.840.10045.2.1")), tlv(3, b"\0" + point)))
    wrap = seq(oid("2.16.840.1.101.3.4.1.45"))
    scheme = seq(oid("1.3.132.1.11.1"), wrap)
    one_key = seq(rid(curve), tlv(4, bytes(40)))
    write("agreed-keys", binary(info(ENVELOPED, b"\2\1\2", tlv(49, tlv(
        0xa1, b"\2\1\3", originator, scheme, seq(one_key * (900_000 // len(one_key))))), content(bytes(16)))))
    agreed = tlv(0xa1, b"\2\1\3", originator, scheme, seq(one_key))
    write("agreed-many", binary(info(ENVELOPED, b"\2\1\2", tlv(49, agreed * (900_000 // len(agreed))), content(bytes(16)))))
    write("agreed-ukm", binary(info(ENVELOPED, b"\2\1\2", tlv(49, tlv(
        0xa1, b"\2\1\3", originator, tlv(0xa1, tlv(4, bytes(900_000))), scheme, seq(one_key))), content(bytes(16)))))
    bag = tlv(0xa0, tlv(0xa0, der(curve) * (900_000 // len(der(curve)))))
    write("originators", binary(info(ENVELOPED, b"\2\1\2", bag, tlv(49, agreed), content(bytes(16)))))
    label = seq(oid("1.2.840.113549.1.1.9"), tlv(4, bytes(900_000)))
    oaep = seq(oid("1.2.840.113549.1.1.7"), seq(tlv(0xa2, label)))
    one = seq(b"\2\1\0", rid(cert), oaep, tlv(4, bytes(256)))
    write("oaep-label", binary(info(ENVELOPED, b"\2\1\0", tlv(49, one), content(bytes(16)))))
    iterations = seq(oid("1.2.840.113549.1.5.12"), seq(tlv(4, b"salt"), number(2**31 - 1)))
    password = tlv(0xa3, b"\2\1\0", tlv(0xa0, iterations[2:]), seq(oid("1.2.840.113549.1.9.16.3.9"), wrap), tlv(4, bytes(40)))
    write("password", binary(info(ENVELOPED, b"\2\1\3", tlv(49, password), content(bytes(16)))))
    write("attributes-of-the-tag", binary(info(AUTHENVELOPED, b"\2\1\0", tlv(49, nothing), content(bytes(16), "46"),
                                               tlv(0xa1, seq(DATA, tlv(49, NULL)) * 50_000), tlv(4, bytes(16)))))
    return to_list


def nested(to_list):
    def part(der):
        return b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n" + der

    def opaque(inner):
        return info(SIGNED, b"\2\1\1", tlv(49), seq(DATA, tlv(0xa0, tlv(4, inner))), tlv(49))

    def compressed(inner):
        return info(COMPRESSED, b"\2\1\0", seq(oid("1.2.840.113549.1.9.16.3.8")),
                    seq(DATA, tlv(0xa0, tlv(4, zlib.compress(inner, 9)))))

    # The longest that layer in layer can be.
    for name, kind in [("opaque", opaque), ("compressed", compressed)]:
        for depth in [5, 100, 1_000]:
            mail = b"Content-Type: text/plain\r\n\r\nend\r\n"
            for _ in range(depth):
                mail = part(kind(mail))
            write(f"layers-{name}-{depth}", HEAD + mail)
    size = 900_000
    big = b"Content-Type: text/plain\r\n\r\n" + os.urandom(size)
    for depth in range(4):
        big = part(opaque(big))
    write("layers-large", HEAD + big)
    write("layers-large-inside", to_list(big))
    for megabytes in [4, 16, 30, 60, 900]:
        text = b"Content-Type: text/plain\r\n\r\n" + bytes(megabytes << 20)
        write(f"inflated-{megabytes}", binary(compressed(text)))
    for megabytes in [15, 30, 60]:
        # As hard to inflate as the ratio of 100 allows.
        block = os.urandom(3_000)
        piece = b"".join(block[:2_500] + bytes(300_000) for _ in range(megabytes * 3))
        for name, line in [("lines", b"\n"), ("blanks", b" ")]:
            text = b"Content-Type: multipart/signed; boundary=b; protocol=\"application/pkcs7-signature\"\r\n\r\n--b\r\n\r\n"
            text += piece.replace(b"\0" * 300_000, line * 300_000) + b"\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\nMIA\r\n--b--\r\n"
            packed = compressed(text)
            if len(packed) < MOST:
                write(f"inflated-{name}-{megabytes}", binary(packed))
                write(f"inflated-{name}-{megabytes}-inside", to_list(part(packed)))
        wrapped = compressed(part(opaque(b"\r\n" + piece)))
        if len(wrapped) < MOST:
            write(f"inflated-opaque-{megabytes}", binary(wrapped))


mime()
framing()
nested(sealed())
signed()
foreign()
