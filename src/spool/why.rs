//! Notes beside a message: why it is held or bad, and what people decided.

use serde::{Deserialize, Serialize};

use super::error::SpoolError;
use super::layout::{Layout, Shelf};
use crate::model::{Address, Reason, SpoolId};

/// Why a message lies in `hold/` or `bad/`: the `.why` file beside it.
///
/// The precise reason is for the administrator alone and never leaves in a mail (contract S10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// What happened, as a stable word: a reason code, or `damaged`, `crashes`, `unknown`.
    pub reason: String,
    /// One line for the administrator.
    pub detail: String,
    /// The list, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<Address>,
    /// The author, where he is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Address>,
    /// Microseconds since 1970.
    #[serde(default)]
    pub at: u64,
    /// Nobody was told yet that it was set aside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untold: bool,
}

impl Why {
    /// Returns a note without list and sender.
    #[must_use]
    pub fn new(reason: &str, detail: impl Into<String>, at: u64) -> Self {
        Self {
            reason: reason.to_owned(),
            detail: detail.into(),
            list: None,
            sender: None,
            at,
            untold: false,
        }
    }

    /// Returns a note for a reason of the table.
    #[must_use]
    pub fn of(reason: Reason, detail: impl Into<String>, at: u64) -> Self {
        Self::new(reason.code(), detail, at)
    }
}

/// What people decided about a held or bad message: `work/<id>.again`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// True when a moderator let the post pass; false when it is merely to be tried again.
    pub approved: bool,
    /// Who decided.
    pub by: String,
    /// Microseconds since 1970.
    pub at: u64,
}

pub(super) fn message_name(id: SpoolId) -> String {
    format!("{id}.msg")
}

pub(super) fn why_name(id: SpoolId) -> String {
    format!("{id}.why")
}

pub(super) fn again_name(id: SpoolId) -> String {
    format!("{id}.again")
}

pub(super) fn plan_name(id: SpoolId) -> String {
    format!("{id}.plan")
}

pub(super) fn slots_name(id: SpoolId) -> String {
    format!("{id}.slots")
}

/// Returns the ids of the files on `shelf` whose names end in `suffix`, in the order of arrival.
pub(super) fn ids(layout: &Layout, shelf: Shelf, suffix: &str) -> Result<Vec<SpoolId>, SpoolError> {
    let mut found = Vec::new();
    layout.names(shelf, |name| {
        if let Some(id) = name.strip_suffix(suffix).and_then(|stem| stem.parse().ok()) {
            found.push(id);
        }
    })?;
    found.sort_unstable();
    Ok(found)
}

pub(super) fn read_why(
    layout: &Layout,
    shelf: Shelf,
    id: SpoolId,
) -> Result<Option<Why>, SpoolError> {
    let bytes = layout.load(shelf, &why_name(id))?;
    // A note that cannot be read is as good as none: the message is what counts.
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

#[track_caller]
pub(super) fn write_why(
    layout: &Layout,
    shelf: Shelf,
    id: SpoolId,
    why: &Why,
) -> Result<(), SpoolError> {
    layout.store(shelf, &why_name(id), &json(why))
}

pub(super) fn json<T: Serialize>(value: &T) -> Vec<u8> {
    // Strings, numbers and options alone: this cannot fail, and an empty note would be read as none.
    serde_json::to_vec(value).unwrap_or_default()
}
