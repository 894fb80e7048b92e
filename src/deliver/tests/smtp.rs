//! ESMTP and LMTP with a server that knows the rules, and single replies of the table of R14.

use super::sink::{Act, At, Sink};
use super::*;

async fn courier(sink: &Sink) -> Courier {
    Courier::with(&settings(&sink.url()), patient()).unwrap()
}

#[tokio::test]
async fn e23_mail_arrives_byte_for_byte_with_dots_and_without_an_added_line() {
    let sink = Sink::start().await;
    let courier = courier(&sink).await;
    assert_eq!(
        courier.deliver(&parcel(MAIL)).await,
        Outcome::Sent("250 2.0.0 kept".to_owned())
    );
    let mails = sink.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].data, MAIL);
    assert_eq!(mails[0].from, "MAIL FROM:<team-bounces@example.org>");
    assert_eq!(mails[0].to, ["RCPT TO:<bob@member.example>"]);
    let null = Parcel {
        reverse_path: None,
        ..parcel(b"a\nb")
    };
    courier.deliver(&null).await;
    let mails = sink.mails();
    assert_eq!(
        (mails[1].from.as_str(), &mails[1].data[..]),
        ("MAIL FROM:<>", &b"a\r\nb\r\n"[..])
    );
    assert_eq!(sink.commands.lock().unwrap()[0], "EHLO relay.example.org");
}

#[tokio::test]
async fn name_of_a_copy_goes_as_envid_and_in_front_of_its_header() {
    let sink = Sink::start().await;
    let courier = courier(&sink).await;
    sink.offer(&["8BITMIME", "DSN", "PIPELINING", "CHUNKING"]);
    let named = Parcel {
        name: Some("00ff.12".to_owned()),
        ..parcel(MAIL)
    };
    let outcome = courier.deliver(&named).await;
    assert!(matches!(outcome, Outcome::Sent(_)), "{outcome:?}");
    let mails = sink.mails();
    assert_eq!(
        mails[0].from,
        "MAIL FROM:<team-bounces@example.org> RET=HDRS ENVID=00ff.12"
    );
    assert_eq!(mails[0].to, ["RCPT TO:<bob@member.example> NOTIFY=FAILURE"]);
    let data = [b"X-Listseal-Copy: 00ff\r\n 12\r\n", MAIL].concat();
    assert_eq!(mails[0].data, data);
}

#[tokio::test]
async fn r14_every_refusal_means_what_the_table_says() {
    use Kind::{Deferred, Failed, Sent};
    let refused = Reason::RecipientRefused;
    let message = Reason::MessageRefused;
    for (at, reply, expected) in [
        (At::Greeting, "554 no", Deferred(554)),
        (At::Greeting, "421 busy", Deferred(421)),
        (At::Hello, "500 what", Deferred(500)),
        (At::Mail, "451 later", Deferred(451)),
        (At::Mail, "421 closing", Deferred(421)),
        (At::Mail, "552 too big", Failed(message, 552)),
        (At::Rcpt, "450 greylisted", Deferred(450)),
        (At::Rcpt, "550 5.1.1 nobody", Failed(refused, 550)),
        (At::Rcpt, "251 forwarded", Sent),
        (At::Data, "451 later", Deferred(451)),
        (At::Data, "554 no", Failed(message, 554)),
        (At::Data, "250 not a go-ahead", Deferred(0)),
        (At::Dot, "452 full", Deferred(452)),
        (At::Dot, "554 5.7.1 spam", Failed(message, 554)),
        (At::Dot, "250", Sent),
        (At::Dot, "250-first\r\n250 second", Sent),
        (At::Dot, "354 what", Deferred(0)),
        (At::Dot, "999 what", Deferred(0)),
        (At::Dot, "no code at all", Deferred(0)),
        (At::Dot, "250-first\r\n550 second", Deferred(0)),
        (At::Rcpt, "250 \u{1}\u{ff}", Sent),
    ] {
        let sink = Sink::start().await;
        sink.say(at, reply);
        let outcome = courier(&sink).await.deliver(&parcel(MAIL)).await;
        assert_eq!(kind(&outcome), expected, "{reply:?} at {at:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn hop_that_nobody_listens_at_defers() {
    let nobody = Courier::with(&settings("smtp://127.0.0.1:1"), patient()).unwrap();
    assert_eq!(
        kind(&nobody.deliver(&parcel(MAIL)).await),
        Kind::Deferred(0)
    );
}

#[tokio::test]
async fn connection_is_reused_and_reset_after_a_refusal() {
    let sink = Sink::start().await;
    let courier = courier(&sink).await;
    courier.deliver(&parcel(MAIL)).await;
    sink.say(At::Rcpt, "550 no");
    courier.deliver(&parcel(MAIL)).await;
    sink.behave();
    assert_eq!(kind(&courier.deliver(&parcel(MAIL)).await), Kind::Sent);
    assert_eq!(*sink.connections.lock().unwrap(), 1);
    assert!(sink.commands.lock().unwrap().contains(&"RSET".to_owned()));
    courier.close().await;
    assert_eq!(sink.commands.lock().unwrap().last().unwrap(), "QUIT");
}

#[tokio::test]
async fn kept_connection_that_died_costs_no_deferral_and_no_duplicate() {
    for act in [Act::Close, Act::Say("421 idle too long".to_owned())] {
        let sink = Sink::start().await;
        let courier = courier(&sink).await;
        courier.deliver(&parcel(MAIL)).await;
        // The next command on the kept connection meets its end; a new connection is greeted well.
        let armed = sink.clone();
        armed.at(At::Mail, act.clone());
        let disarm = tokio::spawn(async move {
            while *armed.connections.lock().unwrap() < 2 {
                tokio::task::yield_now().await;
            }
            armed.behave();
        });
        let outcome = courier.deliver(&parcel(MAIL)).await;
        disarm.await.unwrap();
        assert_eq!(kind(&outcome), Kind::Sent, "{act:?}: {outcome:?}");
        assert_eq!(sink.mails().len(), 2);
    }
}

#[tokio::test]
async fn decision_18_no_more_transactions_at_once_than_configured() {
    let sink = Sink::start().await;
    let mut settings = settings(&sink.url());
    settings.connections = 3;
    let courier = std::sync::Arc::new(Courier::with(&settings, Patience::default()).unwrap());
    let tasks: Vec<_> = (0..30)
        .map(|_| {
            let courier = courier.clone();
            tokio::spawn(async move { courier.deliver(&parcel(MAIL)).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(kind(&task.await.unwrap()), Kind::Sent);
    }
    assert_eq!(sink.mails().len(), 30);
    let connections = *sink.connections.lock().unwrap();
    assert!((1..=3).contains(&connections), "{connections} connections");
}

#[tokio::test]
async fn s48_what_the_server_cannot_carry_fails_and_is_never_mangled() {
    let eight_bit = "Subject: x\r\n\r\ngr\u{fc}\u{df}e\r\n".as_bytes();
    let sink = Sink::start().await;
    let outcome = courier(&sink).await.deliver(&parcel(eight_bit)).await;
    assert_eq!(kind(&outcome), Kind::Sent);
    assert!(sink.mails()[0].from.ends_with(" BODY=8BITMIME"));
    assert_eq!(sink.mails()[0].data, eight_bit);

    let foreign = Parcel {
        to: Address::parse("j\u{f6}rg@x.org").unwrap(),
        ..parcel(MAIL)
    };
    let unsupported = Kind::Failed(Reason::AddressUnsupported, 0);
    assert_eq!(
        kind(&courier(&sink).await.deliver(&foreign).await),
        unsupported
    );
    sink.offer(&["SMTPUTF8"]);
    let courier = courier(&sink).await;
    assert_eq!(
        kind(&courier.deliver(&parcel(eight_bit)).await),
        unsupported
    );
    assert_eq!(kind(&courier.deliver(&foreign).await), Kind::Sent);
    let mail = sink.mails().pop().unwrap();
    assert!(mail.from.ends_with(" SMTPUTF8"), "{}", mail.from);
    assert_eq!(mail.to, ["RCPT TO:<j\u{f6}rg@x.org>"]);
}

#[tokio::test]
async fn bare_carriage_return_fails_before_anything_is_said() {
    let sink = Sink::start().await;
    let outcome = courier(&sink)
        .await
        .deliver(&parcel(b"a\r\n\r\nx\r.\r\n"))
        .await;
    assert_eq!(kind(&outcome), Kind::Failed(Reason::MimeMalformed, 0));
    assert_eq!(*sink.connections.lock().unwrap(), 0);
}

#[tokio::test]
async fn lmtp_says_lhlo_over_tcp_and_unix_socket() {
    let sink = Sink::start().await;
    let url = sink.url().replace("smtp://", "lmtp://");
    let courier = Courier::with(&settings(&url), patient()).unwrap();
    assert_eq!(kind(&courier.deliver(&parcel(MAIL)).await), Kind::Sent);
    assert_eq!(sink.commands.lock().unwrap()[0], "LHLO relay.example.org");
    assert_eq!(sink.mails()[0].data, MAIL);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lmtp.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let serving = sink.clone();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serving.serve(stream).await;
    });
    let url = format!("lmtp+unix://{}", path.display());
    let courier = Courier::with(&settings(&url), patient()).unwrap();
    assert_eq!(kind(&courier.deliver(&parcel(MAIL)).await), Kind::Sent);
    assert_eq!(sink.mails().len(), 2);
    let remote = Courier::new(&settings("lmtp://mail.example.org:24"));
    assert!(matches!(remote, Err(CourierError::RemoteLmtp)));
}

#[tokio::test]
async fn commands_go_out_together_and_the_mail_as_one_chunk_where_the_server_likes_that() {
    for (offers, together, chunked) in [
        (&["8BITMIME"][..], 0, false),
        (&["PIPELINING"], 2, false),
        (&["CHUNKING"], 0, true),
        (&["PIPELINING", "CHUNKING", "SIZE 10000"], 1, true),
    ] {
        let sink = Sink::start().await;
        sink.offer(offers);
        let outcome = courier(&sink).await.deliver(&parcel(MAIL)).await;
        assert_eq!(kind(&outcome), Kind::Sent, "{offers:?}: {outcome:?}");
        let mail = sink.mails().remove(0);
        assert_eq!(
            (&mail.data[..], mail.chunked),
            (MAIL, chunked),
            "{offers:?}"
        );
        let size = format!(" SIZE={}", MAIL.len());
        assert_eq!(
            mail.from.ends_with(&size),
            offers.len() == 3,
            "{}",
            mail.from
        );
        // Where the mail follows BDAT at once, that counts as one more.
        let pipelined = *sink.pipelined.lock().unwrap();
        assert!(
            (together..=together + usize::from(chunked)).contains(&pipelined),
            "{offers:?}: {pipelined}"
        );
    }
}

#[tokio::test]
async fn server_that_offers_chunks_and_does_not_know_them_gets_the_mail_by_data_next_time() {
    for code in [500, 501, 502, 503, 504] {
        let sink = Sink::start().await;
        sink.offer(&["CHUNKING"]);
        sink.say(At::Dot, &format!("{code} 5.5.1 what?"));
        let courier = courier(&sink).await;
        let outcome = courier.deliver(&parcel(MAIL)).await;
        assert_eq!(kind(&outcome), Kind::Deferred(code));
        sink.behave();
        assert_eq!(kind(&courier.deliver(&parcel(MAIL)).await), Kind::Sent);
        assert!(!sink.mails()[0].chunked);
        assert_eq!(*sink.connections.lock().unwrap(), 2);
    }
}

#[tokio::test]
async fn r14_lmtp_answers_for_each_recipient() {
    let to = addresses(&["a@x.org", "b@x.org", "c@x.org"]);
    for offers in [&[][..], &["PIPELINING"], &["PIPELINING", "CHUNKING"]] {
        for (reply, kind_of_b) in [
            ("452 4.2.2 full", Kind::Deferred(452)),
            ("550 5.7.1 no", Kind::Failed(Reason::MessageRefused, 550)),
        ] {
            let sink = Sink::start().await;
            sink.offer(offers);
            sink.say(At::Dot, reply);
            *sink.victim.lock().unwrap() = Some(1);
            let url = sink.url().replace("smtp://", "lmtp://");
            let courier = Courier::with(&settings(&url), patient()).unwrap();
            let outcomes = to_all(&courier, &to, MAIL).await;
            let kinds: Vec<Kind> = outcomes.iter().map(kind).collect();
            assert_eq!(kinds, [Kind::Sent, kind_of_b, Kind::Sent], "{offers:?}");
            let kept = &sink.mails()[0].to;
            assert_eq!(kept[..], ["RCPT TO:<a@x.org>", "RCPT TO:<c@x.org>"]);
            // The connection goes on.
            sink.behave();
            assert_eq!(kind(&courier.deliver(&parcel(MAIL)).await), Kind::Sent);
            assert_eq!(*sink.connections.lock().unwrap(), 1);
        }
        // What was answered before the end is an answer.
        let sink = Sink::start().await;
        sink.offer(offers);
        sink.at(At::Dot, Act::Close);
        *sink.victim.lock().unwrap() = Some(1);
        let url = sink.url().replace("smtp://", "lmtp://");
        let courier = Courier::with(&settings(&url), patient()).unwrap();
        let outcomes = to_all(&courier, &to, MAIL).await;
        let kinds: Vec<Kind> = outcomes.iter().map(kind).collect();
        assert_eq!(
            kinds,
            [Kind::Sent, Kind::Deferred(0), Kind::Deferred(0)],
            "{outcomes:?}"
        );
    }
}

#[tokio::test]
async fn r16_stopped_courier_begins_nothing_and_finishes_what_is_under_way() {
    let sink = Sink::start().await;
    let pause = Duration::from_millis(50);
    sink.at(At::Dot, Act::Drip("250 kept".to_owned(), pause));
    let mut settings = settings(&sink.url());
    settings.connections = 1;
    let courier = std::sync::Arc::new(Courier::with(&settings, patient()).unwrap());
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let courier = courier.clone();
            tokio::spawn(async move { courier.deliver(&parcel(MAIL)).await })
        })
        .collect();
    while !sink.commands.lock().unwrap().contains(&"DATA".to_owned()) {
        tokio::task::yield_now().await;
    }
    courier.stop();
    let mut kinds = Vec::new();
    for task in tasks {
        kinds.push(kind(&task.await.unwrap()));
    }
    kinds.sort_by_key(|one| *one == Kind::Sent);
    assert_eq!(kinds, [Kind::Untried, Kind::Untried, Kind::Sent]);
    assert_eq!(sink.mails().len(), 1);
    courier.close().await;
    assert_eq!(sink.commands.lock().unwrap().last().unwrap(), "QUIT");
    assert_eq!(kind(&courier.deliver(&parcel(MAIL)).await), Kind::Untried);
}
