//! `listseal queue`: the MTA's way in.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use crate::config::Settings;
use crate::disk;
use crate::intake::{IntakeError, accept};
use crate::store::lists::Lists;

/// Take one message from standard input for a list: the MTA's way in
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 the message is safe on disk; 64 the address is none; 65 empty or too large; \
67 no such list; 75 local trouble, the MTA is to keep the message and try again.

Without --sender the variable SENDER tells the envelope sender (aliases, Exim), else the \
Return-Path on top of the message, else its mbox \"From \" line. An empty sender is <>.")]
pub struct Args {
    /// The address that the message was sent to: a list, one of its roles, or listseal@DOMAIN
    #[arg(value_name = "ADDRESS")]
    pub address: String,
    /// Envelope sender as the MTA has it; empty for <>
    #[arg(long, value_name = "ADDR", allow_hyphen_values = true)]
    pub sender: Option<OsString>,
}

/// Takes the message; what goes wrong is said on standard error, where the MTA picks it up.
#[must_use]
pub fn run(args: &Args, config: &Path) -> u8 {
    match guarded(|| queue(args, config)) {
        Ok(()) => super::exit::OK,
        Err(error) => {
            // One line, status first: Postfix and sendmail pass it on (RFC 3463).
            let text = error.to_string().replace('\n', "; ");
            super::console::say(&text, error.exit_code())
        }
    }
}

/// Makes local trouble of a panic, whose own exit code would make Postfix bounce the mail (R2). What
/// was begun in the spool is dropped on the way, as after any error; where it happened has been
/// said on standard error by then.
fn guarded(take: impl FnOnce() -> Result<(), IntakeError>) -> Result<(), IntakeError> {
    // Nothing of what a panic could leave half done is looked at again: the process ends.
    catch_unwind(AssertUnwindSafe(take)).unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<&str>().copied();
        let text = text.or_else(|| cause.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("no text");
        Err(IntakeError::Local(format!(
            "listseal has a defect, please report it: {text}"
        )))
    })
}

fn queue(args: &Args, config: &Path) -> Result<(), IntakeError> {
    // R2: a bad configuration is ours to mend while the MTA keeps the mail.
    let settings = Settings::load(config).map_err(|e| IntakeError::Local(e.to_string()))?;
    let lists = Lists::new(Arc::new(settings));
    // Whatever bytes it has, an odd sender is no reason to bounce.
    let sender = args.sender.clone().or_else(|| std::env::var_os("SENDER"));
    let sender = sender.as_ref().map(|sender| sender.to_string_lossy());
    let mut input = std::io::stdin().lock();
    accept(&lists, &args.address, sender.as_deref(), &mut input)?;
    disk::point("I8");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Input that ends the program's luck after its first piece.
    struct Breaks {
        left: u32,
    }

    impl Read for Breaks {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            assert!(self.left > 0, "a defect");
            self.left -= 1;
            buf.fill(b'x');
            Ok(buf.len())
        }
    }

    #[test]
    fn r2_panic_is_75_with_one_line_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("lists/example.org/team");
        std::fs::create_dir_all(&list).unwrap();
        std::fs::write(list.join("list.toml"), b"").unwrap();
        let mut settings = Settings::defaults(&dir.path().join("listseal.toml"));
        settings.paths.lists = dir.path().join("lists");
        settings.paths.spool = dir.path().join("spool");
        let lists = Lists::new(Arc::new(settings));
        for left in 0..3 {
            let mut input = Breaks { left };
            let taken =
                guarded(|| accept(&lists, "team@example.org", None, &mut input).map(|_| ()));
            let error = taken.unwrap_err();
            assert_eq!(error.exit_code(), 75);
            let text = "4.3.0 listseal has a defect, please report it: a defect";
            assert_eq!(error.to_string(), text);
            for shelf in ["new", "tmp"] {
                let shelf = dir.path().join("spool").join(shelf);
                assert_eq!(std::fs::read_dir(shelf).unwrap().count(), 0, "{left}");
            }
        }
    }
}
