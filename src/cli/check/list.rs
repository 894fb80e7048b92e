//! One list: its files, rules, templates, and who can read a sealed post.

use super::Examination;
use crate::config::list::Scope;
use crate::config::permission::{Use, directory, edited_file};
use crate::config::units::show_size;
use crate::config::{ListKeys, Problem, read_text};
use crate::model::list::Encrypt;
use crate::store::directory::ListDirectory;
use crate::store::{roster, templates};

impl Examination {
    pub(super) fn list(&mut self, list: &ListDirectory) {
        self.counts.lists = self.counts.lists.saturating_add(1);
        let mut found = directory(&list.path, Use::Readable, self.user);
        found.extend(edited_file(&list.list_toml(), self.user));
        found.extend(edited_file(&list.subscribers(), self.user));
        found.extend(templates::problems(&list.path.join("templates")));
        found.extend(self.useless_size(list));
        self.found
            .extend(found.into_iter().map(|p| p.of(&list.address)));
        let config = match self.lists.read_directory(list.clone()) {
            Ok(config) => Some(config),
            Err(problems) => {
                self.found.extend(problems.0);
                None
            }
        };
        let members = match roster::read(list) {
            Ok((roster, problems)) => {
                self.found.extend(problems);
                self.suspended(list, &roster);
                self.counts.subscribers = self
                    .counts
                    .subscribers
                    .saturating_add(roster.subscribers().len());
                Some(roster)
            }
            Err(problem) => {
                self.found.push(problem);
                None
            }
        };
        let Some(config) = config else {
            return;
        };
        self.trust(&config.trust);
        if let Err(problem) = self.lists.scenario(list, &config.policy.send) {
            self.found.push(problem);
        }
        let decrypts = self.list_keys(&config);
        // Without a key nothing encrypted is read, so nothing is sealed, unless everything is.
        if let Some(members) = members
            && (decrypts || config.policy.encrypt == Encrypt::Always)
        {
            self.members(&config, &members);
        }
    }

    fn useless_size(&self, list: &ListDirectory) -> Option<Problem> {
        let file = list.list_toml();
        let text = read_text(&file).ok()?;
        let own = ListKeys::parse(&file, &text, Scope::List).ok()?.max_size?;
        let most = self.lists.settings().intake.max_size;
        (own > most).then(|| {
            Problem::warning(
                &file,
                format!("max_size: {} is more than intake.max_size", show_size(own)),
                format!(
                    "write {} or less, or raise intake.max_size",
                    show_size(most)
                ),
            )
        })
    }
}
