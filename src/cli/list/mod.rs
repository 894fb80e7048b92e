//! `listseal list create | ls | show | remove`.
//!
//! # Invariants
//!
//! * A list appears and disappears at once: it is built beside its place and renamed.
//! * Nothing is overwritten, and what is removed is set aside, since nobody can make a lost
//!   private key again.

mod create;
mod show;

use std::path::Path;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::cli::console::{Complaint, complain, confirm, load, print};
use crate::cli::{check, exit};
use crate::config::permission::quoted;
use crate::store::lists::Lists;
use crate::store::roster;

/// Make, show and remove lists
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Members stand in the file subscribers of the list's directory, one address a line; settings in \
list.toml. Edits count from the next message on.

Exit codes: 0 done; 1 you said no; 64 used wrongly, or a question without a terminal; 67 no such \
list; 73 it cannot be made or removed; 78 bad configuration.")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a list: its directory, list.toml, an empty roster and a key pair.
    Create(create::Args),
    /// Show all lists.
    Ls {
        /// Print a JSON array of objects.
        #[arg(long)]
        json: bool,
    },
    /// Show one list: what was decided, its keys, its size.
    Show {
        /// Address of the list.
        list: String,
        /// Print a JSON array with one object.
        #[arg(long)]
        json: bool,
    },
    /// Take a list out of service; its directory is set aside.
    Remove {
        /// Address of the list.
        list: String,
        /// Do not ask.
        #[arg(long)]
        force: bool,
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
        Ok(text) => print(text, exit::OK),
        Err((code, text)) => complain(&text, code),
    }
}

fn perform(args: &Args, lists: &Lists) -> Outcome {
    match &args.command {
        Command::Create(args) => create::create(args, lists, OffsetDateTime::now_utc()),
        Command::Ls { json } => show::ls(lists, *json),
        Command::Show { list, json } => show::show(lists, list, *json),
        Command::Remove { list, force } => remove(lists, list, *force),
    }
}

/// What a command prints, or its exit code and complaint.
type Outcome = Result<String, Complaint>;

fn remove(lists: &Lists, name: &str, force: bool) -> Outcome {
    let list = check::named(lists, name)?;
    let members = roster::read(&list).map_or(0, |(roster, _)| roster.subscribers().len());
    let question = format!(
        "Take {} with {members} subscribers out of service?",
        list.address
    );
    confirm(force, &question, "nothing was removed")?;
    let parent = list.path.parent().unwrap_or(Path::new("/"));
    let stamp = OffsetDateTime::now_utc().unix_timestamp();
    let base = list.path.file_name().unwrap_or_default().to_string_lossy();
    let aside = parent.join(format!(".{base}.removed-{stamp}"));
    let trouble = |e: std::io::Error| {
        (
            exit::CANNOT_CREATE,
            format!("{} cannot be set aside: {e}", list.path.display()),
        )
    };
    create::rename_new(&list.path, &aside).map_err(trouble)?;
    create::sync_directory(parent).map_err(trouble)?;
    Ok(format!(
        "{} is out of service. Mail that is still in the spool for it stays there.\n\
         Its directory, with the private key, was set aside. To bring it back:\n    mv {} {}\n\
         To destroy it (mail that was encrypted to the list can never be read again):\n    rm -r {}\n\
         Take its addresses out of the MTA's tables too.\n",
        list.address,
        quoted(&aside),
        quoted(&list.path),
        quoted(&aside)
    ))
}

#[cfg(test)]
mod tests {
    use std::io::IsTerminal as _;
    use std::os::unix::fs::PermissionsExt as _;

    use clap::Parser as _;

    use super::*;
    use crate::config::Settings;
    use crate::model::Address;
    use crate::pki::testing::Scratch;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    struct World {
        scratch: Scratch,
        lists: Lists,
    }

    impl World {
        fn new() -> Self {
            let scratch = Scratch::new();
            let text = "[paths]\nlists = \"lists\"\nspool = \"spool\"\n";
            let file = scratch.path("listseal.toml");
            let settings = Settings::parse(&file, text).unwrap();
            std::fs::create_dir(scratch.path("lists")).unwrap();
            let lists = Lists::new(Arc::new(settings));
            Self { scratch, lists }
        }

        fn run(&self, line: &str) -> Outcome {
            let words = std::iter::once("list").chain(line.split(' '));
            perform(&Line::try_parse_from(words).unwrap().args, &self.lists)
        }

        fn create(&self, address: &str) -> Outcome {
            self.run(&format!(
                "create {address} --owner olga@example.org --key p256"
            ))
        }
    }

    #[test]
    fn created_list_is_complete_and_its_key_is_closed() {
        let world = World::new();
        let said = world
            .run("create Team@Example.org --owner olga@example.org --owner otto@example.org --key rsa2048")
            .unwrap();
        let address = Address::parse("team@example.org").unwrap();
        let policy = world.lists.load(&address).unwrap();
        assert_eq!(policy.send, "private_smime");
        assert_eq!(policy.owners.len(), 2);
        let list = world.lists.list(&address).unwrap();
        assert!(roster::read(&list).unwrap().0.subscribers().is_empty());
        for (name, mode) in [
            ("private_key", 0o600),
            ("cert.pem", 0o644),
            ("list.toml", 0o644),
        ] {
            let found = std::fs::metadata(list.path.join(name)).unwrap();
            assert_eq!(found.permissions().mode() & 0o777, mode, "{name}");
        }
        for part in [
            "team-bounces:",
            "$ORIGINAL_RECIPIENT",
            "listseal check",
            "SHA-256 ",
        ] {
            assert!(said.contains(part), "{part} {said}");
        }
        let left: Vec<_> = std::fs::read_dir(list.path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left.len(), 2, "team and _site alone: {left:?}");
    }

    #[test]
    fn openssl_encrypts_to_the_new_certificate_and_opens_with_the_new_key() {
        for kind in ["rsa2048", "rsa3072", "p256", "p384"] {
            let world = World::new();
            world
                .run(&format!(
                    "create team@example.org --owner o@example.org --key {kind}"
                ))
                .unwrap();
            let scratch = &world.scratch;
            let directory = "lists/example.org/team";
            scratch.write("text", "for the list alone");
            scratch.openssl(&format!(
                "cms -encrypt -aes-256-cbc -in text -out sealed {directory}/cert.pem"
            ));
            scratch.openssl(&format!(
                "cms -decrypt -in sealed -out opened -recip {directory}/cert.pem -inkey {directory}/private_key"
            ));
            assert_eq!(scratch.read("opened"), b"for the list alone", "{kind}");
            // For OpenSSL 3.0 only keyEncipherment encrypts, which an EC key does not do.
            let encrypts = kind.starts_with("rsa").then_some("smimeencrypt");
            for purpose in encrypts.into_iter().chain(["smimesign"]) {
                scratch.openssl(&format!(
                    "verify -purpose {purpose} -CAfile {directory}/cert.pem {directory}/cert.pem"
                ));
            }
            let named = scratch.openssl(&format!(
                "x509 -in {directory}/cert.pem -noout -checkemail team@example.org"
            ));
            assert!(named.contains("does match"), "{named}");
            let site = scratch.openssl(
                "x509 -in lists/example.org/_site/cert.pem -noout -checkemail listseal@example.org",
            );
            assert!(site.contains("does match"), "{site}");
        }
    }

    #[test]
    fn taken_and_impossible_addresses_are_refused_and_nothing_is_left() {
        let world = World::new();
        world.create("team@example.org").unwrap();
        world.create("crew-owner@example.org").unwrap();
        for (address, code) in [
            ("team@example.org", exit::CANNOT_CREATE),
            ("TEAM@example.org", exit::CANNOT_CREATE),
            ("team-owner@example.org", exit::CANNOT_CREATE),
            ("team-bounces+x@example.org", exit::CANNOT_CREATE),
            ("crew@example.org", exit::CANNOT_CREATE),
            ("listseal@example.org", exit::CANNOT_CREATE),
            ("listseal@new.example.org", exit::CANNOT_CREATE),
            ("_site@example.org", exit::USAGE),
            ("scenari@example.org", exit::USAGE),
            ("a/b@example.org", exit::USAGE),
            ("team", exit::USAGE),
            ("team@[127.0.0.1]", exit::USAGE),
        ] {
            let (found, text) = world.create(address).unwrap_err();
            assert_eq!(found, code, "{address}: {text}");
        }
        let (all, odd) = world.lists.all();
        assert_eq!(all.len(), 2);
        assert!(odd.is_empty(), "{odd:?}");
        assert!(!world.scratch.path("lists/new.example.org").exists());
    }

    #[test]
    fn missing_lists_directory_is_not_invented() {
        let world = World::new();
        std::fs::remove_dir(world.scratch.path("lists")).unwrap();
        let (code, text) = world.create("team@example.org").unwrap_err();
        assert_eq!(code, exit::CANNOT_CREATE);
        assert!(text.contains("mkdir -p "), "{text}");
    }

    #[test]
    fn removed_list_is_set_aside_and_can_come_back() {
        let world = World::new();
        world.create("team@example.org").unwrap();
        let address = Address::parse("team@example.org").unwrap();
        // Tests have no terminal to be asked on.
        if !std::io::stdin().is_terminal() {
            let (code, text) = world.run("remove team@example.org").unwrap_err();
            assert_eq!(code, exit::USAGE);
            assert!(text.contains("--force"), "{text}");
            assert!(world.lists.is_list(&address));
        }
        let said = world.run("remove team@example.org --force").unwrap();
        assert_eq!(world.lists.find(&address), Ok(None));
        let back = said
            .lines()
            .find(|line| line.starts_with("    mv "))
            .unwrap();
        let moved = std::process::Command::new("sh").args(["-c", back]).status();
        assert!(moved.unwrap().success(), "{back}");
        assert!(world.lists.is_list(&address));
        let (code, _) = world.run("remove nobody@example.org --force").unwrap_err();
        assert_eq!(code, exit::NO_USER);
    }

    #[test]
    fn json_of_lists_is_an_array_of_objects() {
        let world = World::new();
        world.create("team@example.org").unwrap();
        world.create("crew@example.org").unwrap();
        std::fs::write(
            world.scratch.path("lists/example.org/crew/list.toml"),
            "x = 1\n",
        )
        .unwrap();
        let text = world.run("ls --json").unwrap();
        let all: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(all[0]["address"], "crew@example.org");
        assert_eq!(all[0]["in_service"], false);
        assert_eq!(all[1]["in_service"], true);
        assert_eq!(all[1]["subscribers"], 0);
        assert_eq!(all[1]["max_size"], 52_428_800);
        let one = world.run("show team@example.org --json").unwrap();
        let one: serde_json::Value = serde_json::from_str(&one).unwrap();
        assert_eq!(one[0], all[1]);
        let print = world
            .scratch
            .openssl("x509 -in lists/example.org/team/cert.pem -noout -fingerprint -sha256");
        let print = print
            .trim()
            .rsplit('=')
            .next()
            .unwrap()
            .replace(':', "")
            .to_lowercase();
        assert_eq!(all[1]["certificate"]["sha256"], print);
        let plain = world.run("ls").unwrap();
        assert!(
            plain.contains("out of service: listseal check crew@example.org"),
            "{plain}"
        );
        let plain = world.run("show team@example.org").unwrap();
        assert!(plain.contains("50 MiB"), "{plain}");
    }
}
