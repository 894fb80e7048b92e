//! What is said to what, with a world that knows the lists `team` and `closed` alone.

use proptest::prelude::*;

use super::*;

/// A world for the conversation: what it was handed, and what it says to it.
#[derive(Default)]
struct World {
    /// Sender, recipients and content of each message.
    taken: Vec<(String, Vec<String>, Vec<u8>)>,
    said: Vec<u8>,
    content: Vec<u8>,
    no_room: bool,
    over: bool,
}

impl World {
    /// Lets a session go on until it wants more; `quiet`: nothing else is on its way.
    fn answer(&mut self, session: &mut Session, quiet: bool) {
        loop {
            let wish = session.wish();
            self.said.extend(session.take_output());
            match wish {
                Wish::Bytes => return,
                Wish::HangUp => {
                    self.over = true;
                    return;
                }
                Wish::Pause => session.resume(quiet),
                Wish::Begin if self.no_room => {
                    session.begin(Err(Reply::fixed(452, "4.3.1 no room")));
                }
                Wish::Begin => {
                    self.content.clear();
                    session.begin(Ok(()));
                }
                Wish::Recipient(address) => {
                    let known = ["team@example.org", "closed@example.org"];
                    let refusal = Reply::fixed(550, "5.1.1 no list");
                    let is_known = known.contains(&address.key());
                    session.recipient(is_known.then_some(()).ok_or(refusal));
                }
                Wish::Store(piece) => {
                    assert!(!piece.is_empty());
                    self.content.extend(piece);
                }
                Wish::Settle => {
                    let to = session.recipients().iter().map(ToString::to_string);
                    let to: Vec<String> = to.collect();
                    let reply = |to: &String| match to.as_str() {
                        "closed@example.org" => Reply::fixed(451, "4.3.0 not now"),
                        _ => Reply::fixed(250, "2.0.0 kept"),
                    };
                    let replies: Vec<Reply> = to.iter().map(reply).collect();
                    let content = std::mem::take(&mut self.content);
                    self.taken.push((session.sender().to_owned(), to, content));
                    session.settle(&replies);
                }
            }
        }
    }
}

/// Holds a conversation in turns: the client waits for all replies between them. Each turn is cut
/// into pieces of `step` bytes.
fn talk(world: &mut World, turns: &[&[u8]], step: usize) {
    let mut session = Session::new("mx.example.org", 1000);
    world.answer(&mut session, true);
    for turn in turns {
        let last = turn.len().div_ceil(step);
        for (number, piece) in turn.chunks(step).enumerate() {
            session.feed(piece);
            world.answer(&mut session, number + 1 == last);
        }
    }
}

/// The codes of everything that was said to `turns`, without the greeting.
fn codes(turns: &[&str]) -> (Vec<u16>, World) {
    let turns: Vec<&[u8]> = turns.iter().map(|turn| turn.as_bytes()).collect();
    let mut whole = World::default();
    talk(&mut whole, &turns, usize::MAX);
    for step in [1, 2, 3, 7] {
        let mut cut = World::default();
        talk(&mut cut, &turns, step);
        let show = |world: &World| String::from_utf8_lossy(&world.said).into_owned();
        assert_eq!(show(&cut), show(&whole), "by {step}: {turns:?}");
        assert_eq!(cut.taken, whole.taken, "by {step}: {turns:?}");
    }
    let text = String::from_utf8(whole.said.clone()).unwrap();
    let lines = text.split_terminator("\r\n").skip(1);
    let last = lines.filter(|line| line.as_bytes()[3] == b' ');
    (last.map(|line| line[..3].parse().unwrap()).collect(), whole)
}

const LHLO: &str = "LHLO client\r\n";
const TO_TEAM: &str = "MAIL FROM:<a@x.org>\r\nRCPT TO:<team@example.org>\r\nDATA\r\n";

#[test]
fn message_goes_to_each_recipient_with_a_reply_of_its_own() {
    let (codes, world) = codes(&[
        LHLO,
        "MAIL FROM:<a@x.org> SIZE=20 BODY=8BITMIME\r\nRCPT TO:<team@example.org>\r\n\
         RCPT TO:<nobody@example.org>\r\nRCPT TO:<closed@example.org>\r\n\
         RCPT TO:<team@example.org>\r\nDATA\r\n",
        "Subject: x\r\n\r\n..\0\n\r\n.\r\n",
        "QUIT\r\n",
    ]);
    assert_eq!(
        codes,
        [250, 250, 250, 550, 250, 250, 354, 250, 451, 250, 221]
    );
    let to = ["team@example.org", "closed@example.org", "team@example.org"];
    let to: Vec<String> = to.iter().map(ToString::to_string).collect();
    let content = b"Subject: x\r\n\r\n.\0\n\r\n".to_vec();
    assert_eq!(world.taken, [("a@x.org".to_owned(), to, content)]);
    assert!(world.over);
}

#[test]
fn offers_are_the_extensions_that_are_there() {
    let mut world = World::default();
    talk(&mut world, &[LHLO.as_bytes()], 100);
    assert_eq!(
        String::from_utf8(world.said).unwrap(),
        "220 mx.example.org LMTP Listseal\r\n250-mx.example.org\r\n250-PIPELINING\r\n\
         250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"
    );
}

#[test]
fn commands_out_of_order_are_503() {
    for (turns, expected) in [
        (&["MAIL FROM:<>\r\n"][..], &[503][..]),
        (&[LHLO, "RCPT TO:<team@example.org>\r\n"], &[250, 503]),
        (&[LHLO, "DATA\r\n"], &[250, 503]),
        (&[LHLO, "MAIL FROM:<>\r\n", "DATA\r\n"], &[250, 250, 503]),
        (
            &[LHLO, "MAIL FROM:<>\r\nMAIL FROM:<>\r\n"],
            &[250, 250, 503],
        ),
        (
            &[LHLO, "MAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\n"],
            &[250, 250, 250, 250],
        ),
        (
            &[
                LHLO,
                "MAIL FROM:<>\r\n",
                LHLO,
                "RCPT TO:<team@example.org>\r\n",
            ],
            &[250, 250, 250, 503],
        ),
        (
            &["EHLO x\r\nHELO x\r\nLHLO x\r\nVRFY x\r\nNOOP\r\n"],
            &[500, 500, 250, 252, 250],
        ),
    ] {
        assert_eq!(codes(turns).0, expected, "{turns:?}");
    }
}

#[test]
fn refused_data_leaves_room_for_the_next_message() {
    let mut world = World {
        no_room: true,
        ..World::default()
    };
    talk(&mut world, &[LHLO.as_bytes(), TO_TEAM.as_bytes()], 9);
    let said = String::from_utf8(world.said.clone()).unwrap();
    assert!(said.ends_with("452 4.3.1 no room\r\n"), "{said}");
    let (codes, world) = codes(&[
        LHLO,
        "MAIL FROM:<a@x.org>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\n",
        "RSET\r\n",
        TO_TEAM,
        "x\r\n.\r\n",
    ]);
    assert_eq!(codes, [250, 250, 550, 503, 250, 250, 250, 354, 250]);
    assert_eq!(world.taken.len(), 1);
}

#[test]
fn announced_size_above_the_limit_is_552_at_mail() {
    let (codes, _) = codes(&[
        LHLO,
        "MAIL FROM:<a@x.org> SIZE=1001\r\nRCPT TO:<team@example.org>\r\nMAIL FROM:<> SIZE=1000\r\n",
    ]);
    assert_eq!(codes, [250, 552, 503, 250]);
}

#[test]
fn e23_what_is_said_behind_data_before_354_is_neither_content_nor_command() {
    for behind in ["x\r\n.\r\n", "RSET\r\n", "\r\n", "."] {
        let early = format!("{TO_TEAM}{behind}");
        let (codes, world) = codes(&[LHLO, &early, "MAIL FROM:<b@x.org>\r\n"]);
        assert_eq!(codes, [250, 250, 250, 503], "{behind}");
        assert!(world.over && world.taken.is_empty(), "{behind}");
    }
    // Nor where DATA is refused anyway: a message is not to be read as commands.
    let smuggled = "DATA\r\nMAIL FROM:<b@x.org>\r\nRCPT TO:<team@example.org>\r\n";
    let (codes, world) = codes(&[LHLO, smuggled, "DATA\r\n"]);
    assert_eq!(codes, [250, 503]);
    assert!(world.over);
}

#[test]
fn e23_smuggled_commands_stay_content() {
    for end in [
        "\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\n.\r",
    ] {
        let inner = format!("a{end}MAIL FROM:<b@x.org>\r\nRCPT TO:<team@example.org>\r\nDATA\r\nb");
        let sent = format!("{inner}\r\n.\r\n");
        let (codes, world) = codes(&[LHLO, TO_TEAM, &sent]);
        assert_eq!(codes, [250, 250, 250, 354, 250], "{end:?}");
        let meant = format!("{inner}\r\n").replace("\r\n.", "\r\n");
        assert_eq!(world.taken.len(), 1, "{end:?}");
        assert_eq!(world.taken[0].2, meant.as_bytes(), "{end:?}");
    }
}

#[test]
fn lines_that_do_not_end_in_crlf_or_never_end_the_conversation() {
    for line in ["NOOP\n", "LHLO x\nNOOP\r\n", "\n"] {
        let (codes, world) = codes(&[line, "NOOP\r\n"]);
        assert_eq!((codes, world.over), (vec![500], true), "{line:?}");
    }
    let longest = format!("NOOP {}\r\n", "x".repeat(MAX_LINE - 7));
    assert_eq!(codes(&[&longest]).0, [250]);
    let longer = format!("NOOP {}\r\n", "x".repeat(MAX_LINE - 6));
    for line in [longer, "x".repeat(MAX_LINE)] {
        let (codes, world) = codes(&[&line, "NOOP\r\n"]);
        assert_eq!((codes, world.over), (vec![500], true));
    }
}

#[test]
fn more_than_a_thousand_recipients_are_452_and_the_others_are_served() {
    let rcpt = "RCPT TO:<team@example.org>\r\n".repeat(MAX_RECIPIENTS + 1);
    let all = format!("MAIL FROM:<>\r\n{rcpt}DATA\r\n");
    let mut world = World::default();
    talk(
        &mut world,
        &[LHLO.as_bytes(), all.as_bytes(), b".\r\n"],
        4096,
    );
    let said = String::from_utf8(world.said).unwrap();
    assert_eq!(said.matches("452 4.5.3 ").count(), 1);
    assert_eq!(said.matches("250 2.0.0 kept").count(), MAX_RECIPIENTS);
    assert_eq!(world.taken[0].1.len(), MAX_RECIPIENTS);
}

#[test]
fn client_that_errs_or_idles_for_ever_is_hung_up_on() {
    let (codes_, world) = codes(&[&"WHAT\r\n".repeat(MAX_ERRORS + 3)]);
    assert_eq!(codes_.len(), MAX_ERRORS + 1);
    assert_eq!((codes_.last(), world.over), (Some(&421), true));
    let (codes_, world) = codes(&[&"NOOP\r\n".repeat(MAX_IDLE + 3)]);
    assert_eq!(codes_.len(), MAX_IDLE + 1);
    assert_eq!((codes_.last(), world.over), (Some(&421), true));
    // Mail for lists that are not there is no mistake of the client, however much of it there is.
    let mail = "MAIL FROM:<>\r\nRCPT TO:<nobody@example.org>\r\nRCPT TO:<x>\r\nRSET\r\n";
    let (codes_, world) = codes(&[&format!("{LHLO}{}", mail.repeat(300))]);
    assert_eq!((codes_.len(), world.over), (1201, false));
}

#[test]
fn smtputf8_addresses_are_taken_where_mail_said_so() {
    let (codes, world) = codes(&[
        LHLO,
        "MAIL FROM:<j\u{fc}rgen@x.org>\r\nMAIL FROM:<a@x.org>\r\n\
         RCPT TO:<t\u{e9}am@example.org>\r\nRSET\r\n\
         MAIL FROM:<j\u{fc}rgen@x.org> SMTPUTF8\r\nRCPT TO:<t\u{e9}am@example.org>\r\n\
         RCPT TO:<team@example.org>\r\nDATA\r\n",
        "x\r\n.\r\n",
    ]);
    assert_eq!(codes, [250, 553, 250, 553, 250, 250, 550, 250, 354, 250]);
    assert_eq!(world.taken[0].0, "j\u{fc}rgen@x.org");
}

#[test]
fn recipient_without_a_word_from_the_world_is_not_taken() {
    let mut session = Session::new("mx", 1000);
    let mut world = World::default();
    session.feed(format!("{LHLO}{TO_TEAM}").as_bytes());
    world.answer(&mut session, true);
    session.feed(b"x\r\n.\r\n");
    assert_eq!(session.wish(), Wish::Store(b"x\r\n".to_vec()));
    assert_eq!(session.wish(), Wish::Settle);
    session.settle(&[]);
    assert!(session.take_output().starts_with(b"451 4.3.0"));
}

#[test]
fn large_content_is_passed_on_before_it_ends() {
    let mut session = Session::new("mx", 1000);
    World::default().answer(&mut session, true);
    session.feed(format!("{LHLO}{TO_TEAM}").as_bytes());
    World::default().answer(&mut session, true);
    session.feed(&vec![b'x'; PIECE]);
    assert_eq!(session.wish(), Wish::Store(vec![b'x'; PIECE]));
    assert_eq!(session.wish(), Wish::Bytes);
    assert!(session.is_in_content());
}

proptest! {
    #[test]
    fn any_turns_have_the_same_outcome_however_they_are_cut(pieces in prop::collection::vec(
        prop::sample::select(vec![
            LHLO, TO_TEAM, "MAIL FROM:<>\r\n", "RCPT TO:<team@example.org>\r\n", "DATA\r\n", "RSET\r\n",
            "\r\n.\r\n", ".\r\n", "\n.\n", "\r", "\n", ".", "x", "NOOP\r\n", "|",
        ]), 0..30,
    ), step in 1..20_usize) {
        let bytes = format!("{LHLO}|{}", pieces.concat());
        let turns: Vec<&[u8]> = bytes.split('|').map(str::as_bytes).filter(|turn| !turn.is_empty()).collect();
        let (mut whole, mut cut) = (World::default(), World::default());
        talk(&mut whole, &turns, usize::MAX);
        talk(&mut cut, &turns, step);
        prop_assert_eq!(String::from_utf8_lossy(&whole.said), String::from_utf8_lossy(&cut.said));
        prop_assert_eq!(whole.taken, cut.taken);
    }
}
