//! What a disk may hold after a power cut, worked out from a trace of system calls.
//!
//! What was synced is there. Of what was not, anything may be: each 512 bytes of a write apart,
//! lengths with and without their bytes, and each change of a directory apart, but that a rename
//! is done or not, as every file system of the house has it.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use listseal::disk::faults::Call;

use super::figures::Dice;

/// Which of the unsynced changes reached the disk.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// None.
    Lost,
    /// All: as after `kill -9`.
    Kept,
    /// The names, without the bytes.
    Names,
    /// The bytes, without the names.
    Bytes,
    /// Any, by the dice.
    Torn(u64),
}

/// The files of a world: where each lies below its root, and what is in it.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

#[derive(Clone, Default)]
struct Content {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Cut(usize),
    Write(usize, Vec<u8>),
}

#[derive(Clone)]
struct Naming {
    from: Option<PathBuf>,
    to: Option<PathBuf>,
    file: usize,
    durable: bool,
}

/// A disk while the calls of a trace are made.
#[derive(Clone)]
pub struct Disk {
    root: PathBuf,
    base: BTreeMap<PathBuf, usize>,
    files: Vec<Content>,
    numbers: HashMap<u64, usize>,
    live: BTreeMap<PathBuf, usize>,
    namings: Vec<Naming>,
}

impl Disk {
    /// A disk on which everything below `root` is durable.
    pub fn new(root: &Path, shelves: &[&str]) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let mut disk = Self {
            root: root.to_owned(),
            base: BTreeMap::new(),
            files: Vec::new(),
            numbers: HashMap::new(),
            live: BTreeMap::new(),
            namings: Vec::new(),
        };
        for (path, durable) in read(root, shelves) {
            let number = std::fs::metadata(root.join(&path)).unwrap().ino();
            disk.numbers.insert(number, disk.files.len());
            disk.base.insert(path, disk.files.len());
            disk.files.push(Content {
                durable,
                pending: Vec::new(),
            });
        }
        disk.live = disk.base.clone();
        disk
    }

    /// The process is gone, and what it wrote is seen by the next one, which works below `root` on
    /// files of other numbers: what was not synced still is not.
    pub fn taken_over(&mut self, root: &Path) {
        use std::os::unix::fs::MetadataExt as _;
        self.root = root.to_owned();
        self.numbers = self
            .live
            .iter()
            .map(|(path, file)| (std::fs::metadata(root.join(path)).unwrap().ino(), *file))
            .collect();
    }

    fn path(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }

    fn name(&mut self, from: Option<PathBuf>, to: Option<PathBuf>, file: usize) {
        if let Some(from) = &from {
            self.live.remove(from);
        }
        if let Some(to) = &to {
            self.live.insert(to.clone(), file);
        }
        self.namings.push(Naming {
            from,
            to,
            file,
            durable: false,
        });
    }

    /// Makes one call.
    pub fn call(&mut self, call: &Call) {
        match call {
            Call::Make { file, path } => {
                self.numbers.insert(*file, self.files.len());
                self.files.push(Content::default());
                if let Some(path) = path {
                    self.name(None, Some(self.path(path)), self.files.len() - 1);
                }
            }
            Call::Link { file, path } => {
                self.name(None, Some(self.path(path)), self.numbers[file]);
            }
            Call::Rename { from, to } => {
                let (from, to) = (self.path(from), self.path(to));
                let file = self.live[&from];
                self.name(Some(from), Some(to), file);
            }
            Call::Unlink { path } => {
                let path = self.path(path);
                let file = self.live[&path];
                self.name(Some(path), None, file);
            }
            Call::Write { file, at, bytes } => {
                let change = Change::Write(usize::try_from(*at).unwrap(), bytes.clone());
                self.file(*file).pending.push(change);
            }
            Call::Cut { file, length } => {
                let change = Change::Cut(usize::try_from(*length).unwrap());
                self.file(*file).pending.push(change);
            }
            Call::Sync { file } => self.file(*file).settle(),
            Call::SyncAll => {
                self.files.iter_mut().for_each(Content::settle);
                self.namings.iter_mut().for_each(|one| one.durable = true);
            }
            Call::SyncDirectory { path } => {
                let path = self.path(path);
                let inside = |name: &Option<PathBuf>| {
                    name.as_deref().and_then(Path::parent) == Some(path.as_path())
                };
                for one in &mut self.namings {
                    one.durable |= inside(&one.from) || inside(&one.to);
                }
            }
            // Directories are made before a trace begins, or durable before they are used.
            Call::MakeDirectory { .. } | Call::Note(_) => {}
        }
    }

    fn file(&mut self, number: u64) -> &mut Content {
        let at = self.numbers[&number];
        &mut self.files[at]
    }

    /// What is there when the power comes back.
    pub fn after(&self, fate: Fate) -> Files {
        let mut dice = Dice(match fate {
            Fate::Torn(seed) => seed,
            _ => 0,
        });
        let mut names = self.base.clone();
        for one in &self.namings {
            let kept = one.durable
                || match fate {
                    Fate::Lost | Fate::Bytes => false,
                    Fate::Kept | Fate::Names => true,
                    Fate::Torn(_) => dice.below(2) == 0,
                };
            if !kept {
                continue;
            }
            if let Some(from) = &one.from
                && names.get(from) == Some(&one.file)
            {
                names.remove(from);
            }
            if let Some(to) = &one.to {
                names.insert(to.clone(), one.file);
            }
        }
        names
            .into_iter()
            .map(|(path, file)| (path, self.files[file].after(fate, &mut dice)))
            .collect()
    }
}

impl Content {
    fn settle(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        for change in &pending {
            change.apply(&mut self.durable, &mut |_| true);
        }
    }

    fn after(&self, fate: Fate, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            match fate {
                Fate::Lost | Fate::Names => {}
                Fate::Kept | Fate::Bytes => change.apply(&mut bytes, &mut |_| true),
                // All of it, nothing of it, or each sector by itself.
                Fate::Torn(_) => match dice.below(4) {
                    0 => {}
                    1 => change.apply(&mut bytes, &mut |_| true),
                    _ => change.apply(&mut bytes, &mut |_| dice.below(2) == 0),
                },
            }
        }
        bytes
    }
}

impl Change {
    /// Changes what `reaches` says of each sector; the length may get there before the bytes.
    fn apply(&self, bytes: &mut Vec<u8>, reaches: &mut dyn FnMut(usize) -> bool) {
        match self {
            Self::Cut(length) => {
                if reaches(0) {
                    bytes.resize(*length, 0);
                }
            }
            Self::Write(at, new) => {
                let mut begin = 0;
                while begin < new.len() {
                    let sector = (at + begin) / SECTOR;
                    let end = ((sector + 1) * SECTOR - at).min(new.len());
                    if reaches(sector) {
                        if bytes.len() < at + end {
                            bytes.resize(at + end, 0);
                        }
                        bytes[at + begin..at + end].copy_from_slice(&new[begin..end]);
                    }
                    begin = end;
                }
            }
        }
    }
}

/// Reads what lies below these directories of `root`.
pub fn read(root: &Path, shelves: &[&str]) -> Files {
    let mut files = Files::new();
    let mut open: Vec<PathBuf> = shelves.iter().map(|shelf| root.join(shelf)).collect();
    while let Some(directory) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Makes a world out of `files` in an empty directory.
pub fn write(root: &Path, files: &Files) {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    let mut maker = std::fs::DirBuilder::new();
    maker.mode(0o700).recursive(true);
    for shelf in ["bad", "hold", "new", "tmp", "work"] {
        maker.create(root.join("spool").join(shelf)).unwrap();
    }
    for (name, bytes) in files {
        let path = root.join(name);
        maker.create(path.parent().unwrap()).unwrap();
        let mut options = std::fs::File::options();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
    }
}

/// A number for a state, to know it again.
pub fn digest(files: &Files) -> u64 {
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    hasher.finish()
}

const SECTOR: usize = 512;
