//! Several addresses behind one name: one that is slow or dead does not stop the others, and is
//! not asked about each copy (contract R15).

use super::sink::{Act, At, Sink};
use super::*;

/// A name with two addresses, and who listens there.
async fn two() -> (Sink, Sink, std::sync::Arc<Courier>) {
    let first = Sink::start().await;
    let second = Sink::at_address(&format!("127.0.0.2:{}", first.port)).await;
    let courier = to_both(&first);
    (first, second, courier)
}

fn to_both(sink: &Sink) -> std::sync::Arc<Courier> {
    let mut settings = settings(&sink.url().replace("127.0.0.1", "LOCALHOST"));
    settings.connections = CONNECTIONS;
    std::sync::Arc::new(Courier::with(&settings, patient()).unwrap())
}

/// So many mails at once; ends come in the order they came about.
fn send(courier: &std::sync::Arc<Courier>, count: usize) -> tokio::task::JoinSet<Outcome> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let courier = courier.clone();
        tasks.spawn(async move { courier.deliver(&parcel(MAIL)).await });
    }
    tasks
}

async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

const CONNECTIONS: usize = 3;

#[tokio::test]
async fn r15_tar_pit_at_any_step_holds_all_but_one_connection_and_the_others_go_on() {
    for step in [
        At::Connect,
        At::Hello,
        At::Mail,
        At::Rcpt,
        At::Data,
        At::Dot,
    ] {
        let (good, pit, courier) = two().await;
        pit.at(step, Act::Silence);
        let mut tasks = send(&courier, 40);
        for number in 1..=38 {
            let sent = tasks.join_next().await.unwrap().unwrap();
            assert_eq!(kind(&sent), Kind::Sent, "{step:?}: mail {number}: {sent:?}");
        }
        assert_eq!(good.mails().len(), 38, "{step:?}");
        assert!(pit.mails().is_empty(), "{step:?}");
        let held = *pit.connections.lock().unwrap();
        assert!((1..CONNECTIONS).contains(&held), "{step:?}: {held}");
    }
}

#[tokio::test]
async fn r15_slow_hop_takes_its_share_and_no_more() {
    let (good, slow, courier) = two().await;
    let pause = Duration::from_millis(40);
    slow.at(
        At::Dot,
        Act::Drip("250 kept, after a while".to_owned(), pause),
    );
    let mut tasks = send(&courier, 60);
    while let Some(sent) = tasks.join_next().await {
        assert_eq!(kind(&sent.unwrap()), Kind::Sent);
    }
    // The sink notes a mail down when it has said all of its answer.
    while good.mails().len() + slow.mails().len() < 60 {
        tokio::task::yield_now().await;
    }
    let (quick, slow) = (good.mails().len(), slow.mails().len());
    assert!(
        quick > 2 * slow,
        "{quick} mails by the quick one, {slow} by the slow one"
    );
}

#[tokio::test]
async fn hop_that_does_not_greet_costs_no_deferral_where_another_does() {
    for act in [
        Act::SayAndClose("421 4.3.2 going down".to_owned()),
        Act::SayAndClose("554 5.3.2 not here".to_owned()),
        Act::Close,
        Act::Reset,
    ] {
        let (good, bad, courier) = two().await;
        bad.at(At::Greeting, act.clone());
        let mut tasks = send(&courier, 30);
        while let Some(sent) = tasks.join_next().await {
            let sent = sent.unwrap();
            assert_eq!(kind(&sent), Kind::Sent, "{act:?}: {sent:?}");
        }
        assert_eq!(good.mails().len(), 30, "{act:?}");
        let asked = *bad.connections.lock().unwrap();
        assert!(
            (1..CONNECTIONS).contains(&asked),
            "{act:?}: asked {asked} times"
        );
    }
}

#[tokio::test]
async fn dead_hop_is_not_asked_about_each_copy_and_comes_back_within_a_minute() {
    let good = Sink::start().await;
    let courier = to_both(&good);
    let mut tasks = send(&courier, 30);
    while let Some(sent) = tasks.join_next().await {
        assert_eq!(kind(&sent.unwrap()), Kind::Sent);
    }
    assert_eq!(good.mails().len(), 30);
    // It is back, and left alone until its minute is over.
    let back = Sink::at_address(&format!("127.0.0.2:{}", good.port)).await;
    let sent = courier.deliver(&parcel(MAIL)).await;
    assert_eq!(kind(&sent), Kind::Sent);
    assert_eq!(*back.connections.lock().unwrap(), 0);
    later(60).await;
    let mut tasks = send(&courier, 12);
    while let Some(sent) = tasks.join_next().await {
        assert_eq!(kind(&sent.unwrap()), Kind::Sent);
    }
    assert!(!back.mails().is_empty(), "it gets its share again");
    assert_eq!(good.mails().len() + back.mails().len(), 43);
}

#[tokio::test]
async fn dead_host_costs_one_try_for_many_copies_and_takes_mail_as_soon_as_it_is_back() {
    let sink = Sink::start().await;
    sink.at(
        At::Greeting,
        Act::SayAndClose("421 4.3.2 going down".to_owned()),
    );
    let mut settings = settings(&sink.url());
    settings.connections = CONNECTIONS;
    let courier = std::sync::Arc::new(Courier::with(&settings, patient()).unwrap());
    let mut tasks = send(&courier, 50);
    let mut unasked = 0;
    while let Some(end) = tasks.join_next().await {
        let Outcome::Deferred { text, .. } = end.unwrap() else {
            panic!("it was to be deferred");
        };
        assert!(text.contains("going down"), "the reason is told: {text}");
        unasked += usize::from(text.contains("a moment ago"));
    }
    let asked = *sink.connections.lock().unwrap();
    assert!((1..=CONNECTIONS).contains(&asked), "asked {asked} times");
    assert_eq!(unasked, 50 - asked);
    sink.behave();
    // The first pause of a copy is 54 seconds or more; a host rests for five.
    later(5).await;
    let sent = courier.deliver(&parcel(MAIL)).await;
    assert_eq!(kind(&sent), Kind::Sent, "{sent:?}");
    assert_eq!(kind(&courier.deliver(&parcel(MAIL)).await), Kind::Sent);
}

#[tokio::test]
async fn server_that_wants_no_second_connection_puts_no_mail_off() {
    let sink = Sink::start().await;
    let mut settings = settings(&sink.url());
    settings.connections = CONNECTIONS;
    let courier = std::sync::Arc::new(Courier::with(&settings, patient()).unwrap());
    assert_eq!(kind(&courier.deliver(&parcel(MAIL)).await), Kind::Sent);
    sink.at(
        At::Greeting,
        Act::SayAndClose("421 4.7.0 too many connections".to_owned()),
    );
    let ends: Vec<Outcome> = send(&courier, 30).join_all().await;
    assert!(ends.iter().all(|end| kind(end) == Kind::Sent), "{ends:?}");
    assert_eq!(sink.mails().len(), 31);
}
