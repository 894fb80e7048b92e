//! Tells people of messages that were set aside: by a report that is durable before that is noted
//! beside the message, so that neither a crash nor a full disk makes anybody miss it (contract R11).

use tracing::warn;

use super::Hands;
use crate::disk;
use crate::model::route::SITE_NAME;
use crate::model::{Address, Reason, SpoolId};
use crate::relay::report::Report;
use crate::spool::SpoolError;

/// Keeps a report on a message in `bad/` where there is none yet: to its owners; to the listmasters
/// where it is so damaged that nobody can tell whose it is.
pub(super) fn report(hands: &Hands, id: SpoolId) -> Result<(), SpoolError> {
    let Some(why) = hands.spool.untold_why(id)? else {
        return Ok(());
    };
    disk::point("Q2");
    let envelope = match hands.spool.read(id) {
        Ok(message) => Some(message.envelope),
        Err(error) if error.is_fatal() => return Err(error),
        Err(_) => None,
    };
    // A report of which people cannot be told is no matter for another one.
    let is_report = envelope
        .as_ref()
        .is_some_and(crate::model::Envelope::is_own);
    let to = match &envelope {
        _ if is_report => None,
        Some(envelope) => Some(envelope.recipient().clone()),
        None => {
            let domain = hands.site.lists.domains().into_iter().next();
            domain.and_then(|domain| Address::parse(&format!("{SITE_NAME}@{domain}")).ok())
        }
    };
    if let Some(to) = to {
        let file = hands
            .site
            .settings
            .paths
            .spool
            .join(format!("bad/{id}.msg"));
        let lines = [
            format!("A message to {to} was set aside, unread:"),
            format!("{}: {}", file.display(), why.detail),
        ];
        let command = format!("listseal spool show {id}");
        // Each time it is set aside is another one.
        let cause = format!("{id} {}", why.at);
        let report = Report::of_owners(Reason::Malformed, &lines, &command, cause);
        hands.spool.announce(&to, &report.to_bytes())?;
    } else {
        warn!(spool = %id, "set aside, and there is nobody to tell: listseal spool show {id}");
    }
    disk::point("Q3");
    hands.spool.note_told(id, &why)
}
