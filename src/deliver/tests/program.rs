//! sendmail as a script, and the directory transport.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

/// Makes a sendmail that keeps its arguments and input in `dir` and exits with `code`.
fn script(dir: &Path, code: u8) -> Courier {
    let path = dir.join("sendmail");
    let text = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >'{0}/args'\ncat >'{0}/input'\necho said it >&2\nexit {code}\n",
        dir.display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let url = format!("sendmail://{}", path.display());
    Courier::new(&settings(&url)).unwrap()
}

#[tokio::test]
async fn sendmail_gets_sender_recipient_and_the_mail_with_unix_line_ends() {
    let dir = tempfile::tempdir().unwrap();
    let courier = script(dir.path(), 0);
    let outcome = courier.deliver(&parcel(MAIL)).await;
    assert_eq!(outcome, Outcome::Sent("said it".to_owned()));
    let args = std::fs::read_to_string(dir.path().join("args")).unwrap();
    assert_eq!(
        args,
        "-i\n-f\nteam-bounces@example.org\n--\nbob@member.example\n"
    );
    let input = std::fs::read(dir.path().join("input")).unwrap();
    assert_eq!(input, b"Subject: x\n\n.hidden\n..\nbody\n");

    let null = Parcel {
        reverse_path: None,
        ..parcel("gr\u{fc}\u{df}e".as_bytes())
    };
    courier.deliver(&null).await;
    let args = std::fs::read_to_string(dir.path().join("args")).unwrap();
    assert_eq!(args, "-i\n-f\n<>\n-B8BITMIME\n--\nbob@member.example\n");
}

#[tokio::test]
async fn sendmail_fails_by_exit_codes_about_the_mail_alone_and_any_other_defers() {
    let refused = |code| (code, Some(Reason::MessageRefused));
    let nobody = |code| (code, Some(Reason::RecipientRefused));
    let later = |code| (code, None);
    for (code, expected) in [64, 65, 76, 77]
        .map(refused)
        .into_iter()
        .chain([67, 68].map(nobody))
        .chain([1, 2, 66, 69, 70, 71, 72, 73, 74, 75, 78, 126, 127, 255].map(later))
    {
        let dir = tempfile::tempdir().unwrap();
        match (
            script(dir.path(), code).deliver(&parcel(MAIL)).await,
            expected,
        ) {
            (Outcome::Deferred { text, .. }, None) => {
                assert_eq!(text, format!("exit {code}: said it"));
            }
            (Outcome::Failed { reason, .. }, Some(expected)) => assert_eq!(reason, expected),
            (other, _) => panic!("exit {code}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn missing_or_killed_sendmail_defers() {
    let missing = Courier::new(&settings("sendmail:///nonexistent/sendmail")).unwrap();
    assert!(matches!(
        missing.deliver(&parcel(MAIL)).await,
        Outcome::Deferred { .. }
    ));
    let dir = tempfile::tempdir().unwrap();
    let courier = script(dir.path(), 0);
    let suicide = "#!/bin/sh\nkill -9 $$\n";
    std::fs::write(dir.path().join("sendmail"), suicide).unwrap();
    // More than a pipe holds, so that the program ends while it is still being written to.
    let outcome = courier.deliver(&parcel(&vec![b'x'; 1 << 20])).await;
    assert!(matches!(outcome, Outcome::Deferred { .. }), "{outcome:?}");
}

#[tokio::test]
async fn directory_gets_mail_and_envelope_under_growing_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("deep/out");
    let url = format!("dir://{}", out.display());
    let courier = Courier::new(&settings(&url)).unwrap();
    assert_eq!(
        courier.deliver(&parcel(b"a\nb")).await,
        Outcome::Sent("1.eml".to_owned())
    );
    let null = Parcel {
        reverse_path: None,
        ..parcel(MAIL)
    };
    assert_eq!(
        courier.deliver(&null).await,
        Outcome::Sent("2.eml".to_owned())
    );
    assert_eq!(std::fs::read(out.join("1.eml")).unwrap(), b"a\r\nb\r\n");
    assert_eq!(std::fs::read(out.join("2.eml")).unwrap(), MAIL);
    let envelope = |n| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(out.join(format!("{n}.json"))).unwrap()).unwrap()
    };
    let from = "team-bounces@example.org";
    assert_eq!(
        envelope(1),
        serde_json::json!({"from": from, "to": ["bob@member.example"]})
    );
    assert_eq!(envelope(2)["from"], "");
    // A second process, and a crash that left an envelope without its mail.
    std::fs::write(out.join("3.json"), b"{}").unwrap();
    let again = Courier::new(&settings(&url)).unwrap();
    assert_eq!(
        again.deliver(&parcel(MAIL)).await,
        Outcome::Sent("4.eml".to_owned())
    );
    assert_eq!(
        courier.deliver(&parcel(MAIL)).await,
        Outcome::Sent("5.eml".to_owned())
    );
    assert_eq!(
        std::fs::read_dir(&out).unwrap().count(),
        9,
        "drafts were left behind"
    );
}

#[tokio::test]
async fn directory_that_cannot_be_written_defers_or_is_refused_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let courier = Courier::new(&settings(&format!("dir://{}", out.display()))).unwrap();
    std::fs::remove_dir(&out).unwrap();
    let outcome = courier.deliver(&parcel(MAIL)).await;
    assert!(matches!(outcome, Outcome::Deferred { .. }), "{outcome:?}");
    std::fs::write(&out, b"a file").unwrap();
    let error = Courier::new(&settings(&format!("dir://{}", out.display()))).unwrap_err();
    assert!(error.to_string().contains(out.to_str().unwrap()), "{error}");
}
