"""Writes mail that is made to cost much, each under 1,000,000 bytes: python3 bombs.py LAB OUT

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


def write(name, mail):
    assert len(mail) < 1_000_000, (name, len(mail))
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


# -- signatures and certificates ------------------------------------------------------------------

def issue(public, subject, issuer, signer, extensions=(), serial=None):
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
               .serial_number(serial or x509.random_serial_number())
               .not_valid_before(NOW - datetime.timedelta(days=1)).not_valid_after(NOW + datetime.timedelta(days=9)))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signer, hashes.SHA256())


def common(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def unchecked(cert, spki):
    """The certificate with another key, its signature spoiled by that."""
    tbs = cert.tbs_certificate_bytes
    old = cert.public_key().public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo)
    header = len(tbs) - int.from_bytes(tbs[2:4], "big")
    body = tbs[header:].replace(old, spki)
    algorithm = seq(oid("1.2.840.113549.1.1.11"), NULL)
    return seq(seq(body), algorithm, tlv(3, b"\0" + bytes(256)))


def signed():
    alice, alice_key = certificate("alice.pem"), key("alice.key")
    ca, ca_key = certificate("ca.pem"), key("ca.key")
    text = b"Content-Type: text/plain\r\n\r\nhello\r\n"

    def signer(digest, cert=alice, key=alice_key, more=b"", unsigned=b"", algorithm=None):
        attributes = (seq(oid("1.2.840.113549.1.9.3"), tlv(49, DATA)) +
                      seq(oid("1.2.840.113549.1.9.4"), tlv(49, tlv(4, digest))) + more)
        if isinstance(key, rsa.RSAPrivateKey):
            value = key.sign(tlv(49, attributes), padding.PKCS1v15(), hashes.SHA256())
        elif key:
            value = key.sign(tlv(49, attributes), ec.ECDSA(hashes.SHA256()))
            algorithm = algorithm or seq(oid("1.2.840.10045.4.3.2"))
        else:
            value = bytes(256)
        rid = seq(cert.issuer.public_bytes(), number(cert.serial_number))
        return seq(b"\2\1\1", rid, seq(SHA256), tlv(0xa0, attributes), algorithm or seq(RSA, NULL), tlv(4, value),
                   tlv(0xa1, unsigned) if unsigned else b"")

    def mail(content, certificates, signers, crls=b""):
        bag = tlv(0xa0, *certificates) + (tlv(0xa1, crls) if crls else b"")
        digests = tlv(49, seq(SHA256))
        return binary(info(SIGNED, b"\2\1\1", digests, seq(DATA, tlv(0xa0, tlv(4, content))), bag, tlv(49, *signers)))

    digest = hashlib.sha256(text).digest()
    large = b"Content-Type: text/plain\r\n\r\n" + b"line\n" * 190_000
    eight = [signer(hashlib.sha256(large).digest())] * 8
    write("signers-8", mail(large, [der(alice)], eight))
    write("signers-8-wrong", mail(large, [der(alice)], [signer(digest)] * 8))
    write("signers-1000", mail(text, [der(alice)], [signer(digest)] * 1_000))
    detached = info(SIGNED, b"\2\1\1", tlv(49, seq(SHA256)), seq(DATA), tlv(0xa0, der(alice)), tlv(49, *[signer(digest)] * 8))
    write("signers-detached", HEAD + b"Content-Type: multipart/signed; boundary=b; protocol=\"application/pkcs7-signature\"\n\n--b\n"
          + large.replace(b"\r\n", b"\n")[:900_000] + b"\n--b\nContent-Type: application/pkcs7-signature\nContent-Transfer-Encoding: base64\n\n"
          + base64.encodebytes(detached) + b"\n--b--\n")
    write("certificates-1000", mail(text, [der(alice)] * 1_000, [signer(digest)]))
    attribute = seq(oid("1.2.3.4"), tlv(49, NULL))
    write("attributes", mail(text, [der(alice)], [signer(digest, more=attribute * 70_000)]))
    # All of the same name, as DER demands of no SET.
    write("attributes-reversed", mail(text, [der(alice)], [signer(digest, more=b"".join(
        seq(oid("1.2.3.4"), tlv(49, number(n))) for n in range(60_000, 0, -1)))]))
    write("countersigned", mail(text, [der(alice)], [signer(digest, unsigned=attribute * 70_000)]))
    capability = seq(oid("2.16.840.1.101.3.4.1.2"))
    capabilities = seq(oid("1.2.840.113549.1.9.15"), tlv(49, seq(capability * 70_000)))
    write("capabilities", mail(text, [der(alice)], [signer(digest, more=capabilities)]))
    pss = seq(oid("1.2.840.113549.1.1.10"), seq(tlv(0xa2, number(2**62))))
    write("salt", mail(text, [der(alice)], [signer(digest, algorithm=pss)]))

    # Keys that cost much to compute with.
    for name, bits, exponent in [("modulus", 65_536, 65_537), ("modulus-480000", 480_000, 65_537),
                                 ("exponent", 4_096, 2**4_095 + 1), ("both", 16_384, 2**16_383 + 1)]:
        modulus = int.from_bytes(os.urandom(bits // 8), "big") | 1 | 1 << bits - 1
        spki = seq(seq(RSA, NULL), tlv(3, b"\0" + seq(number(modulus), number(exponent))))
        huge = unchecked(alice, spki)
        write("key-" + name, mail(text, [huge], [signer(digest)] * 8))
        above = unchecked(ca, spki)
        write("key-above-" + name, mail(text, [der(alice), above], [signer(digest)] * 8))

    def leaf(*extensions, subject=common("leaf"), issuer=ca.subject, signer=ca_key):
        return issue(alice_key.public_key(), subject, issuer, signer, extensions)

    many = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, '",\\+<>;' * 9)] * 700)
    wide = leaf(subject=many)
    write("name-long", mail(text, [der(wide)], [signer(digest, wide)] * 8))
    write("names-long", mail(text, [der(leaf(subject=many)) for _ in range(16)], [signer(digest, wide)] * 8))
    write("names-long-certs-only", binary(info(SIGNED, b"\2\1\1", tlv(49), seq(DATA), tlv(
        0xa0, *[der(leaf(subject=many)) for _ in range(16)]), tlv(49))))
    addresses = x509.SubjectAlternativeName([x509.RFC822Name(f"a{n}@e.example") for n in range(5_300)])
    crowd = leaf(addresses)
    write("addresses", mail(text, [der(crowd)], [signer(digest, crowd)] * 8))
    write("addresses-certs-only", binary(info(SIGNED, b"\2\1\1", tlv(49), seq(DATA), tlv(
        0xa0, *[der(leaf(addresses)) for _ in range(15)]), tlv(49))))

    # Every authority may stand above every other.
    signing = ec.generate_private_key(ec.SECP256R1())
    ca_extension = x509.BasicConstraints(ca=True, path_length=None)
    constraints = x509.NameConstraints([x509.RFC822Name(f".d{n}.example") for n in range(2_500)], None)
    for name, extensions in [("loop", [ca_extension]), ("constrained", [ca_extension, constraints])]:
        above = [issue(signing.public_key(), common("same"), common("same"), signing, extensions) for _ in range(24)]
        for people in ["one", "crowd"]:
            more = [addresses] if people == "crowd" else []
            below = issue(
                alice_key.public_key(), common("leaf"), common("same"), signing, more)
            bag = [der(below)]
            for one in above:
                if sum(map(len, bag)) + len(der(one)) < 900_000:
                    bag.append(der(one))
            write(f"path-{name}-{people}", mail(text, bag, [signer(digest, below)] * 8))
    each = [ec.generate_private_key(ec.SECP256R1()) for _ in range(6)]
    crossed = [issue(b.public_key(), common("c0"), common("c0"), a, [ca_extension])
               for a in each for b in each if a is not b]
    below = issue(alice_key.public_key(), common("leaf"), common("c0"), each[0])
    write("path-crossed", mail(text, [der(below), *map(der, crossed)], [signer(digest, below)] * 8))
    # The trusted authority at the end of each.
    top = issue(each[0].public_key(), common("c0"), ca.subject, ca_key, [ca_extension])
    write("path-crossed-trusted", mail(text, [der(below), der(top), *map(der, crossed)], [signer(digest, below)] * 8))
    policies = [x509.ObjectIdentifier(f"1.2.3.{n}") for n in range(1, 21)]

    def mapping(n):
        value = seq(*[seq(oid(a.dotted_string), oid(b.dotted_string)) for a in policies for b in policies])
        return x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), value)

    chain, above, signer_key = [], ca.subject, ca_key
    for n in range(5):
        own = ec.generate_private_key(ec.SECP256R1())
        chain.append(issue(own.public_key(), common(f"p{n}"), above, signer_key, [
            ca_extension, x509.CertificatePolicies([x509.PolicyInformation(p, None) for p in policies]), mapping(n),
            x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None)]))
        above, signer_key = common(f"p{n}"), own
    below = issue(alice_key.public_key(), common("leaf"), above, signer_key,
                  [x509.CertificatePolicies([x509.PolicyInformation(p, None) for p in policies])])
    write("policies", mail(text, [der(below), *map(der, chain)], [signer(digest, below)] * 8))

    # Revocation lists.
    def crl(issuer, signer, entries=(), number=1, more=()):
        builder = (x509.CertificateRevocationListBuilder().issuer_name(issuer).last_update(NOW - datetime.timedelta(hours=1))
                   .next_update(NOW + datetime.timedelta(days=1)).add_extension(x509.CRLNumber(number), critical=False))
        for serial in entries:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW).build())
        for extension in more:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(signer, hashes.SHA256()).public_bytes(s.Encoding.DER)

    write("revoked-25000", mail(text, [der(alice)], [signer(digest)] * 8, crl(ca.subject, ca_key, range(2**80, 2**80 + 25_000))))
    small = crl(ca.subject, ca_key)
    for name, one in [("same", small), ("forged", crl(ca.subject, alice_key)), ("foreign", crl(common("other"), signing))]:
        write("lists-" + name, mail(text, [der(alice)], [signer(digest)] * 8, one * (900_000 // len(one))))
    # Each is another one, so that no memory of verified signatures helps; unsigned, which is soon made.
    at = small.index(b"\x55\x1d\x14") + 3
    forged = b"".join(small[: at + 4] + (n % 128).to_bytes(1, "big") + small[at + 5 : -2] + n.to_bytes(2, "big")
                      for n in range(900_000 // len(small)))
    write("lists-different", mail(text, [der(alice)], [signer(digest)] * 8, forged))
    delta = crl(ca.subject, ca_key, range(1, 30), 9, [x509.DeltaCRLIndicator(1)])
    write("lists-delta", mail(text, [der(alice)], [signer(digest)] * 8, (small + delta) * (900_000 // len(small + delta))))
    odd = seq(NULL * 450_000)
    write("lists-odd", mail(text, [der(alice)], [signer(digest)], odd))
    write("certificates-odd", mail(text, [der(alice), odd], [signer(digest)]))


mime()
framing()
nested(sealed())
signed()
