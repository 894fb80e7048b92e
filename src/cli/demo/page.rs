//! The page that people read: what was built, who got what and why, and how to look for oneself.
//!
//! # Invariants
//!
//! * It fits 80 columns but for paths that are longer; colour goes to terminals alone.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use super::account::{self, Row, Tone};
use super::directory::Directory;
use super::journey::Told;
use super::tries::Try;
use super::world::{ANCHOR, LIST_DIRECTORY, World};
use crate::config::permission::quoted;

/// Colours, or none.
#[derive(Clone, Copy)]
pub(super) struct Ink(bool);

impl Ink {
    /// Returns colours where standard output is a terminal and `NO_COLOR` is not set.
    pub(super) fn of_stdout() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self(!plain && std::io::stdout().is_terminal())
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn tone(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Odd => "33",
        };
        self.paint(code, text)
    }
}

/// Returns the page.
pub(super) fn write(
    ink: Ink,
    directory: &Directory,
    world: &World,
    told: &[Told],
    tries: &[Try],
) -> String {
    let mut out = String::new();
    built(&mut out, ink, directory, world);
    heading(&mut out, ink, "Who got what, and why");
    let titles = format!(
        "     {:<TO$} {:<GOT$} {:<WHY$} file",
        "to", "got", "because"
    );
    line(&mut out, &ink.dim(&titles));
    for (index, one) in told.iter().enumerate() {
        mail(&mut out, ink, directory, world, told, index, one);
    }
    heading(&mut out, ink, "See for yourself");
    line(&mut out, &format!("    cd {}", quoted(directory.path())));
    for one in tries {
        line(&mut out, &format!("\n  {}", one.what));
        for part in one.command.lines() {
            line(&mut out, &format!("    {part}"));
        }
    }
    line(
        &mut out,
        "\n  Everything is in that directory. To remove it:",
    );
    line(&mut out, &format!("    {}", directory.removal()));
    out
}

fn built(out: &mut String, ink: Ink, directory: &Directory, world: &World) {
    line(
        out,
        &ink.bold("Listseal demo: six mails to a list, through the real intake, spool and daemon"),
    );
    line(out, "");
    let fact = |out: &mut String, name: &str, text: &str| {
        for (index, part) in wrap(text, WIDTH - NAME - 2).into_iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            line(out, &format!("  {name:<NAME$}{part}"));
        }
    };
    fact(out, "directory", &directory.path().display().to_string());
    fact(
        out,
        "authority",
        &format!("{ANCHOR}, the only one the list believes"),
    );
    let key = world.list_certificate.public_key().map(|key| key.name());
    fact(
        out,
        "list",
        &format!(
            "{}, {}. Members who sign may post, nobody else: send = \"private_smime\" in \
             {LIST_DIRECTORY}/list.toml",
            world.list,
            key.unwrap_or_default()
        ),
    );
    for person in &world.people {
        let key = person
            .key()
            .map(|key| format!("{key}, "))
            .unwrap_or_default();
        fact(
            out,
            person.name,
            &format!("{key}{}", account::standing(person)),
        );
    }
}

fn mail(
    out: &mut String,
    ink: Ink,
    directory: &Directory,
    world: &World,
    all: &[Told],
    index: usize,
    told: &Told,
) {
    let number = index.saturating_add(1);
    let name = format!("{number}  {}", told.post.name);
    line(out, "");
    line(out, &format!("{}: {}", ink.bold(&name), told.post.story));
    line(out, &ink.dim(&format!("   spool id {}", told.id)));
    let (tone, word, why) = account::verdict(world, &told.plan);
    paragraph(out, &format!("{word}: {why}"), |part, first| {
        let rest = part.strip_prefix(word).filter(|_| first);
        rest.map_or_else(|| part.to_owned(), |rest| ink.tone(tone, word) + rest)
    });
    for (address, path) in &told.learned {
        let (name, file) = (world.name_of(address), directory.relative(path));
        paragraph(
            out,
            &format!("Learned: {name}'s certificate, now {file}"),
            |part, _| part.to_owned(),
        );
    }
    let rows = account::rows(world, all, told);
    let (got, none): (Vec<_>, Vec<_>) = rows
        .iter()
        .partition(|row| row.got != "nothing" || row.reason.is_some());
    for row in &got {
        let file = row.file.as_ref().map(|file| directory.relative(file));
        let cells = [
            (world.name_of(&row.to), TO),
            (what(row), GOT),
            (row.why.clone(), WHY),
        ];
        columns(out, &cells, &file.unwrap_or_default());
    }
    let nobody: Vec<_> = none.iter().map(|row| world.name_of(&row.to)).collect();
    if !nobody.is_empty() {
        line(out, &format!("     {}: nothing", nobody.join(", ")));
    }
}

fn what(row: &Row) -> String {
    match (&row.sealed, &row.notice) {
        (Some((key, cipher)), None) => format!("sealed: {key}, {cipher}"),
        (Some(_), Some(notice)) => format!("sealed notice {notice}"),
        (None, Some(notice)) => format!("notice {notice}"),
        (None, None) if row.signed => format!("{}, signature whole", row.got),
        (None, None) => row.got.to_owned(),
    }
}

/// Writes cells side by side, each wrapped to its width, and the last where it fits.
fn columns(out: &mut String, cells: &[(String, usize)], last: &str) {
    let wrapped: Vec<_> = cells
        .iter()
        .map(|(text, width)| (wrap(text, *width), *width))
        .collect();
    let height = wrapped
        .iter()
        .map(|(lines, _)| lines.len())
        .max()
        .unwrap_or(1);
    for at in 0..height {
        let mut text = "     ".to_owned();
        for (lines, width) in &wrapped {
            let cell = lines.get(at).map_or("", String::as_str);
            let _ = write!(text, "{cell:<width$} ");
        }
        if at == 0 {
            text.push_str(last);
        }
        line(out, &text);
    }
}

fn paragraph(out: &mut String, text: &str, paint: impl Fn(&str, bool) -> String) {
    for (index, part) in wrap(text, WIDTH - 3).iter().enumerate() {
        line(out, &format!("   {}", paint(part, index == 0)));
    }
}

fn heading(out: &mut String, ink: Ink, text: &str) {
    line(out, "");
    line(out, &ink.bold(text));
    line(out, "");
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

/// Breaks `text` at spaces; a word that is too long gets a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(last) = lines.last_mut() else { break };
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

const WIDTH: usize = 80;
/// Columns of names on top.
const NAME: usize = 11;
const TO: usize = 6;
const GOT: usize = 30;
const WHY: usize = 23;
