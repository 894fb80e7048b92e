//! Conversations over a pipe in memory, on a clock that is wound forward.

use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::super::tests::Site;
use super::*;

/// A client, and the conversation that it has.
struct Client {
    io: DuplexStream,
    stop: watch::Sender<bool>,
    serving: JoinHandle<io::Result<()>>,
}

const LHLO: &str = "LHLO client.example\r\n";
const TO_TEAM: &str = "MAIL FROM:<a@x.org>\r\nRCPT TO:<team@example.org>\r\nDATA\r\n";

impl Client {
    fn new(site: &Site) -> Self {
        let (io, theirs) = tokio::io::duplex(1 << 16);
        let (stop, stopped) = watch::channel(false);
        let connection = Connection::new(Box::new(theirs), "mx", site.lists(), stopped);
        let serving = tokio::spawn(connection.serve());
        Self { io, stop, serving }
    }

    async fn say(&mut self, text: impl AsRef<[u8]>) {
        self.io.write_all(text.as_ref()).await.unwrap();
    }

    /// Reads until a last line that begins with `code`, and returns everything up to it.
    async fn hear(&mut self, code: &str) -> String {
        let mut said = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&said);
            let end = text.lines().next_back().unwrap_or_default();
            if text.ends_with('\n') && end.starts_with(code) {
                return text.into_owned();
            }
            let mut byte = [0];
            let count = self.io.read(&mut byte).await.unwrap();
            assert_eq!(count, 1, "it ended without {code}: {text}");
            said.push(byte[0]);
        }
    }

    /// Begins a message for the list `team`.
    async fn begin(&mut self) {
        self.say(format!("{LHLO}{TO_TEAM}")).await;
        self.hear("354 ").await;
    }

    /// Reads to the end of the conversation.
    async fn end(mut self) -> String {
        let mut said = String::new();
        self.io.read_to_string(&mut said).await.unwrap();
        self.serving.await.unwrap().unwrap();
        said
    }
}

#[tokio::test]
async fn each_recipient_has_a_message_of_its_own_and_a_reply_behind_it() {
    let site = Site::new();
    let mut client = Client::new(&site);
    client
        .say(format!(
            "{LHLO}MAIL FROM:<a@x.org> SMTPUTF8\r\nRCPT TO:<team@example.org>\r\n\
             RCPT TO:<nobody@example.org>\r\nRCPT TO:<other-owner@example.org>\r\n\
             RCPT TO:<TEAM@example.org>\r\nDATA\r\n"
        ))
        .await;
    let said = client.hear("354 ").await;
    assert_eq!(said.matches("250 2.1.5 ").count(), 3, "{said}");
    assert!(
        said.contains("550 5.1.1 there is no list with the address nobody@example.org\r\n"),
        "{said}"
    );
    assert!(site.taken().is_empty());
    client
        .say("Subject: \0x\r\n\r\n..\r\nb\n\r\n.\r\nQUIT\r\n")
        .await;
    let said = client.end().await;
    let ids: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("250 2.0.0 ")?.strip_suffix(" is safe"))
        .collect();
    assert_eq!(ids.len(), 3, "{said}");
    assert_eq!(ids[0], ids[2], "the same recipient has one message");
    assert!(said.ends_with("221 2.0.0 goodbye\r\n"), "{said}");
    let taken = site.taken();
    let to: Vec<&str> = taken
        .iter()
        .map(|one| one.envelope.recipient().key())
        .collect();
    assert_eq!(to, ["other-owner@example.org", "team@example.org"]);
    for one in &taken {
        assert_eq!(one.data, b"Subject: \0x\r\n\r\n.\r\nb\n\r\n");
        assert_eq!(one.envelope.sender_text(), "a@x.org");
    }
    assert_eq!(ids[0], taken[1].id.to_string());
}

#[tokio::test]
async fn large_message_for_several_is_the_same_in_each_file() {
    let site = Site::new();
    let mut client = Client::new(&site);
    client
        .say(format!(
            "{LHLO}MAIL FROM:<>\r\nRCPT TO:<team@example.org>\r\nRCPT TO:<other@example.org>\r\n\
             RCPT TO:<listseal@example.org>\r\nDATA\r\n"
        ))
        .await;
    client.hear("354 ").await;
    let line = format!("{}\r\n", "x".repeat(98));
    let data = line.repeat((2 << 20) / 100);
    client.say(&data).await;
    client.say(".\r\nQUIT\r\n").await;
    let said = client.end().await;
    assert_eq!(said.matches(" is safe").count(), 3, "{said}");
    let taken = site.taken();
    assert_eq!(taken.len(), 3);
    for one in taken {
        assert!(one.data == data.as_bytes(), "{one:?}");
        assert!(one.envelope.is_null_sender());
    }
}

#[tokio::test]
async fn message_above_the_limit_is_552_for_each_and_leaves_nothing() {
    let site = Site::new();
    let mut client = Client::new(&site);
    client
        .say(format!("{LHLO}MAIL FROM:<>\r\nRCPT TO:<team@example.org>\r\nRCPT TO:<other@example.org>\r\nDATA\r\n"))
        .await;
    client.hear("354 ").await;
    client.say("x".repeat((2 << 20) + 1)).await;
    client.say("\r\n.\r\nQUIT\r\n").await;
    let said = client.end().await;
    assert_eq!(said.matches("552 5.3.4 ").count(), 2, "{said}");
    assert!(site.taken().is_empty());
}

#[tokio::test]
async fn empty_message_is_550_and_the_next_one_is_taken() {
    let site = Site::new();
    let mut client = Client::new(&site);
    client.begin().await;
    client.say(".\r\n").await;
    client.hear("550 5.6.0 ").await;
    client.say(TO_TEAM).await;
    client.hear("354 ").await;
    client.say("x\r\n.\r\nQUIT\r\n").await;
    assert!(client.end().await.contains(" is safe"));
    assert_eq!(site.taken().len(), 1);
}

#[tokio::test]
async fn r17_full_disk_is_452_before_the_message() {
    let mut site = Site::new();
    site.settings.intake.max_size = u64::MAX / 4;
    let mut client = Client::new(&site);
    client.say(format!("{LHLO}{TO_TEAM}QUIT\r\n")).await;
    let said = client.end().await;
    // More stands behind DATA, so that is what is complained about.
    assert!(
        said.ends_with("goodbye\r\n") && said.contains("503 5.5.1"),
        "{said}"
    );
    let mut client = Client::new(&site);
    client.say(format!("{LHLO}{TO_TEAM}")).await;
    let said = client.hear("452 ").await;
    assert!(
        said.contains("452 4.3.1 ") && said.contains("needed"),
        "{said}"
    );
    assert!(site.taken().is_empty());
}

#[tokio::test]
async fn r2_local_trouble_is_451_at_every_step() {
    let site = Site::new();
    std::fs::write(&site.settings.paths.spool, b"a file").unwrap();
    let mut client = Client::new(&site);
    client.say(format!("{LHLO}{TO_TEAM}")).await;
    client.hear("451 4.3.0 ").await;
    // It is mended, and broken again while the message comes in.
    std::fs::remove_file(&site.settings.paths.spool).unwrap();
    client.say(TO_TEAM).await;
    client.hear("354 ").await;
    std::fs::remove_dir_all(&site.settings.paths.spool).unwrap();
    std::fs::write(&site.settings.paths.spool, b"a file").unwrap();
    client.say("x\r\n.\r\n").await;
    client.hear("451 4.3.0 ").await;
    std::fs::remove_dir_all(site.dir.path().join("lists")).unwrap();
    client
        .say("MAIL FROM:<>\r\nRCPT TO:<team@example.org>\r\n")
        .await;
    client.hear("451 4.3.0 ").await;
}

#[tokio::test]
async fn client_that_leaves_in_the_middle_leaves_nothing() {
    for size in [10, 100_000, 1 << 20] {
        let site = Site::new();
        let mut client = Client::new(&site);
        client.begin().await;
        client.say("x".repeat(size)).await;
        drop(client.io);
        client.serving.await.unwrap().unwrap();
        // Its thread may still be cleaning up.
        let begin = std::time::Instant::now();
        let open = || {
            let fds = std::fs::read_dir("/proc/self/fd").unwrap();
            let spool = site.settings.paths.spool.join("new").display().to_string();
            fds.flatten()
                .filter_map(|fd| std::fs::read_link(fd.path()).ok())
                .any(|to| to.display().to_string().starts_with(&spool))
        };
        while open() {
            assert!(begin.elapsed() < Duration::from_secs(60), "{size}");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(site.taken().is_empty(), "{size}");
    }
}

#[tokio::test]
async fn what_is_on_its_way_before_354_is_not_content() {
    let site = Site::new();
    let mut client = Client::new(&site);
    client
        .say(format!("{LHLO}{TO_TEAM}Subject: x\r\n\r\n.\r\n"))
        .await;
    let said = client.end().await;
    assert!(
        said.ends_with("503 5.5.1 wait for the reply to DATA; goodbye\r\n"),
        "{said}"
    );
    assert!(site.taken().is_empty());

    // What came and was not read yet is noticed, too.
    let (mut io, theirs) = tokio::io::duplex(100);
    let (_stop, stopped) = watch::channel(false);
    let mut connection = Connection::new(Box::new(theirs), "mx", site.lists(), stopped);
    assert!(connection.is_quiet());
    io.write_all(b"x").await.unwrap();
    assert!(!connection.is_quiet());
}

#[tokio::test(start_paused = true)]
async fn r15_command_that_is_not_whole_after_five_minutes_is_421_however_it_drips() {
    let site = Site::new();
    let begin = Instant::now();
    let said = Client::new(&site).end().await;
    assert!(said.ends_with("421 4.4.2 too slow; goodbye\r\n"), "{said}");
    assert!(begin.elapsed() >= COMMAND && begin.elapsed() < 2 * COMMAND);

    let mut client = Client::new(&site);
    let begin = Instant::now();
    while !client.serving.is_finished() {
        let _ = client.io.write_all(b"x").await;
        sleep(Duration::from_secs(10)).await;
    }
    assert!(begin.elapsed() >= COMMAND && begin.elapsed() < 2 * COMMAND);

    // Whole commands have their time each.
    let mut client = Client::new(&site);
    for _ in 0..20 {
        client.say("NOOP\r\n").await;
        client.hear("250 ").await;
        sleep(COMMAND / 2).await;
    }
    assert!(!client.serving.is_finished());
}

#[tokio::test(start_paused = true)]
async fn r15_message_that_trickles_is_cut_off_and_one_that_flows_is_not() {
    let site = Site::new();
    for (each, fine) in [(1, false), (500, false), (1100, true)] {
        let mut client = Client::new(&site);
        client.begin().await;
        let begin = Instant::now();
        // 55 pieces of a second: too short for the limit on the whole, less than is kept in memory.
        while begin.elapsed() < Duration::from_secs(55) {
            client.say("x".repeat(each)).await;
            sleep(Duration::from_secs(1)).await;
        }
        assert!(!client.serving.is_finished(), "{each}");
        sleep(Duration::from_secs(4)).await;
        if fine {
            client.say("\r\n.\r\nQUIT\r\n").await;
            assert!(client.end().await.contains(" is safe"));
        } else {
            let said = client.end().await;
            assert_eq!(said, "421 4.4.2 too slow; goodbye\r\n", "{each}");
        }
    }
    assert_eq!(site.taken().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn message_that_takes_longer_than_a_command_may_is_followed_by_another() {
    let site = Site::new();
    let mut client = Client::new(&site);
    client.begin().await;
    let begin = Instant::now();
    while begin.elapsed() < COMMAND + SPAN {
        client.say(format!("{}\r\n", "x".repeat(2000))).await;
        // A thread waits for the rest: the clock does not go by itself.
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    client.say(".\r\n").await;
    client.hear("250 ").await;
    client.say("NOOP\r\n").await;
    client.hear("250 2.0.0 fine").await;
    client.say("QUIT\r\n").await;
    client.end().await;
    assert_eq!(site.taken().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn r15_transaction_that_takes_half_an_hour_is_over() {
    let site = Site::new();
    let mut client = Client::new(&site);
    client.say(format!("{LHLO}MAIL FROM:<>\r\n")).await;
    let begin = Instant::now();
    while !client.serving.is_finished() {
        let _ = client.io.write_all(b"RCPT TO:<team@example.org>\r\n").await;
        sleep(Duration::from_secs(60)).await;
    }
    assert!(begin.elapsed() >= MESSAGE && begin.elapsed() < MESSAGE + COMMAND);
    let said = client.end().await;
    assert!(said.ends_with("421 4.4.2 too slow; goodbye\r\n"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn r16_stop_ends_what_has_not_begun_and_lets_a_message_end() {
    let site = Site::new();
    for begun in [
        "",
        LHLO,
        "LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<team@example.org>\r\n",
    ] {
        let mut client = Client::new(&site);
        client.say(begun).await;
        sleep(Duration::from_secs(1)).await;
        client.stop.send_replace(true);
        let said = client.end().await;
        assert!(
            said.ends_with("421 4.3.2 shutting down; come again later\r\n"),
            "{said}"
        );
    }
    let mut client = Client::new(&site);
    client.begin().await;
    client.stop.send_replace(true);
    sleep(GRACE / 2).await;
    client.say("x\r\n.\r\nMAIL FROM:<>\r\n").await;
    let said = client.end().await;
    assert!(said.contains(" is safe\r\n"), "{said}");
    assert!(
        said.ends_with("421 4.3.2 shutting down; come again later\r\n"),
        "{said}"
    );
    assert_eq!(site.taken().len(), 1);

    let mut client = Client::new(&site);
    client.begin().await;
    client.stop.send_replace(true);
    let begin = Instant::now();
    while !client.serving.is_finished() {
        let _ = client.io.write_all(b"drip, fast enough\r\n").await;
        sleep(Duration::from_millis(15)).await;
    }
    assert!(begin.elapsed() >= GRACE && begin.elapsed() < GRACE + Duration::from_secs(5));
    assert_eq!(site.taken().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn client_that_does_not_read_is_not_waited_for() {
    let site = Site::new();
    let mut client = Client::new(&site);
    client.begin().await;
    client.say(".\r\n").await;
    // Replies for 5 MB of commands; nobody reads them.
    let begin = Instant::now();
    while !client.serving.is_finished() {
        let more = "MAIL FROM:<>\r\nRSET\r\n".repeat(100);
        let _ = timeout(
            Duration::from_secs(10),
            client.io.write_all(more.as_bytes()),
        )
        .await;
    }
    assert!(begin.elapsed() >= REPLY && begin.elapsed() < 2 * REPLY);
}
