"""Writes mails that Python makes into the current directory: NAME.mime, and NAME.sig, NAME.env.

    mails.py

Expects alice.pem, alice.key, list.pem and `content`, a canonical entity.
"""

import email.message
import email.policy
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7


def read(name):
    with open(name, "rb") as file:
        return file.read()


def write(name, content):
    with open(name, "wb") as file:
        file.write(content)


def save(name, message, policy=email.policy.SMTP):
    write(f"{name}.mime", message.as_bytes(policy=policy))


content = read("content")
alice = x509.load_pem_x509_certificate(read("alice.pem"))
key = load_pem_private_key(read("alice.key"), None)
listcert = x509.load_pem_x509_certificate(read("list.pem"))

for name, options in [
    ("python-detached", [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]),
    ("python-opaque", [pkcs7.PKCS7Options.Binary]),
    ("python-bare", [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities]),
]:
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(alice, key, hashes.SHA384())
    write(f"{name}.sig", builder.sign(Encoding.SMIME, options))
envelope = pkcs7.PKCS7EnvelopeBuilder().set_data(content).add_recipient(listcert)
envelope = envelope.set_content_encryption_algorithm(algorithms.AES256)
write("python.env", envelope.encrypt(Encoding.SMIME, [pkcs7.PKCS7Options.Binary]))

plain = email.message.EmailMessage()
plain["From"] = "Jürgen Müller <juergen@example.org>"
plain["To"] = "Team: a@example.org, b@example.org;, c@example.org"
plain["Subject"] = "Grüße aus Köln, " * 8
plain.set_content("Grüße\n\n.\nFrom here\n")
save("utf8", plain)
save("smtputf8", plain, email.policy.SMTPUTF8)
plain.add_alternative("<p>Grüße</p>", subtype="html")
plain.add_attachment(b"\0\1\2" * 50, maintype="image", subtype="png", filename="Bild mit Umlaut ä.png")
save("alternative", plain)

inner = MIMEMultipart("related", boundary="inner")
inner.attach(MIMEText("one", _charset="iso-8859-15"))
inner.attach(MIMEText("two", "html", _charset="utf-8"))
outer = MIMEMultipart("mixed", boundary="inner-outer")
outer["From"] = "a@example.org"
outer.preamble = "Nobody reads this.\n"
outer.epilogue = "Nor this.\n"
outer.attach(inner)
outer.attach(MIMEText("three\n--inner\nfour"))
save("nested", outer)

forwarded = email.message.EmailMessage()
forwarded["From"] = '"Name, with comma" (comment) <x@example.org>'
forwarded.set_content("see below")
forwarded.add_attachment(plain)
save("forwarded", forwarded)

flat = MIMEMultipart("mixed", boundary="flat")
del flat["Content-Type"]
flat["Content-Type"] = "multipart/mixed; boundary=flat"
for text in ["one", "two", ""]:
    part = email.message.Message()
    part["X-Part"] = text or "none"
    part.set_payload(text)
    flat.attach(part)
save("flat", flat)
