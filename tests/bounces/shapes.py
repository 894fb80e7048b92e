"""Writes delivery status notifications in many shapes with Python's email package.

Reads a JSON array of copies: the bounce address, the name and the mail. Prints a JSON array of
objects with a name, a mail in base64, and the status that is to be read (null: not understood); the
n-th is about the n-th copy.
"""

import base64
import email.charset
import email.encoders
import email.message
import email.mime.base
import email.mime.message
import email.mime.multipart
import email.mime.nonmultipart
import email.mime.text
import email.policy
import json
import sys

def shapes_of(asked):
    """Returns every shape of a report about one copy."""
    copy = base64.b64decode(asked["copy"])
    returned = email.message_from_bytes(copy)
    header = copy.split(b"\r\n\r\n")[0] + b"\r\n"


    def fields(*pairs):
        block = email.message.Message()
        for name, value in pairs:
            block[name] = value
        return block


    def status(blocks):
        part = email.message.Message()
        part["Content-Type"] = "message/delivery-status"
        part.set_payload(blocks)
        return part


    def headers_part():
        part = email.mime.text.MIMEText(header.decode(), "rfc822-headers", "us-ascii")
        return part


    def whole_part():
        return email.mime.message.MIMEMessage(returned)


    def report(parts, **parameters):
        mail = email.mime.multipart.MIMEMultipart("report", **({"report-type": "delivery-status"} | parameters))
        mail["From"] = "MAILER-DAEMON@python.example"
        mail["To"] = asked["to"]
        mail["Subject"] = "=?utf-8?q?Nachricht_unzustellbar_=C3=BC?="
        for part in parts:
            mail.attach(part)
        return mail


    def text(body="Es tut mir leid \u00fc."):
        return email.mime.text.MIMEText(body, "plain", "utf-8")


    GLOBAL = fields(("Reporting-MTA", "dns; python.example"), ("Arrival-Date", "Sat, 21 Nov 2026 12:00:00 +0000"))


    def one(*pairs, action="failed", code="5.1.1"):
        return fields(("Final-Recipient", "rfc822; bob@example.org"), ("Action", action), ("Status", code), *pairs)


    def international():
        part = email.mime.nonmultipart.MIMENonMultipart("message", "global-delivery-status")
        body = (
            "Reporting-MTA: dns; python.example\r\n\r\nOriginal-Recipient: utf-8; b\u00f6b@example.org\r\n"
            "Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 kein Postfach f\u00fcr b\u00f6b\r\n"
        )
        part.set_payload(body.encode())
        email.encoders.encode_base64(part)
        return part


    def international_headers():
        part = email.mime.nonmultipart.MIMENonMultipart("message", "global-headers")
        part.set_payload(header)
        email.encoders.encode_base64(part)
        return part


    envelope_id = fields(("Reporting-MTA", "dns; python.example"), ("Original-Envelope-Id", asked["name"]))
    long = "x" * 60000
    shapes = [
        ("headers", report([text(), status([GLOBAL, one()]), headers_part()]), "5.1.1"),
        ("whole", report([text(), status([GLOBAL, one()]), whole_part()]), "5.1.1"),
        ("envelope id alone", report([text(), status([envelope_id, one()])]), "5.1.1"),
        ("no text", report([status([GLOBAL, one()]), headers_part()]), "5.1.1"),
        ("parts in another order", report([headers_part(), status([GLOBAL, one()]), text()]), "5.1.1"),
        ("international", report([text(), international(), international_headers()]), "5.1.1"),
        ("two recipients", report([text(), status([GLOBAL, one(action="delivered", code="2.0.0"), one(code="5.2.1")]), headers_part()]), "5.2.1"),
        ("upper case", report([text(), status([GLOBAL, one(action="FAILED")]), headers_part()]), "5.1.1"),
        ("folded", report([text(), status([GLOBAL, one(("Diagnostic-Code", "smtp; 550 5.1.1 " + "word " * 60))]), headers_part()]), "5.1.1"),
        ("huge diagnostic", report([text(), status([GLOBAL, one(("Diagnostic-Code", "smtp; 550 " + long))]), headers_part()]), "5.1.1"),
        ("quoted-printable text beside", report([email.mime.text.MIMEText("\u00fc" * 500, "html", "iso-8859-1"), status([GLOBAL, one()]), whole_part()]), "5.1.1"),
        ("odd boundary", report([text(), status([GLOBAL, one()]), headers_part()], boundary="=_?'()+,-./: =x"), "5.1.1"),
        ("disposition notification", report([text(), status([GLOBAL, one()]), headers_part()], **{"report-type": "disposition-notification"}), None),
        ("inside a mixed", None, None),
    ]
    mixed = email.mime.multipart.MIMEMultipart("mixed")
    mixed["To"] = asked["to"]
    mixed.attach(shapes[0][1])
    mixed.attach(text("-- \nA footer"))
    shapes[-1] = ("inside a mixed", mixed, None)
    policies = {"crlf": email.policy.SMTP, "lf": email.policy.compat32}
    out = []
    for name, mail, code in shapes:
        for end, policy in policies.items():
            if end == "lf" and name not in ("headers", "whole", "international"):
                continue
            mail.replace_header("To", asked["to"])
            mail.add_header("X-Shape", name + " " + end)
            raw = mail.as_bytes(policy=policy.clone(max_line_length=None) if end == "lf" else policy)
            del mail["X-Shape"]
            out.append({"name": f"{name}, {end}", "mail": base64.b64encode(raw).decode(), "status": code})
    return out


# Each shape is about another copy.
copies = json.load(sys.stdin)
count = len(shapes_of(copies[0]))
json.dump([shapes_of(copies[n % len(copies)])[n] for n in range(count)], sys.stdout)
