//! A site for the tests of this room: the lists `team` and `other`, and a spool.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Settings;
use crate::spool::{Message, message};
use crate::store::lists::Lists;

pub(super) struct Site {
    pub(super) dir: tempfile::TempDir,
    pub(super) settings: Settings,
}

impl Site {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for list in ["team", "other"] {
            let list = dir.path().join("lists/example.org").join(list);
            std::fs::create_dir_all(&list).unwrap();
            std::fs::write(list.join("list.toml"), b"").unwrap();
        }
        let mut settings = Settings::defaults(&dir.path().join("listseal.toml"));
        settings.paths.lists = dir.path().join("lists");
        settings.paths.spool = dir.path().join("spool");
        settings.intake.max_size = 2 << 20;
        settings.delivery.hostname = Some("mx.example.org".to_owned());
        Self { dir, settings }
    }

    pub(super) fn lists(&self) -> Lists {
        Lists::new(Arc::new(self.settings.clone()))
    }

    fn shelf(&self, name: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.settings.paths.spool.join(name));
        let entries = entries.into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// What lies in the spool, by recipient; nothing else may lie there.
    pub(super) fn taken(&self) -> Vec<Message> {
        assert!(self.shelf("tmp").is_empty(), "{:?}", self.shelf("tmp"));
        let read = |path: PathBuf| {
            let id = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
            message::read(id, &mut std::fs::File::open(path).unwrap()).unwrap()
        };
        let mut all: Vec<Message> = self.shelf("new").into_iter().map(read).collect();
        all.sort_by_key(|one| one.envelope.recipient().key().to_owned());
        all
    }
}
