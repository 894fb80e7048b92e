//! Reads the page as a person does: by its headings, numbers and columns.

/// What the page says.
#[derive(Debug, Default)]
pub struct Page {
    pub text: String,
    pub mails: Vec<Mail>,
    /// The `cd` in front of all commands.
    pub enter: String,
    /// What each command shows, and the command.
    pub commands: Vec<(String, String)>,
    pub removal: String,
}

/// One mail of the table.
#[derive(Debug, Default)]
pub struct Mail {
    pub name: String,
    pub id: String,
    pub verdict: String,
    pub learned: Vec<String>,
    pub got: Vec<Row>,
    pub nothing: Vec<String>,
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    pub to: String,
    pub got: String,
    pub why: String,
    pub file: String,
}

impl Page {
    pub fn read(text: &str) -> Self {
        let (table, commands) = text.split_once("\nSee for yourself\n").unwrap();
        let (_, table) = table.split_once("\nWho got what, and why\n").unwrap();
        let mut page = Self {
            text: text.to_owned(),
            mails: table.split("\n\n").skip(1).filter_map(mail).collect(),
            ..Self::default()
        };
        for block in commands.split("\n\n") {
            let mut lines = block.lines().filter(|line| !line.is_empty()).peekable();
            let what = lines.next_if(|line| !line.starts_with("    "));
            let command: Vec<_> = lines.map(|line| &line[4..]).collect();
            let command = command.join("\n");
            match what.map(str::trim) {
                None => page.enter = command,
                Some(what) if what.ends_with("To remove it:") => page.removal = command,
                Some(what) => page.commands.push((what.to_owned(), command)),
            }
        }
        assert!(
            page.enter.starts_with("cd ") && page.removal.starts_with("rm -r "),
            "{text}"
        );
        page
    }
}

fn mail(block: &str) -> Option<Mail> {
    let mut lines = block.lines().filter(|line| !line.trim().is_empty());
    let (_, title) = lines.next()?.split_once("  ").unwrap();
    let mut mail = Mail {
        name: title.split_once(": ").unwrap().0.to_owned(),
        ..Mail::default()
    };
    for line in lines {
        if let Some(id) = line.strip_prefix("   spool id ") {
            mail.id = id.to_owned();
        } else if let Some(learned) = line.strip_prefix("   Learned: ") {
            let (_, file) = learned.split_once(", now ").unwrap();
            mail.learned.push(file.to_owned());
        } else if let Some(names) = line.strip_suffix(": nothing") {
            mail.nothing = names.trim().split(", ").map(str::to_owned).collect();
        } else if let Some(row) = line.strip_prefix("     ") {
            mail.got.push(columns(row));
        } else {
            mail.verdict = format!("{} {}", mail.verdict, line.trim())
                .trim()
                .to_owned();
        }
    }
    Some(mail)
}

fn columns(row: &str) -> Row {
    let cell = |from: usize, to: usize| row[from..to.min(row.len())].trim().to_owned();
    Row {
        to: cell(0, 7),
        got: cell(7, 38),
        why: cell(38, 62),
        file: cell(62, row.len()),
    }
}
