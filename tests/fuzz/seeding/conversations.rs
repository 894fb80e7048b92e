//! Seeds of what clients say to the LMTP server.

use super::Maker;

/// Adds them all; FF stands where the client waits.
pub fn add(maker: &mut Maker) {
    const START: &[u8] = b"LHLO client.example\r\n\xffMAIL FROM:<a@x.org> SIZE=30 BODY=8BITMIME\r\n\
        RCPT TO:<team@example.org>\r\nRCPT TO:<nobody@x.org>\r\nRCPT TO:<other@example.org>\r\nDATA\r\n\xff";
    for (name, step, rest) in [
        ("usual", 255, &b"Subject: x\r\n\r\n..\r\nbody\r\n.\r\n\xffQUIT\r\n"[..]),
        ("drip", 0, b"a\r\n..b\r\n\0\xc3\xa9\r\n.\r\nRSET\r\nMAIL FROM:<>\r\n"),
        ("empty", 3, b".\r\nNOOP\r\nVRFY x\r\n"),
        (
            "smuggled",
            2,
            b"a\n.\nMAIL FROM:<b@x.org>\r\n.\rb\r\n.\nc\n.\r\nDATA\r\n.\r\n\xffQUIT\r\n",
        ),
        ("unended", 7, b"a\r\n.\r"),
        (
            "again",
            5,
            b"a\r\n.\r\nMAIL FROM:<j\xc3\xbcrgen@x.org> SMTPUTF8\r\nRCPT TO:<\"team\"@example.org>\r\nDATA\r\n\xffb\r\n.\r\n",
        ),
    ] {
        maker.add("lmtp_server", name, [&[step], START, rest].concat());
    }
    for (name, words) in [
        (
            "early",
            &b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\na\r\n.\r\nQUIT\r\n"[..],
        ),
        (
            "order",
            b"DATA\r\n\xffRCPT TO:<a@example.org>\r\nEHLO x\r\nMAIL FROM:<a@x.org> X=1\r\n",
        ),
        (
            "routes",
            b"LHLO x\r\nMAIL FROM:<@b.org:a@x.org>\r\nRCPT TO:<@c.org:a@example.org>\r\nRSET\r\n",
        ),
        ("bare", b"LHLO x\nQUIT\r\n"),
    ] {
        maker.add("lmtp_server", name, [&[1][..], words].concat());
    }
}
