//! One transaction: MAIL, RCPT, DATA, the mail, and what each reply means (contract R14).
//!
//! # Trust
//!
//! Addresses go into commands as they are; [`Address`] holds no control character, space or angle
//! bracket, which is checked once more here (S48).
//!
//! # See also
//!
//! RFC 5321 sections 3.3 and 4.2, RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8).

use std::error::Error as _;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::Extension;
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::wire::Mail;
use super::{Outcome, Parcel, Patience, tidy};
use crate::model::{Address, Reason};

/// How a transaction ended.
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// Whether the connection can take another one.
    pub(super) after: After,
    /// Whether any byte of the mail was sent: before that, trying again repeats nothing.
    pub(super) data_sent: bool,
}

/// What can be done with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It takes another mail.
    Ready,
    /// It takes another mail after RSET.
    Reset,
    /// It is to be dropped.
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Mail,
    Rcpt,
    Data,
    Dot,
}

/// Sends one mail to one recipient over an open connection.
pub(super) async fn transact(
    connection: &mut AsyncSmtpConnection,
    parcel: &Parcel,
    mail: &Mail<'_>,
    patience: &Patience,
) -> Ending {
    let (from, to) = match commands(connection, parcel, mail) {
        Ok(commands) => commands,
        Err(problem) => {
            return Ending {
                outcome: Outcome::Failed {
                    reason: Reason::AddressUnsupported,
                    code: 0,
                    text: problem.to_owned(),
                },
                after: After::Ready,
                data_sent: false,
            };
        }
    };
    for (step, command, wanted, limit) in [
        (Step::Mail, from, 250, patience.command),
        (Step::Rcpt, to, 250, patience.command),
        (Step::Data, "DATA\r\n".to_owned(), 354, patience.data),
    ] {
        let reply = within(limit, connection.command(command)).await;
        if let Err(ending) = judge(step, wanted, reply) {
            return ending;
        }
    }
    let pieces = mail.pieces_to_end();
    let sent = connection.message_iter(pieces.into_iter());
    let reply = within(patience.body(mail.size()), sent).await; // D7
    match judge(Step::Dot, 250, reply) {
        Ok(text) => Ending {
            outcome: Outcome::Sent(text),
            after: After::Ready,
            data_sent: true,
        },
        Err(ending) => ending,
    }
}

/// Returns the MAIL and RCPT commands, if this server can carry the addresses and the content.
fn commands(
    connection: &AsyncSmtpConnection,
    parcel: &Parcel,
    mail: &Mail<'_>,
) -> Result<(String, String), &'static str> {
    let offers = |extension| connection.server_info().supports_feature(extension);
    let from = parcel.reverse_path.as_ref().map(spelled).transpose()?;
    let to = spelled(&parcel.to)?;
    let from = from.unwrap_or_default();
    let mut command = format!("MAIL FROM:<{from}>");
    if mail.needs_8bit {
        if !offers(Extension::EightBitMime) {
            // Re-encoding would break signatures (contract decision 13).
            return Err("the mail server does not take 8-bit content (8BITMIME)");
        }
        command.push_str(" BODY=8BITMIME");
    }
    if !from.is_ascii() || !to.is_ascii() {
        if !offers(Extension::SmtpUtfEight) {
            return Err("the mail server does not take addresses beyond ASCII (SMTPUTF8)");
        }
        command.push_str(" SMTPUTF8");
    }
    command.push_str("\r\n");
    Ok((command, format!("RCPT TO:<{to}>\r\n")))
}

fn spelled(address: &Address) -> Result<String, &'static str> {
    let text = address.to_string();
    let unfit = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>');
    if text.contains(unfit) {
        return Err("the address has a character that no command may have");
    }
    Ok(text)
}

enum Reply {
    Answered(Response),
    Refused(Error),
    Late,
}

async fn within(limit: Duration, reply: impl Future<Output = Result<Response, Error>>) -> Reply {
    match timeout(limit, reply).await {
        Ok(Ok(response)) => Reply::Answered(response),
        Ok(Err(error)) => Reply::Refused(error),
        Err(_) => Reply::Late,
    }
}

/// Returns the text of a reply that lets the transaction go on, else how it ends.
fn judge(step: Step, wanted: u16, reply: Reply) -> Result<String, Ending> {
    let broken = |text: String| Ending {
        outcome: Outcome::Deferred { code: 0, text },
        after: After::Broken,
        data_sent: step == Step::Dot,
    };
    let error = match reply {
        Reply::Late => return Err(broken(format!("no reply to {} in time", step.name()))),
        Reply::Answered(response) => {
            let code = u16::from(response.code());
            // 251: the server forwards; any 2xx after the dot is success (RFC 5321 section 4.2.1).
            let fits = code == wanted || (wanted == 250 && code / 100 == 2);
            if fits {
                let text = response.message().collect::<Vec<_>>().join(" ");
                return Ok(tidy(&format!("{code} {text}")));
            }
            // A reply that does not belong to its command: nothing here can be believed (R14).
            return Err(broken(format!(
                "unexpected reply {code} to {}",
                step.name()
            )));
        }
        Reply::Refused(error) => error,
    };
    let text = describe(&error);
    let Some(code) = error.status().map(u16::from) else {
        return Err(broken(format!("{} after {}", text, step.name())));
    };
    let data_sent = step == Step::Dot;
    let after = if code == 421 {
        After::Broken
    } else {
        After::Reset
    };
    let outcome = match (code / 100, step) {
        (5, Step::Rcpt) => Outcome::Failed {
            reason: Reason::RecipientRefused,
            code,
            text,
        },
        (5, _) => Outcome::Failed {
            reason: Reason::MessageRefused,
            code,
            text,
        },
        _ => Outcome::Deferred { code, text },
    };
    Err(Ending {
        outcome,
        after,
        data_sent,
    })
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Dot => "the mail",
        }
    }
}

/// Returns what the server or the network said, in one line.
pub(super) fn describe(error: &Error) -> String {
    let detail = error.source().map(ToString::to_string);
    let text = match (error.status(), detail) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (Some(code), None) => code.to_string(),
        (None, _) => error.to_string(),
    };
    tidy(&text)
}
