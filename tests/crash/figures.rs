//! What a campaign counted, in one line; and random numbers that can be had again.
//!
//! With `LISTSEAL_FIGURES=docs/reliability.md` the line takes its place in the table there, with
//! the kernel, the file system and the versions of what took part.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use listseal::spool::audit::Audit;

/// The judge's columns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub accepted: u64,
    pub sent: u64,
    pub failed: u64,
    pub withheld: u64,
    pub open: u64,
    pub lost: u64,
    pub duplicated: u64,
    pub torn: u64,
}

impl Figures {
    /// Adds what an audit counted.
    pub fn add(&mut self, audit: &Audit) {
        self.accepted += audit.accepted;
        self.sent += audit.ended.sent;
        self.failed += audit.ended.failed;
        self.withheld += audit.ended.withheld;
        self.open += audit.copies_open;
        self.lost += audit.lost.len() as u64;
    }

    /// Adds another sum.
    pub fn join(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.sent += other.sent;
        self.failed += other.failed;
        self.withheld += other.withheld;
        self.open += other.open;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.torn += other.torn;
    }

    /// Counts what was broken.
    pub fn broke(&mut self, kind: &str) {
        *match kind {
            "duplicated" => &mut self.duplicated,
            "torn" => &mut self.torn,
            _ => &mut self.lost,
        } += 1;
    }

    fn columns(&self) -> [(&'static str, u64); 8] {
        [
            ("accepted", self.accepted),
            ("sent", self.sent),
            ("failed", self.failed),
            ("withheld", self.withheld),
            ("open", self.open),
            ("lost", self.lost),
            ("duplicated", self.duplicated),
            ("torn", self.torn),
        ]
    }

    /// Prints the line of a campaign, and keeps it where `LISTSEAL_FIGURES` says. `size` tells how
    /// much was done, `place` is where it was done.
    pub fn tell(&self, campaign: &str, size: &str, place: &Path, command: &str) {
        let columns: Vec<_> = self
            .columns()
            .iter()
            .map(|(name, n)| format!("{n} {name}"))
            .collect();
        // Past the capture of the harness: the figures are shown when all is well, too.
        let line = format!("{campaign}: {size}: {}\n", columns.join(", "));
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
        if let Some(page) = std::env::var_os("LISTSEAL_FIGURES") {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            keep(&root.join(page), campaign, size, place, command, self);
        }
    }
}

/// Puts the row of a campaign into the page; the other rows stay.
fn keep(page: &Path, campaign: &str, size: &str, place: &Path, command: &str, figures: &Figures) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock();
    let old = std::fs::read_to_string(page).unwrap_or_default();
    // What other tests have measured stands behind it, and stays.
    let end = old
        .find(WRITTEN)
        .map(|at| at + 1 + old[at + 1..].find('\n').map_or(0, |end| end + 1));
    let (old, others) = old.split_at(end.unwrap_or(old.len()));
    let mut rows: BTreeMap<String, String> = old
        .lines()
        .filter(|line| {
            line.starts_with("| ") && !line.starts_with("| ---") && !line.starts_with("| Campaign")
        })
        .map(|line| {
            (
                line.split('|').nth(1).unwrap().trim().to_owned(),
                line.to_owned(),
            )
        })
        .collect();
    let numbers: Vec<_> = figures
        .columns()
        .iter()
        .map(|(_, n)| n.to_string())
        .collect();
    let row = format!(
        "| {campaign} | {size} | {} | {} | {} | `{command}` |",
        numbers.join(" | "),
        file_system(place),
        said("uname", &["-sr"]),
    );
    rows.insert(campaign.to_owned(), row);
    let columns: Vec<_> = figures.columns().iter().map(|(name, _)| *name).collect();
    let rows: Vec<_> = rows.into_values().collect();
    let text = format!(
        "{HEAD}\n| Campaign | Size | {} | File system | Kernel | Command |\n|{}\n{}\n\n{TAIL} with {}.\n{others}",
        columns.join(" | "),
        " --- |".repeat(columns.len() + 5),
        rows.join("\n"),
        versions().join(", "),
    );
    std::fs::write(page, text).unwrap();
}

fn file_system(place: &Path) -> String {
    said("stat", &["-f", "-c", "%T", &place.display().to_string()]).replace("ext2/ext3", "ext4")
}

/// The tools that campaigns were run with.
fn versions() -> Vec<String> {
    let tools: [(&str, &[&str]); 6] = [
        ("rustc", &["--version"]),
        ("openssl", &["version"]),
        ("python3", &["--version"]),
        ("strace", &["-V"]),
        ("faketime", &["--version"]),
        ("/usr/sbin/postconf", &["-d", "mail_version"]),
    ];
    let first = |(program, words): (&str, &[&str])| {
        let text = said(program, words);
        let line = text.lines().find(|line| !line.is_empty());
        let line = line
            .unwrap_or(program)
            .split('(')
            .next()
            .unwrap_or_default();
        line.replace("-- ", "")
            .replace("mail_version =", "postfix")
            .trim()
            .to_owned()
    };
    tools.into_iter().map(first).collect()
}

fn said(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| format!("{program} unknown"))
}

/// How many rounds to do: what the environment says, or `usual`.
pub fn rounds(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// Random numbers that can be had again (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    /// Those of `LISTSEAL_SEED`, or others each time; told, so that they can be repeated.
    pub fn new() -> Self {
        let given = std::env::var("LISTSEAL_SEED").ok();
        let parse = |text: String| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
        let seed = given.map_or_else(|| getrandom::u64().unwrap(), parse);
        println!("LISTSEAL_SEED={seed:#x} repeats it");
        Self(seed)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % end
    }
}

const HEAD: &str = "# Reliability: what was done to it, and what came of it

Each row is the last run of one campaign of `tests/crash` or `tests/environment`, written by the campaign itself: the command of its row with
`LISTSEAL_FIGURES=docs/reliability.md` in front writes it anew. *lost* are messages or copies that the audit misses,
*duplicated* copies that came twice: at most one for each connection and crash. *torn* is what is there in part; where
copies went out, `openssl` opens each one and its content is held against the post.
";
/// The last line of the page's part that is written here begins so.
const WRITTEN: &str = "\nWritten with ";
const TAIL: &str = "States of cut disks are counted with the sums of all their audits.

## What the simulated disk cannot show

* Unsynced changes reach it in any combination, each 512 bytes by itself. A rename is done or not, never half: a file
  system that loses a file while it renames it, as FAT may, is not there.
* A sync does what it says. A disk that lies about its cache, or loses what it once had, is beyond any program; the
  checksums name what they meet of it.
* Two random mixtures are tried after each call, beside nothing, everything, names alone and bytes alone: a sample of
  what may be, not all of it. Another `LISTSEAL_SEED` takes others.
* A directory that was made is there: the spool's own are made and synced before the first message.
* Modes, owners, times and links of files are not part of it, and neither is room: full disks and failing calls are a
  campaign of their own.
* One thread lives in it: what intake, daemon and `listseal spool` do at the same time is met by the kills and by the
  cuts of a real ext4, at random moments and not at every one.
* The ext4 that loses power has an ordered journal and the barriers of a loop device; other file systems are judged by
  the model alone.

Written";
