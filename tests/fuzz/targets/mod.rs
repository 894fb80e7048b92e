//! The bodies of the fuzz targets, with what must hold for every input.
//!
//! `target.rs` makes one libFuzzer binary of each; `tests/fuzz_replay.rs` runs the saved corpora and
//! fresh seeds through the same functions with a stable compiler. Every target is watched for panics,
//! time and memory ([`budget`]); what else must hold stands at each.

pub mod budget;
mod cms;
mod files;
mod lmtp;
mod mail;
mod open;
mod report;
mod smtp;
mod spool;
pub mod world;
mod x509;

use std::time::Duration;

use listseal::model::list::Legacy;

use budget::Budget;
pub use files::PASSPHRASE;

#[global_allocator]
static ALLOCATOR: budget::Counting = budget::Counting;

/// One target.
pub struct Target {
    pub name: &'static str,
    body: fn(&[u8]),
    budget: Budget,
}

/// Every target; `Cargo.toml` beside `target.rs` names the same.
pub const TARGETS: &[Target] = &[
    target("transcoder", cms::transcoder, SHORT),
    target("verify", cms::verify, LONG),
    target("open", open::open, LONG),
    target("certificate", x509::certificate, SHORT),
    target("path", x509::path, LONG),
    target("mime", mail::mime, SHORT),
    target("header", mail::header, SHORT),
    target("report", report::report, SHORT),
    target("key", files::key, LONG),
    target("config", files::config, SHORT),
    target("spool", spool::spool, SHORT),
    target("smtp_reply", smtp::reply, SHORT),
    target("lmtp_server", lmtp::lmtp_server, SHORT),
];

/// Reading alone.
const SHORT: Budget = Budget {
    time: Duration::from_millis(50),
    time_each: Duration::from_nanos(500),
    memory: 1 << 20,
    memory_each: 64,
};
/// With public-key arithmetic.
const LONG: Budget = Budget {
    time: Duration::from_millis(400),
    time_each: Duration::from_nanos(1000),
    memory: 32 << 20,
    memory_each: 4,
};

const fn target(name: &'static str, body: fn(&[u8]), budget: Budget) -> Target {
    Target { name, body, budget }
}

impl Target {
    /// Returns the target of this name.
    ///
    /// # Panics
    ///
    /// There is none.
    pub fn named(name: &str) -> &'static Self {
        TARGETS
            .iter()
            .find(|target| target.name == name)
            .unwrap_or_else(|| panic!("there is no target {name}"))
    }

    /// Runs the target on one input; `slowness` as for [`Budget::watch`].
    ///
    /// # Panics
    ///
    /// Something that must hold does not.
    pub fn run(&self, data: &[u8], slowness: u32) {
        // Made at the first use; not what the input costs.
        world::world();
        self.budget
            .watch(data.len(), slowness, || (self.body)(data));
    }
}

/// True where a signature of [`verify`](cms::verify)'s input holds.
pub fn verifies(data: &[u8]) -> bool {
    cms::valid(data) > 0
}

/// True where a mail has an authenticated author.
pub fn has_author(data: &[u8]) -> bool {
    open::opened(data, Legacy::NONE).author().is_some()
}

/// True where a mail is encrypted and everything in it opens.
pub fn opens(data: &[u8]) -> bool {
    open::opened(data, Legacy::ALL).decrypted() == Some(true)
}

/// True where a server takes a mail for every recipient.
pub fn is_sent(data: &[u8]) -> bool {
    smtp::is_sent(data)
}

/// True where the first certificate of [`path`](x509::path)'s input is trusted.
pub fn is_trusted(data: &[u8]) -> bool {
    x509::is_trusted(data)
}

/// True where a message is taken from a client.
pub fn is_taken(data: &[u8]) -> bool {
    lmtp::is_taken(data)
}

/// True where a mail is a report that proves something to who knows every name.
pub fn is_proof(data: &[u8]) -> bool {
    report::is_proof(data)
}

/// True where the parts of a mail are compared with those of another reader.
pub fn is_compared(data: &[u8]) -> bool {
    mail::is_compared(data)
}
