//! The protocol without a socket.

use proptest::prelude::*;

use super::*;

fn addresses(count: usize) -> Vec<Address> {
    (0..count)
        .map(|n| Address::parse(&format!("m{n}@x.org")).unwrap())
        .collect()
}

fn offers(pipelining: bool, chunking: bool) -> Offers {
    Offers {
        pipelining,
        chunking,
        ..Offers::default()
    }
}

fn begin(to: &[Address], offers: Offers, lmtp: bool) -> Transaction {
    let envelope = Envelope {
        from: None,
        to,
        size: 7,
        needs_8bit: false,
        name: None,
    };
    Transaction::new(&envelope, offers, lmtp)
}

#[test]
fn reports_are_asked_for_with_the_name_of_the_copy_where_they_are_offered() {
    let to = addresses(1);
    for (dsn, name, mail, rcpt) in [
        (true, Some("1.a"), " RET=HDRS ENVID=1.a", " NOTIFY=FAILURE"),
        (false, Some("1.a"), "", ""),
        (true, None, "", ""),
    ] {
        let envelope = Envelope {
            from: None,
            to: &to,
            size: 7,
            needs_8bit: false,
            name,
        };
        let offers = Offers {
            dsn,
            ..offers(true, true)
        };
        let (said, _) = talk(Transaction::new(&envelope, offers, false), &[250, 250, 250]);
        let expected = format!("MAIL FROM:<>{mail}\r\nRCPT TO:<m0@x.org>{rcpt}\r\n");
        assert_eq!(said[0], expected, "{dsn} {name:?}");
    }
}

/// Feeds the codes in order and returns what was said (`*` is the mail) and how it ended; replies
/// that nobody asked for stay unread, and missing ones break the connection.
fn talk(mut transaction: Transaction, codes: &[u16]) -> (Vec<String>, Ending) {
    let (mut said, mut codes) = (Vec::new(), codes.iter());
    loop {
        match transaction.next() {
            Next::End => return (said, transaction.end()),
            Next::Mail(command) => said.push(format!("{}*", command.unwrap_or_default())),
            Next::Write(commands) => said.push(commands),
            Next::Read(step) => match codes.next() {
                Some(code) => transaction.take(&Reply {
                    code: *code,
                    lines: vec!["x".to_owned()],
                }),
                None => transaction.break_off(0, step.name()),
            },
        }
    }
}

fn ends(ending: &Ending) -> String {
    let letter = |outcome: &Outcome| match outcome {
        Outcome::Sent(_) => 's',
        Outcome::Deferred { .. } => 'd',
        Outcome::Failed { .. } => 'f',
        Outcome::Untried => 'u',
    };
    ending.outcomes.iter().map(letter).collect()
}

#[test]
fn commands_follow_each_other_one_by_one_or_all_at_once() {
    let to = addresses(2);
    let (said, ending) = talk(
        begin(&to, offers(false, false), false),
        &[250, 250, 250, 354, 250],
    );
    let each = [
        "MAIL FROM:<>\r\n",
        "RCPT TO:<m0@x.org>\r\n",
        "RCPT TO:<m1@x.org>\r\n",
        "DATA\r\n",
    ];
    assert_eq!(said[..4], each);
    assert_eq!((said[4].as_str(), ends(&ending)), ("*", "ss".to_owned()));
    assert_eq!(ending.after, After::Ready);
    let (said, ending) = talk(
        begin(&to, offers(true, false), false),
        &[250, 250, 250, 354, 250],
    );
    assert_eq!(said, [each.concat(), "*".to_owned()]);
    assert_eq!(ends(&ending), "ss");
    let (said, ending) = talk(begin(&to, offers(true, true), false), &[250, 250, 250, 250]);
    assert_eq!(said, [each[..3].concat(), "BDAT 7 LAST\r\n*".to_owned()]);
    assert_eq!(ends(&ending), "ss");
}

#[test]
fn r14_pipelined_refusals_belong_to_their_commands() {
    use After::{Broken, Ready, Reset};
    for (chunking, lmtp, codes, expected, after, sent) in [
        (
            false,
            false,
            &[250, 550, 250, 354, 250][..],
            "fs",
            Reset,
            true,
        ),
        (false, false, &[250, 450, 550, 503], "df", Reset, false),
        (false, false, &[250, 450, 550, 354, 554], "df", Reset, false),
        (false, false, &[250, 250, 250, 554], "ff", Reset, false),
        (false, false, &[550, 503, 503, 503], "ff", Reset, false),
        (false, false, &[450, 503, 503, 503], "dd", Reset, false),
        (false, false, &[450, 250, 250, 354, 250], "dd", Reset, false),
        (false, false, &[550, 421], "ff", Broken, false),
        (false, false, &[250, 550, 421], "fd", Broken, false),
        (false, false, &[250, 250, 354], "dd", Broken, false),
        (false, false, &[250, 250, 250, 250], "dd", Broken, false),
        (false, false, &[250, 250, 250, 354], "dd", Broken, true),
        (
            false,
            true,
            &[250, 250, 250, 354, 250, 250],
            "ss",
            Ready,
            true,
        ),
        (
            false,
            true,
            &[250, 250, 250, 354, 550, 250],
            "fs",
            Reset,
            true,
        ),
        (false, true, &[250, 250, 250, 354, 250], "sd", Broken, true),
        (false, true, &[250, 250, 550, 354, 250], "sf", Reset, true),
        (false, true, &[250, 550, 550, 354], "ff", Broken, false),
        (true, false, &[250, 550, 550], "ff", Reset, false),
        (true, false, &[250, 550, 250, 250], "fs", Reset, true),
        (true, false, &[250, 250, 250, 354], "dd", Broken, true),
        (true, false, &[250, 250, 250, 502], "dd", Broken, true),
        (true, true, &[250, 250, 250, 250, 452], "sd", Reset, true),
    ] {
        let to = addresses(2);
        let (said, ending) = talk(begin(&to, offers(true, chunking), lmtp), codes);
        let found = (ends(&ending), ending.after, ending.data_sent);
        let wanted = (expected.to_owned(), after, sent);
        assert_eq!(found, wanted, "{codes:?}: {said:?}");
        assert_eq!(said.iter().any(|one| one.ends_with('*')), sent, "{said:?}");
        assert_eq!(ending.knows_no_chunks, codes.contains(&502));
    }
}

#[test]
fn s48_server_that_cannot_carry_an_address_is_not_asked_to() {
    let foreign = Address::parse("j\u{f6}rg@x.org").unwrap();
    let to = [addresses(1), vec![foreign]].concat();
    let (said, ending) = talk(begin(&to, offers(true, true), false), &[250, 250, 250]);
    assert_eq!(said[0], "MAIL FROM:<>\r\nRCPT TO:<m0@x.org>\r\n");
    assert_eq!(ends(&ending), "sf");
    let (said, ending) = talk(begin(&to[1..], offers(true, true), false), &[]);
    assert_eq!((said.len(), ends(&ending)), (0, "f".to_owned()));
    assert_eq!(ending.after, After::Ready);
    let able = Offers {
        utf8: true,
        ..offers(true, true)
    };
    let (said, _) = talk(begin(&to, able, false), &[250, 250, 250, 250]);
    assert!(said[0].starts_with("MAIL FROM:<> SMTPUTF8\r\n"), "{said:?}");
}

proptest! {
    #[test]
    fn r14_sent_is_said_of_nobody_without_a_positive_reply_to_the_mail(
        codes in prop::collection::vec(
            prop::sample::select(vec![220, 250, 251, 334, 354, 421, 450, 503, 550, 554]), 0..9),
        (pipelining, chunking, lmtp) in any::<(bool, bool, bool)>(),
        count in 1..4_usize,
    ) {
        let to = addresses(count);
        let (said, ending) = talk(begin(&to, offers(pipelining, chunking), lmtp), &codes);
        prop_assert_eq!(ending.outcomes.len(), count);
        let sent = ends(&ending).contains('s');
        if sent {
            prop_assert!(ending.data_sent);
            // MAIL, RCPT and what follows the mail, at least.
            prop_assert!(codes.iter().filter(|code| **code / 100 == 2).count() >= 3);
            prop_assert!(chunking || codes.contains(&354));
        }
        let mails = said.iter().filter(|one| one.ends_with('*')).count();
        prop_assert_eq!(mails, usize::from(ending.data_sent));
        if codes.is_empty() {
            prop_assert_eq!(ends(&ending), "d".repeat(count));
        }
    }
}
