//! `listseal inspect`: opens one message and prints every finding; changes nothing.
//!
//! # Place in the flow
//!
//! open alone, with keys and anchors given by hand, those of a list, or both.
//!
//! # Invariants
//!
//! * Plaintext is written only where `--plaintext` says so, readable by the caller alone.
//! * JSON is printed whatever was found; exit 0 when the message could be read as far as it goes,
//!   65 when a layer failed.

mod text;
mod world;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use world::World;

use crate::cli::console::{Complaint, complain, print};
use crate::cli::exit;
use crate::config::Problem;
use crate::model::Address;
use crate::model::list::{Legacy, Revocation};
use crate::open::{Context, Opened, open, report};

/// Open one message and print what it is made of and what is believed of it; changes nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --list the mail is opened as the daemon would: with keys, trust and settings of that list; \
run it as the user of listseal. Without --list no configuration is read. Why something was not \
believed stands behind each finding; docs/reasons.md explains every code.

Exit codes: 0 the message could be read as far as it goes; 64 used wrongly; 65 a layer failed; \
66 no such message; 67 no such list; 73 --plaintext cannot be written; 78 a file that was named \
cannot be used.")]
pub struct Args {
    /// Use keys, anchors and settings of this list (or of listseal@DOMAIN)
    #[arg(long, value_name = "ADDRESS", value_parser = address, conflicts_with_all = ["key", "cert"])]
    list: Option<Address>,
    /// Private key to decrypt with, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Certificate of that key, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// File that holds the passphrase of that key, on its first line
    #[arg(long, value_name = "FILE", requires = "key")]
    key_passwd_file: Option<PathBuf>,
    /// Trusted root certificates, PEM
    #[arg(long, value_name = "FILE")]
    cafile: Option<PathBuf>,
    /// Directory of trusted root certificates (PEM files, also as c_rehash leaves them)
    #[arg(long, value_name = "DIR")]
    capath: Option<PathBuf>,
    /// Revocation lists: a file or a directory, PEM or DER
    #[arg(long, value_name = "PATH")]
    crls: Option<PathBuf>,
    /// Certificates for building chains only
    #[arg(long, value_name = "FILE")]
    untrusted: Option<PathBuf>,
    /// Instant at which certificates must be valid, like 2026-11-20T10:00:00Z; now if absent
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    at: Option<OffsetDateTime>,
    /// Old algorithms to admit: all, or names like 3des,sha1 with commas
    #[arg(long, value_name = "NAMES", value_parser = legacy)]
    legacy: Option<Legacy>,
    /// What a certificate is worth that no valid CRL covers: off, soft or hard
    #[arg(long, value_name = "MODE", value_parser = revocation)]
    revocation: Option<Revocation>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Write the innermost content here, header included
    #[arg(long, value_name = "FILE")]
    plaintext: Option<PathBuf>,
    /// Message to open; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// A message and what was found in it.
struct Inspected {
    message: Vec<u8>,
    opened: Opened,
    findings: String,
    /// What was wrong with the files of the list that are not needed for an answer.
    warnings: Vec<Problem>,
}

/// Opens the message and prints what was found. Returns the exit code.
#[must_use]
pub fn run(args: &Args, config: &Path) -> u8 {
    let inspected = match inspect(args, config) {
        Ok(inspected) => inspected,
        Err((code, text)) => return complain(&text, code),
    };
    for problem in &inspected.warnings {
        complain(problem, exit::OK);
    }
    let code = print(&inspected.findings, code(&inspected.opened));
    match write_plaintext(args, &inspected) {
        Ok(()) => code,
        Err((code, text)) => complain(&text, code),
    }
}

fn inspect(args: &Args, config: &Path) -> Result<Inspected, Complaint> {
    let message = read(&args.file)?;
    let world = World::of(args, config, &message)?;
    let untrusted = match &args.untrusted {
        Some(file) => world::certificates(file)?,
        None => Vec::new(),
    };
    let context = Context {
        now: args.at.unwrap_or_else(OffsetDateTime::now_utc),
        keys: &world.keys,
        known: &world.known,
        untrusted: &untrusted,
        anchors: &world.anchors,
        crls: &world.crls,
        legacy: args.legacy.unwrap_or(world.legacy),
        revocation: args.revocation.unwrap_or(world.revocation),
        max_inflated: MAX_INFLATED,
    };
    let opened = open(&message, &context, &mut UnwrapErr(SysRng));
    let findings = if args.json {
        format!("{:#}\n", report(&opened))
    } else {
        text::report(&opened)
    };
    Ok(Inspected {
        message,
        opened,
        findings,
        warnings: world.problems,
    })
}

/// Returns 65 when a layer failed or the message is no mail, else 0.
fn code(opened: &Opened) -> u8 {
    let layer_failed = opened.layers().iter().any(|layer| layer.reason().is_some());
    if layer_failed || opened.was_cut_short() {
        exit::DATA
    } else {
        exit::OK
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Complaint> {
    if file != Path::new("-") {
        return world::bytes(file).map_err(|text| (exit::NO_INPUT, text));
    }
    let mut message = Vec::new();
    match std::io::stdin().read_to_end(&mut message) {
        Ok(_) => Ok(message),
        Err(error) => Err((
            exit::NO_INPUT,
            format!("standard input cannot be read: {error}"),
        )),
    }
}

fn write_plaintext(args: &Args, inspected: &Inspected) -> Result<(), Complaint> {
    let Some(file) = &args.plaintext else {
        return Ok(());
    };
    let opened = &inspected.opened;
    if opened.decrypted() == Some(false) {
        let file = file.display();
        complain(
            &format_args!("{file} is not written: the message was not decrypted"),
            exit::OK,
        );
        return Ok(());
    }
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut out| out.write_all(opened.innermost(&inspected.message)))
        .map_err(|error| {
            let text = format!("{}: cannot be written: {error}", file.display());
            (exit::CANNOT_CREATE, text)
        })
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|error| error.to_string())
}

fn instant(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "is no instant like 2026-11-20T10:00:00Z".to_owned())
}

fn legacy(text: &str) -> Result<Legacy, String> {
    text.split(',').try_fold(Legacy::NONE, |all, name| {
        let known = || {
            let names: Vec<_> = Legacy::names().collect();
            format!("{name:?} is none of {}", names.join(", "))
        };
        Ok(all.with(Legacy::from_name(name.trim()).ok_or_else(known)?))
    })
}

fn revocation(text: &str) -> Result<Revocation, String> {
    match text {
        "hard" => Ok(Revocation::Hard),
        "off" => Ok(Revocation::Off),
        "soft" => Ok(Revocation::Soft),
        _ => Err("is none of off, soft, hard".to_owned()),
    }
}

/// Most bytes that decompression may give: the default size of a message.
const MAX_INFLATED: usize = 50 << 20;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::pki::testing::Scratch;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(line: &str) -> Result<Args, String> {
        Command::try_parse_from(std::iter::once("inspect").chain(line.split(' ')))
            .map(|command| command.args)
            .map_err(|error| error.to_string())
    }

    /// A list's pair, a signer under a root, and a mail signed by the one and encrypted to the other.
    fn world() -> Scratch {
        let scratch = Scratch::new();
        let leaf =
            "-addext keyUsage=digitalSignature,keyEncipherment -addext basicConstraints=CA:FALSE";
        for name in ["list", "alice"] {
            scratch.openssl(&format!(
                "req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 30 \
                 -subj /CN={name} -addext subjectAltName=email:{name}@example.org {leaf}"
            ));
        }
        scratch.write("entity", "Content-Type: text/plain\r\n\r\nsecret\r\n");
        scratch.openssl("cms -sign -in entity -signer alice.pem -inkey alice.key -out signed");
        scratch.openssl(
            "cms -encrypt -in signed -aes-256-cbc -from alice@example.org -out mail.eml list.pem",
        );
        scratch
    }

    /// Runs `line`, where `@` stands for the scratch directory; returns code and output.
    fn inspected(scratch: &Scratch, line: &str) -> (u8, String) {
        let root = scratch.path("").display().to_string();
        let args = parsed(&line.replace('@', &root)).unwrap();
        match inspect(&args, Path::new("/no/configuration/is/read")) {
            Ok(found) => {
                write_plaintext(&args, &found).unwrap();
                (code(&found.opened), found.findings)
            }
            Err(complaint) => complaint,
        }
    }

    #[test]
    fn message_is_opened_with_a_pair_given_by_hand() {
        let scratch = world();
        let by_hand = "--key @list.key --cert @list.pem --cafile @alice.pem @mail.eml";
        let (code, json) = inspected(&scratch, &format!("--json --plaintext @plain {by_hand}"));
        assert_eq!(code, 0, "{json}");
        let report: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(report["author"], "alice@example.org");
        assert_eq!(report["decrypted"], true);
        assert_eq!(scratch.read("plain"), scratch.read("entity"));
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(scratch.path("plain"))
                .unwrap()
                .permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);

        let (code, text) = inspected(&scratch, by_hand);
        assert_eq!(code, 0);
        for expected in [
            "Layer 1: enveloped",
            "aes-256-cbc, rsaes-pkcs1-v1_5, 1 recipient",
            "Layer 2: signed",
            "CN=alice <alice@example.org>",
            "chain trusted",
            "Author:     alice@example.org, proven",
        ] {
            assert!(text.contains(expected), "{expected:?} in\n{text}");
        }
        assert!(!text.contains("secret"));
    }

    #[test]
    fn exit_codes_tell_failed_layers_from_bad_arguments() {
        let scratch = world();
        // Not for us: a layer failed, JSON is printed, nothing is written.
        let (code, json) = inspected(
            &scratch,
            "--json --key @alice.key --cert @alice.pem --plaintext @none @mail.eml",
        );
        assert_eq!(code, exit::DATA);
        let report: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(report["reason"], "no-recipient");
        assert!(!scratch.path("none").exists());
        // An untrusted chain is a finding, not a failure.
        let (code, text) = inspected(&scratch, "--key @list.key --cert @list.pem @mail.eml");
        assert_eq!(code, exit::OK, "{text}");
        assert!(text.contains("not proven"));

        scratch.write("empty", "");
        for (line, expected, word) in [
            ("@absent", exit::NO_INPUT, "absent"),
            ("--cafile @absent @mail.eml", exit::CONFIG, "absent"),
            ("--cafile @entity @mail.eml", exit::CONFIG, "entity"),
            ("--crls @entity @mail.eml", exit::CONFIG, "entity"),
            (
                "--key @list.pem --cert @list.pem @mail.eml",
                exit::CONFIG,
                "list.pem",
            ),
            (
                "--key @list.key --cert @alice.pem @mail.eml",
                exit::CONFIG,
                "list.key",
            ),
            ("@empty", exit::DATA, "Problem"),
        ] {
            let (code, text) = inspected(&scratch, line);
            assert_eq!(code, expected, "{line}: {text}");
            assert!(text.contains(word), "{line}: {text}");
        }
    }

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        assert!(parsed("--key a --cert b -").is_ok());
        assert!(parsed("--list team@example.org --json mail.eml").is_ok());
        for line in [
            "--key a -",
            "--cert b -",
            "--list team@example.org --key a --cert b -",
            "--list team -",
            "--at yesterday -",
            "--legacy 3des,rot13 -",
            "--revocation maybe -",
            "--json",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn values_are_read() {
        let args = parsed("--at 2026-11-20T11:00:00+01:00 --legacy 3des,sha1 --revocation hard x");
        let args = args.unwrap();
        assert_eq!(args.at.unwrap().unix_timestamp(), 1_795_168_800);
        assert!(
            args.legacy
                .unwrap()
                .admits(Legacy::TRIPLE_DES.with(Legacy::SHA1))
        );
        assert!(!args.legacy.unwrap().admits(Legacy::MD5));
        assert_eq!(args.revocation, Some(Revocation::Hard));
    }
}
