//! Every moment at which a ledger can be cut off, by a kill or by a loss of power.
//!
//! A run of epochs is recorded step by step. For each prefix of the steps a folder is built as a
//! crash there could leave it: after a kill everything done so far is there, the last write
//! perhaps torn; after a loss of power whatever was not synced may be there, be torn, or be
//! missing, each file and each name on its own. From each such folder the ledger must open, hold
//! all that was published, and go on with the same leaves in the same order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use notrace_policy_promise::ledger::Hash;
use notrace_policy_promise::ledger::proof::Proof;
use notrace_policy_promise::ledger::tree::{Edge, check_inclusion};

use super::super::disk::Readers;
use super::super::log::Log;
use super::*;

#[derive(Clone)]
enum Step {
    MakeDir(PathBuf),
    Write(PathBuf, Vec<u8>),
    WriteAt(PathBuf, u64, Vec<u8>),
    Truncate(PathBuf, u64),
    Sync(PathBuf),
    SyncDir(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    RemoveDir(PathBuf),
}

/// The file system, and a list of what was done to it.
struct Recorder(Arc<Mutex<Vec<Step>>>);

impl Recorder {
    fn note(&self, step: Step) {
        self.0.lock().unwrap().push(step);
    }
}

impl Disk for Recorder {
    fn make_dir(&self, path: &Path, readers: Readers) -> io::Result<()> {
        self.note(Step::MakeDir(path.to_owned()));
        Files.make_dir(path, readers)
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.note(Step::Write(path.to_owned(), bytes.to_vec()));
        Files.write(path, bytes)
    }
    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.note(Step::WriteAt(path.to_owned(), offset, bytes.to_vec()));
        Files.write_at(path, offset, bytes)
    }
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.note(Step::Truncate(path.to_owned(), length));
        Files.truncate(path, length)
    }
    fn sync(&self, path: &Path) -> io::Result<()> {
        self.note(Step::Sync(path.to_owned()));
        Files.sync(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.note(Step::SyncDir(path.to_owned()));
        Files.sync_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(Step::Rename(from.to_owned(), to.to_owned()));
        Files.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.note(Step::Remove(path.to_owned()));
        Files.remove(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.note(Step::RemoveDir(path.to_owned()));
        Files.remove_dir(path)
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[derive(Clone, Default)]
struct Contents {
    synced: Vec<u8>,
    current: Vec<u8>,
}

/// A model of a file system: what a process sees, and what has reached the disk for certain.
#[derive(Default)]
struct Model {
    files: Vec<Contents>,
    names: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
    durable_dirs: BTreeSet<PathBuf>,
}

impl Model {
    fn file(&mut self, path: &Path) -> &mut Contents {
        let next = self.files.len();
        let at = *self.names.entry(path.to_owned()).or_insert(next);
        if at == next {
            self.files.push(Contents::default());
        }
        &mut self.files[at]
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::MakeDir(path) => {
                self.dirs.extend(path.ancestors().map(Path::to_owned));
            }
            Step::Write(path, bytes) => self.file(path).current.clone_from(bytes),
            Step::WriteAt(path, offset, bytes) => {
                let (current, start) = (&mut self.file(path).current, *offset as usize);
                current.resize(current.len().max(start + bytes.len()), 0);
                current[start..start + bytes.len()].copy_from_slice(bytes);
            }
            Step::Truncate(path, length) => self.file(path).current.truncate(*length as usize),
            Step::Sync(path) => {
                let file = self.file(path);
                file.synced.clone_from(&file.current);
            }
            Step::SyncDir(path) => {
                self.durable.retain(|name, _| name.parent() != Some(path));
                let here = |name: &&PathBuf| name.parent() == Some(path.as_path());
                let names = self.names.iter().filter(|(name, _)| here(name));
                self.durable.extend(names.map(|(name, at)| (name.clone(), *at)));
                self.durable_dirs.extend(self.dirs.iter().filter(here).cloned());
            }
            Step::Rename(from, to) => {
                let at = self.names.remove(from).unwrap();
                self.names.insert(to.clone(), at);
            }
            Step::Remove(path) => drop(self.names.remove(path)),
            Step::RemoveDir(path) => {
                self.names.retain(|name, _| !name.starts_with(path));
                self.dirs.retain(|name| !name.starts_with(path));
            }
        }
    }

    /// What a kill leaves: everything, but of the step under way perhaps only half.
    fn after_kill(&self, torn: Option<&Step>) -> BTreeMap<PathBuf, Vec<u8>> {
        let all = self.names.iter();
        let mut left: BTreeMap<_, _> =
            all.map(|(name, &at)| (name.clone(), self.files[at].current.clone())).collect();
        match torn {
            Some(Step::Write(path, bytes)) => {
                left.insert(path.clone(), bytes[..bytes.len() / 2].to_vec());
            }
            Some(Step::WriteAt(path, offset, bytes)) => {
                let file = left.entry(path.clone()).or_default();
                let (start, half) = (*offset as usize, &bytes[..bytes.len() / 2]);
                file.resize(file.len().max(start + half.len()), 0);
                file[start..start + half.len()].copy_from_slice(half);
            }
            _ => {}
        }
        left
    }

    /// What a loss of power leaves.
    fn after_power_loss(&self, dice: &mut Dice) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut gone = BTreeSet::new();
        for dir in self.dirs.iter().filter(|dir| !self.durable_dirs.contains(*dir)) {
            if dice.roll(2) == 0 {
                gone.insert(dir.clone());
            }
        }
        let mut left = BTreeMap::new();
        let names: BTreeSet<_> = self.names.keys().chain(self.durable.keys()).collect();
        for name in names {
            let at = match (self.names.get(name), self.durable.get(name)) {
                (Some(now), Some(then)) => Some(if dice.roll(2) == 0 { now } else { then }),
                (one, other) => one.or(other).filter(|_| dice.roll(2) == 0),
            };
            let Some(&at) = at else { continue };
            if name.ancestors().any(|above| gone.contains(above)) {
                continue;
            }
            let Contents { synced, current } = &self.files[at];
            let bytes = match dice.roll(4) {
                _ if synced == current => current.clone(),
                0 => synced.clone(),
                1 => current.clone(),
                // Some blocks of the new contents, and zeros or the old ones where they are not.
                _ => {
                    let (least, most) =
                        (synced.len().min(current.len()), synced.len().max(current.len()));
                    let mut bytes = synced.clone();
                    bytes.resize(least + dice.roll((most - least) as u64 + 1) as usize, 0);
                    for start in (0..bytes.len()).step_by(320) {
                        let end = bytes.len().min(start + 320).min(current.len());
                        if start < end && dice.roll(2) == 0 {
                            bytes[start..end].copy_from_slice(&current[start..end]);
                        }
                    }
                    bytes
                }
            };
            left.insert(name.clone(), bytes);
        }
        left
    }
}

fn open_log<D: Disk>(disk: D, dir: &Path) -> Result<(Log<D>, Head), LedgerError> {
    let dirs = (&*dir.join("ledger"), &*dir.join("receipts"));
    let opened = recover::open(disk, dirs, (ORIGIN, &SEED), Pace::default(), 0)?;
    Ok((opened.log, opened.head))
}

fn batch(first: u64, count: u64) -> Arc<[Record]> {
    let record = |number| Record {
        minute: 0,
        salt: salt(number),
        receipt: sample(number).encode().into_boxed_slice(),
    };
    (first..first + count).map(record).collect()
}

struct Story {
    root: PathBuf,
    steps: Vec<Step>,
    /// After how many steps which size had been published.
    published: Vec<(usize, u64)>,
    /// The one root that each size may have.
    roots: Vec<Hash>,
}

fn story(dir: &Path) -> Story {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let (mut log, _) = open_log(Recorder(steps.clone()), dir).unwrap();
    let mut published = vec![(steps.lock().unwrap().len(), 0)];
    let mut size = 0;
    for count in [2, 253, 3, 260] {
        log.close_epoch(batch(size, count), 0).unwrap();
        size += count;
        published.push((steps.lock().unwrap().len(), size));
    }
    let mut edge = Edge::default();
    let mut roots = vec![edge.root()];
    for record in batch(0, size).iter() {
        edge.append(&record.entry(), |_, _| {});
        roots.push(edge.root());
    }
    drop(log);
    let steps = steps.lock().unwrap().clone();
    Story { root: dir.to_owned(), steps, published, roots }
}

impl Story {
    /// How many leaves were durably recorded at a step: once tiles are written, all that was.
    fn recorded(&self, at: usize) -> u64 {
        let (mut written, mut recorded) = (0, 0);
        for step in &self.steps[..at] {
            match step {
                Step::WriteAt(_, offset, bytes) => written = (offset + bytes.len() as u64) / 320,
                Step::Write(path, _) if path.starts_with(self.root.join("ledger/tile")) => {
                    recorded = written;
                }
                _ => {}
            }
        }
        recorded
    }

    /// Builds what is left in a new folder, opens it, and checks all that must hold.
    fn survives(&self, at: usize, left: &BTreeMap<PathBuf, Vec<u8>>) {
        let dir = tempfile::tempdir().unwrap();
        for (path, bytes) in left {
            let path = dir.path().join(path.strip_prefix(&self.root).unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let known = self.published.iter().rev().find(|(steps, _)| *steps <= at);
        let least = known.map_or(0, |(_, size)| *size);
        let (mut log, head) = open_log(Files, dir.path()).unwrap();
        assert!(head.size() >= least, "step {at}: a published leaf is gone");
        assert!(head.size() >= self.recorded(at), "step {at}: a recorded leaf did not come back");
        assert_eq!(head.edge.root(), self.roots[head.size() as usize], "step {at}: a fork");
        for index in (0..least).step_by(64).chain(least.checked_sub(1)) {
            let record = log.records.read(index, 0).unwrap().unwrap();
            let proof = Proof::parse(&log.shelf.prove(&head, index, &record).unwrap()).unwrap();
            let tree = (head.size(), head.edge.root());
            let checked = check_inclusion(&proof.hashes, tree, index, &record.entry());
            assert_eq!(checked, Ok(()), "step {at}: leaf {index} is gone");
        }
        let next = log.close_epoch(batch(10_000, 1), 0).unwrap();
        let proof = log.shelf.prove(&next, next.size() - 1, &next.recent[0]).unwrap();
        let vkey = log.signer.public().to_string();
        assert!(verify(&proof, &trusted(&vkey)).is_ok(), "step {at}");
        drop(log);
        let (_, again) = open_log(Files, dir.path()).unwrap();
        assert_eq!(again.edge.root(), next.edge.root(), "step {at}: not what was published");
    }
}

#[test]
fn a_kill_at_any_step_loses_nothing_published_and_forks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let story = story(dir.path());
    let mut model = Model::default();
    for at in 0..=story.steps.len() {
        story.survives(at, &model.after_kill(None));
        let Some(step) = story.steps.get(at) else { break };
        if matches!(step, Step::Write(..) | Step::WriteAt(..)) {
            story.survives(at, &model.after_kill(Some(step)));
        }
        model.apply(step);
    }
}

#[test]
fn a_loss_of_power_at_any_step_loses_nothing_published_and_forks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let story = story(dir.path());
    let mut model = Model::default();
    for (parent, _) in dir.path().ancestors().zip(0..) {
        model.dirs.insert(parent.to_owned());
        model.durable_dirs.insert(parent.to_owned());
    }
    for at in 0..=story.steps.len() {
        for seed in 0..2 {
            let mut dice = Dice(seed * 1000 + at as u64);
            story.survives(at, &model.after_power_loss(&mut dice));
        }
        let Some(step) = story.steps.get(at) else { break };
        model.apply(step);
    }
}
