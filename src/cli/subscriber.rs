//! `listseal subscriber ls | resume`: who is a member, whose mail comes back, and who is suspended.
//!
//! # See also
//!
//! [`crate::model::bounce`] for what counts.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::console::{self, Complaint, complain, load, print, say};
use super::{check, exit};
use crate::model::bounce::{BounceRule, Record};
use crate::model::roster::{Mode, Roster, Subscriber};
use crate::model::{Address, micros};
use crate::store::bounces::Bounces;
use crate::store::directory::ListDirectory;
use crate::store::lists::Lists;
use crate::store::roster;

/// Show the members of a list and whose mail comes back; send to suspended ones again
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A member whose mail comes back too often is suspended and gets nothing; bouncing_count and \
bouncing_period in list.toml say when. He is still a member and may post. Resume him once his \
mailbox works, or take him out of the file subscribers.

Exit codes: 0 done; 64 used wrongly; 66 no such member; 67 no such list; 75 what is known of the \
members cannot be read or written; 78 bad configuration.")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show all members, what came back from them, and who is suspended.
    Ls {
        /// Address of the list.
        list: String,
        /// Print a JSON array of objects.
        #[arg(long)]
        json: bool,
    },
    /// Send to suspended members again; what came back from them is forgiven.
    Resume {
        /// Address of the list.
        list: String,
        /// Addresses of the members.
        #[arg(required = true)]
        members: Vec<String>,
    },
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args, config: &Path) -> u8 {
    let settings = match load(config) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let lists = Lists::new(Arc::new(settings));
    match perform(args, &lists) {
        Ok((text, code)) => print(text, code),
        Err((code, text)) => complain(&text, code),
    }
}

/// What a command prints and its exit code, or its complaint.
type Outcome = Result<(String, u8), Complaint>;

fn perform(args: &Args, lists: &Lists) -> Outcome {
    let (Command::Ls { list, .. } | Command::Resume { list, .. }) = &args.command;
    let list = check::named(lists, list)?;
    let trouble = |problem: crate::config::Problem| (exit::TEMPORARY, problem.text());
    let (roster, bad) = roster::read(&list).map_err(trouble)?;
    for problem in &bad {
        say(&problem.text(), exit::OK);
    }
    let bounces = Bounces::of(&lists.settings().paths.state, &list.address);
    let now = micros(OffsetDateTime::now_utc());
    match &args.command {
        Command::Ls { json, .. } => {
            let (records, problems) = bounces.all().map_err(trouble)?;
            for problem in &problems {
                say(&problem.text(), exit::OK);
            }
            let rule = rule(lists, &list);
            let rows = rows(&roster, &records);
            let text = if *json {
                console::json(rows.iter().map(|row| row.object(now, rule)).collect())
            } else {
                rows.iter().map(|row| row.line(now, rule) + "\n").collect()
            };
            Ok((text, exit::OK))
        }
        Command::Resume { members, .. } => {
            let (mut out, mut code) = (String::new(), exit::OK);
            for text in members {
                let known = Address::parse(text).ok();
                let known = known.and_then(|address| roster.find(&address));
                let Some(member) = known.map(|one| &one.address) else {
                    code = complain(&format_args!("{text} is no member"), exit::NO_INPUT);
                    continue;
                };
                let resumed = bounces.get(member).and_then(|record| {
                    let Some(record) = record else {
                        return Ok(false);
                    };
                    let resume = |record: &mut Record| record.resume(now);
                    bounces.change(member, resume)?;
                    Ok(record.suspended.is_some())
                });
                let was = match resumed {
                    Ok(was) => was,
                    // What was done for the others is said all the same.
                    Err(problem) => {
                        code = complain(&problem.text(), exit::TEMPORARY);
                        continue;
                    }
                };
                let word = if was { "resumed" } else { "was not suspended" };
                out.push_str(&format!("{member} {word}\n"));
            }
            Ok((out, code))
        }
    }
}

/// The rule of a list; of one that is out of service, the usual one.
fn rule(lists: &Lists, list: &ListDirectory) -> BounceRule {
    let config = lists.read_directory(list.clone());
    config.map_or_else(|_| BounceRule::default(), |config| config.policy.bounces)
}

/// A member with what came back from him.
struct Row<'a> {
    member: &'a Subscriber,
    record: Option<&'a Record>,
}

fn rows<'a>(roster: &'a Roster, records: &'a [Record]) -> Vec<Row<'a>> {
    let members = roster.subscribers().iter();
    let find = |address: &Address| {
        let at = records.binary_search_by(|one| one.address.cmp(address));
        at.ok().and_then(|at| records.get(at))
    };
    members
        .map(|member| Row {
            member,
            record: find(&member.address),
        })
        .collect()
}

impl Row<'_> {
    /// `suspended`, `bouncing` or `active`, in one word.
    fn state(&self, now: u64, rule: BounceRule) -> &'static str {
        match self.record {
            Some(record) if record.suspended.is_some() => "suspended",
            Some(record) if record.score(now, rule) > 0.0 => "bouncing",
            _ => "active",
        }
    }

    fn object(&self, now: u64, rule: BounceRule) -> Value {
        let member = self.member;
        let record = self.record;
        let bounces = record.map(|one| {
            json!({
                "score": one.score(now, rule),
                "days": one.days.len(),
                "failures": one.failures,
                "first": time(one.first),
                "last": one.last.as_ref().and_then(|last| time(last.at)),
                "status": one.last.as_ref().map(|last| &last.status),
                "text": one.last.as_ref().map(|last| &last.text),
                "delayed": one.delayed,
                "unproven": one.unproven,
                "not_understood": one.not_understood,
            })
        });
        let suspended = record.and_then(|one| one.suspended.as_ref()).map(|one| {
            json!({
                "since": time(one.at),
                "days": one.days,
                "status": one.status,
                "text": one.text,
            })
        });
        json!({
            "address": member.address,
            "name": member.name,
            "mode": mode(member.mode),
            "lang": member.lang,
            "aliases": member.aliases,
            "state": self.state(now, rule),
            "bounces": bounces,
            "suspended": suspended,
        })
    }

    fn line(&self, now: u64, rule: BounceRule) -> String {
        let member = self.member;
        let (state, mode) = (self.state(now, rule), mode(member.mode));
        let mut line = format!("{state:<9}  {mode:<6}  {}", member.address);
        if !member.name.is_empty() {
            line += &format!("  {}", member.name);
        }
        let Some(record) = self.record else {
            return line;
        };
        if let Some(one) = &record.suspended {
            let since = date(one.at);
            line += &format!(
                "  since {since}: mail came back on {} day(s), last {} {}",
                one.days, one.status, one.text
            );
        } else if let Some(last) = &record.last {
            line += &format!(
                "  score {} of {}, last {}: {} {}",
                record.score(now, rule),
                rule.count,
                date(last.at),
                last.status,
                last.text
            );
        }
        for (count, what) in [
            (record.delayed, "late"),
            (record.unproven, "unproven"),
            (record.not_understood, "not understood"),
        ] {
            if count > 0 {
                line += &format!("  {count} {what}");
            }
        }
        line.trim_end().to_owned()
    }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Mail => "mail",
        Mode::Nomail => "nomail",
        Mode::Notice => "notice",
    }
}

fn instant(micros: u64) -> Option<OffsetDateTime> {
    let nanos = i128::from(micros).saturating_mul(1000);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()
}

/// None where it never was.
fn time(micros: u64) -> Option<String> {
    instant(micros)
        .filter(|_| micros > 0)?
        .format(&Rfc3339)
        .ok()
}

fn date(micros: u64) -> String {
    instant(micros).map_or_else(String::new, |at| at.date().to_string())
}
