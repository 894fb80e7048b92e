//! Seeds of what servers say: as they do when all is well, and as they do when it is not.

use super::Maker;

const BETWEEN: &str = "\u{1e}";

pub fn add(maker: &mut Maker) {
    let greeting = "220 mx.example.org ESMTP Postfix\r\n";
    let plain = "250-mx.example.org\r\n250-SIZE 10240000\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n";
    let pipelining = "250-mx.example.org\r\n250-PIPELINING\r\n250-SIZE\r\n250 8BITMIME\r\n";
    let chunking = "250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n";
    let (ok, go, kept) = (
        "250 2.1.0 Ok\r\n",
        "354 End data with <CR><LF>.<CR><LF>\r\n",
        "250 2.0.0 Ok: queued as 4F1\r\n",
    );
    let two = 4; // flags: two recipients
    let three = 8;
    for (name, flags, turns) in [
        ("plain", 0, vec![plain, ok, ok, go, kept]),
        (
            "plain-two",
            two,
            vec![plain, ok, ok, "550 5.1.1 no\r\n", go, kept],
        ),
        (
            "pipelined",
            two,
            vec![pipelining, &[ok, ok, ok, go].concat(), kept],
        ),
        (
            "pipelined-refusals",
            three,
            vec![
                pipelining,
                &[ok, "450 4.2.0 later\r\n", ok, "550 5.1.1 no\r\n", go].concat(),
                kept,
            ],
        ),
        (
            "chunked",
            three,
            vec![chunking, &[ok, ok, ok, ok].concat(), kept],
        ),
        (
            "chunks-unknown",
            0,
            vec![chunking, &[ok, ok].concat(), "502 5.5.2 what?\r\n"],
        ),
        (
            "lmtp",
            two | 1,
            vec![
                pipelining,
                &[ok, ok, ok, go].concat(),
                &[kept, kept].concat(),
            ],
        ),
        (
            "lmtp-one-of-two",
            two | 1,
            vec![
                pipelining,
                &[ok, ok, ok, go].concat(),
                &[kept, "552 5.2.2 full\r\n"].concat(),
            ],
        ),
        (
            "lmtp-cut-short",
            two | 1,
            vec![pipelining, &[ok, ok, ok, go].concat(), kept],
        ),
        (
            "refused-by-all",
            two,
            vec![
                pipelining,
                &[ok, "550 no\r\n", "550 no\r\n", go].concat(),
                "554 5.5.1 none\r\n",
            ],
        ),
        ("too-much", 0, vec![plain, &[ok, ok].concat(), go, kept]),
        ("going-down", 0, vec![plain, ok, "421 4.3.2 bye\r\n"]),
        ("two-codes", 0, vec!["250-a\r\n251 b\r\n"]),
        (
            "odd-words",
            2,
            vec![
                "250-\r\n250-8bitmime\r\n250 \u{ff}\r\n",
                "200\r\n",
                "299-\r\n299 x\r\n",
                "354\r\n",
                "250\r\n",
            ],
        ),
    ] {
        let turns = turns.join(BETWEEN);
        let bytes = [
            &[flags, 5][..],
            greeting.as_bytes(),
            BETWEEN.as_bytes(),
            turns.as_bytes(),
        ]
        .concat();
        maker.add("smtp_reply", name, bytes);
    }
}
