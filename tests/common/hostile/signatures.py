"""Hostile mail around signatures, certificates and revocation lists."""
from bricks import *


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
    # Each of the names is compared with each of the constraints of the authority above.
    away = [x509.DirectoryName(common(f"away {n}")) for n in range(1_500)]
    above = issue(ca_key.public_key(), common("narrow"), ca.subject, ca_key,
                  [x509.BasicConstraints(ca=True, path_length=None), x509.NameConstraints(None, away)])
    below = leaf(subject=many, issuer=common("narrow"))
    write("names-excluded", mail(text, [der(below), der(above)], [signer(digest, below)] * 8))
    addresses = x509.SubjectAlternativeName([x509.RFC822Name(f"a{n}@e.example") for n in range(3_700)])
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


def foreign():
    """The largest keys that are computed with, in chains to nowhere, layer in layer."""
    ours = rsa.generate_private_key(65_537, 2_048)
    own = ours.public_key().public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo)
    authority = [x509.BasicConstraints(ca=True, path_length=None)]
    text = b"Content-Type: text/plain\n\nhello\n"

    def huge():
        modulus = int.from_bytes(os.urandom(1_024), "big") | 1 | 1 << 8_191
        return seq(seq(RSA, NULL), tlv(3, b"\0" + seq(number(modulus), number(2**33 - 1))))

    def forged(subject, issuer, spki, extensions=authority):
        """A certificate whose signature is as long as the largest keys and below their moduli, and how a signer names it.
        Without a key it is what it says: one of our own."""
        cert = issue(ours.public_key(), common(subject), common(issuer), ours, extensions)
        whole = unchecked(cert, spki, bytes([1]) + os.urandom(1_023)) if spki else der(cert)
        return whole, b"\2\1\1" + seq(cert.issuer.public_bytes(), number(cert.serial_number)) + seq(SHA256)

    def mail(bag, names, content, layers):
        inner = text
        for n in range(layers):
            signers = []
            for name in names:
                # Each is another one, and what it signs has two encodings.
                stamp = seq(oid("1.2.3.4"), tlv(49, tlv(4, os.urandom(8))))
                signed = (stamp + seq(oid("1.2.840.113549.1.9.4"), tlv(49, tlv(4, hashlib.sha256(content(inner)).digest())))
                          + seq(oid("1.2.840.113549.1.9.3"), tlv(49, DATA)))
                signers.append(seq(name, tlv(0xa0, signed), seq(RSA, NULL), tlv(4, bytes([1]) + os.urandom(1_023))))
            object = info(SIGNED, b"\2\1\1", tlv(49, seq(SHA256)), seq(DATA), tlv(0xa0, *bag), tlv(49, *signers))
            inner = (b'Content-Type: multipart/signed; boundary=b%d; protocol="application/pkcs7-signature"\n\n--b%d\n' % (n, n)
                     + inner + b"\n--b%d\nContent-Type: application/pkcs7-signature\nContent-Transfer-Encoding: base64\n\n" % n
                     + base64.encodebytes(object) + b"\n--b%d--\n" % n)
        return HEAD.replace(b"\r\n", b"\n") + inner

    # Wrong content, which may be that with bare line feeds; right content; both.
    contents = {"wrong": lambda inner: b"", "right": lambda inner: inner.replace(b"\n", b"\r\n"), "bare": lambda inner: inner}
    above = [forged("same", "nobody", huge())[0] for _ in range(31)]
    leaf, name = forged("leaf", "same", own, [])
    wide = [forged("B", "nobody", huge())[0] for _ in range(20)]
    middle = [forged("A", "B", own)[0] for _ in range(11)]
    low, low_name = forged("leaf", "A", None, [])
    each = [forged(f"leaf{n}", "nobody", huge(), []) for n in range(8)]
    for kind, content in contents.items():
        for layers in [1, 5]:
            write(f"foreign-{kind}-{layers}", mail([leaf, *above], [name] * 8, content, layers))
            write(f"foreign-two-{kind}-{layers}", mail([low, *middle, *wide], [low_name] * 8, content, layers))
            write(f"foreign-signers-{kind}-{layers}", mail([one for one, _ in each], [name for _, name in each], content, layers))
