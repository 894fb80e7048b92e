"""A small ASN.1 writer, for what no installed toolkit writes."""


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
