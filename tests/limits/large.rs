//! The largest mail that is taken, and one that is not (E7, G9, decision 20).

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::common::lab::{lab, openssl};
use super::common::site::Site;
use super::figures::Row;
use super::process::Daemon;
use super::sink::Sink;

const LIMIT: u64 = 50 << 20;

/// Feeds `listseal queue` so many bytes from nowhere; returns its exit code, what it said, most
/// memory in bytes, and how much was written to the spool's disk meanwhile at most.
fn pour(site: &Site, bytes: u64) -> (i32, String, u64, u64) {
    let mut child = site
        .prepared(
            &["env"],
            &["queue", "team@example.org", "--sender", "alice@example.org"],
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"From: alice@example.org\r\n\r\n").unwrap();
    let line = [b'x'; 78]
        .iter()
        .copied()
        .chain(*b"\r\n")
        .collect::<Vec<_>>()
        .repeat(10_000);
    let (mut peak, mut written, mut poured) = (0, 0, 0);
    while poured < bytes && stdin.write_all(&line).is_ok() {
        poured += line.len() as u64;
        peak = peak.max(proc_figure(child.id(), "status", "VmHWM:") << 10);
        written = written.max(proc_figure(child.id(), "io", "write_bytes:"));
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), said, peak, written)
}

fn proc_figure(pid: u32, file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let figure = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    figure.unwrap_or(0)
}

#[test]
fn e7_mail_of_500_mb_is_refused_before_it_is_on_the_disk() {
    let site = Site::new();
    site.list(
        "team",
        "owners = [\"olga@example.org\"]\n",
        "alice@example.org\n",
    );
    let (code, said, peak, written) = pour(&site, 500_000_000);
    assert_eq!(code, 65, "{said}");
    assert!(said.starts_with("5.3.4 "), "{said}");
    assert!(peak < 64 << 20, "{} MiB", peak >> 20);
    assert!(
        written < LIMIT + (2 << 20),
        "{written} bytes went to the disk"
    );
    for shelf in ["new", "tmp"] {
        let left = std::fs::read_dir(site.path(&format!("spool/{shelf}")))
            .unwrap()
            .count();
        assert_eq!(left, 0, "{shelf}/");
    }
    // One that is just small enough is taken.
    let (taken, said, ..) = pour(&site, LIMIT - 1_000_000);
    assert_eq!(taken, 0, "{said}");
    Row::new("E7: mail of 500 MB")
        .put("exit code", code)
        .put("most memory of intake, MiB", peak >> 20)
        .put("written before it was refused, MB", written / 1_000_000)
        .tell("cargo test --release --test limits e7");
}

#[test]
fn g9_largest_signed_and_encrypted_mail_takes_four_times_its_size() {
    let sink = Sink::listen();
    let site = Site::new();
    let log = "[log]\nformat = \"json\"\n";
    site.configure(&sink.url, log);
    let members = ["alice", "bob", "carol"];
    let addresses = members.map(|name| format!("{name}@example.org"));
    site.list(
        "team",
        "owners = [\"olga@example.org\"]\n",
        &addresses.join("\n"),
    );
    for member in members {
        site.certificate(member, None);
    }
    // As large as base64 of base64 and both envelopes leave room for.
    let (dir, alice, team) = (
        tempfile::tempdir().unwrap(),
        lab().identity("alice"),
        lab().identity("team"),
    );
    let line = "From the minutes of the meeting, which was long and of no consequence at all.\r\n";
    let text = format!(
        "Content-Type: text/plain\r\n\r\n{}",
        line.repeat(37_500_000 / line.len())
    );
    let signed = openssl(
        dir.path(),
        &format!(
            "cms -sign -binary -signer {} -inkey {}",
            alice.certificate.display(),
            alice.key.display()
        ),
        text.as_bytes(),
    );
    let sealed = openssl(
        dir.path(),
        &format!(
            "cms -encrypt -binary -aes-256-cbc {}",
            team.certificate.display()
        ),
        &signed,
    );
    let head = "From: Alice <alice@example.org>\r\nTo: team@example.org\r\nMessage-ID: <large@example.org>\r\n";
    let mail = [head.as_bytes(), &sealed].concat();
    let size = mail.len() as u64;
    assert!(size < LIMIT && size > LIMIT - (3 << 20), "{size}");

    let daemon = Daemon::start(&site);
    let base = daemon.peak();
    let before = daemon.cpu();
    assert_eq!(
        site.queue("team@example.org", "alice@example.org", &mail)
            .code,
        0
    );
    daemon.wait("the copies are not there", || {
        sink.taken().copies.len() == members.len()
    });
    let (peak, cpu) = (daemon.peak(), daemon.cpu() - before);
    let times = (peak - base) as f64 / size as f64;
    // Another program reads what the last member got.
    let last = std::mem::take(&mut sink.taken().last);
    let copies = sink.taken().copies.clone();
    std::fs::write(dir.path().join("copy.eml"), &last).unwrap();
    let opened = members.iter().any(|name| {
        let one = lab().identity(name);
        let output = Command::new("openssl")
            .current_dir(dir.path())
            .args([
                "cms", "-decrypt", "-in", "copy.eml", "-out", "opened", "-recip",
            ])
            .arg(&one.certificate)
            .arg("-inkey")
            .arg(&one.key)
            .output()
            .unwrap();
        output.status.success()
    });
    assert!(opened, "nobody can open the copy: {copies:?}");
    openssl(
        dir.path(),
        &format!(
            "cms -verify -in opened -out text -CAfile {}",
            lab().authority().display()
        ),
        b"",
    );
    let text_out = std::fs::read(dir.path().join("text")).unwrap();
    assert!(
        text_out == text.as_bytes(),
        "{} bytes of {}",
        text_out.len(),
        text.len()
    );
    daemon.stop();
    assert!(times <= 4.0, "{times:.2} times {size} bytes");
    Row::new("G9: largest mail, signed and encrypted, to 3 members")
        .put("MB", size / 1_000_000)
        .put("most memory, MiB", peak >> 20)
        .put("times its size", format!("{times:.2}"))
        .put("s of CPU", format!("{cpu:.2}"))
        .tell("cargo test --release --test limits g9_largest");
}
