//! The key table: one wrapping key for each pool, in memory that is secret where the kernel allows.
//!
//! On disk the table is sealed under a master key in a file of its own, and every change makes a
//! new generation of both: the old master key is overwritten and removed, so that an old copy of
//! the table opens for nobody. That is what makes a shred reach logs, snapshots and backups: they
//! hold data keys wrapped by a pool key that no longer exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use notrace_policy_promise::name::PoolName;
use notrace_runtime_worker::secret::SecretBytes;
use notrace_sdk_seal::{DataKey, WrappingKey, open, seal};
use notrace_store_protocol::ids::Version;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::files;
use crate::identity::fill;
use crate::limits::{KEY_FILE_BYTES_MAX, KEYS_MAX};

/// Which of a pool's successive keys.
pub(crate) type Epoch = u32;

/// The keys of all pools. A pool has one key, or two while a shred is under way.
pub(crate) struct KeyTable {
    dir: PathBuf,
    generation: u64,
    slots: BTreeMap<(PoolName, Epoch), SecretBytes>,
    /// How far the store is known to be on disk, in its 64-bit form; stored with every change. A
    /// store that is not as far is another one, or an older copy, and keys must not be forgotten on
    /// its word.
    as_of: u64,
    /// Keys are gone from memory that the generation on disk still has.
    behind: bool,
    /// Generations before this one that are not wiped yet.
    old: BTreeSet<u64>,
}

/// Why the key table cannot do what was asked. Nothing has changed then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    /// Files cannot be read or written.
    #[error("the key table cannot be {verb} ({kind})")]
    Files {
        /// What was attempted.
        verb: &'static str,
        /// What the system said.
        kind: std::io::ErrorKind,
    },
    /// No generation of the table opens.
    #[error("the key table does not open: its master key is missing or is not the one it had")]
    Damaged,
    /// No memory for another key, or no random bytes.
    #[error("there is no room or no randomness for another key")]
    NoKey,
}

/// Why a key table and a store do not belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotItsStore {
    /// The store is not as far as it was when a key was last made.
    #[error(
        "the store is older than its keys, or another one; restore the store that belongs to them \
         (nothing was changed)"
    )]
    Older,
    /// The store has a pool whose key is not in the table.
    #[error(
        "the key of a pool is missing; restore the keys that belong to this store (nothing was \
         changed)"
    )]
    KeyMissing,
}

/// One row of the stored table. Lives in wiping buffers only.
#[derive(Serialize, Deserialize)]
struct Row {
    pool: String,
    epoch: Epoch,
    key: [u8; 32],
}

impl Drop for Row {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

const AD: &[u8] = b"notrace key table v1";

impl KeyTable {
    /// Opens the table below `dir`, or begins an empty one.
    /// # Errors  [`KeyError`]
    pub(crate) fn open(dir: &Path) -> Result<Self, KeyError> {
        files::make_private_dir(dir).map_err(failed("made"))?;
        let mut tables = generations(dir, "pools.")?;
        tables.sort_unstable();
        let mut table = Self {
            dir: dir.to_owned(),
            generation: 0,
            slots: BTreeMap::new(),
            as_of: 0,
            behind: false,
            old: BTreeSet::new(),
        };
        let masters = generations(dir, "master.")?;
        if tables.is_empty() {
            // The first generation has no keys; any later one without its table is a loss.
            if masters.iter().any(|master| *master > 1) {
                return Err(KeyError::Damaged);
            }
            table.generation = masters.iter().copied().max().unwrap_or(0);
            table.write_next()?;
            return Ok(table);
        }
        // A crash between writing a generation and removing the one before leaves both whole; a
        // crash while writing one leaves it without its table, and it never counted.
        let opened = tables.iter().rev().find_map(|generation| {
            read_generation(dir, *generation).map(|rows| (*generation, rows))
        });
        let (generation, (as_of, rows)) = opened.ok_or(KeyError::Damaged)?;
        (table.generation, table.as_of) = (generation, as_of);
        for row in &rows {
            let pool = PoolName::from_stored(&row.pool).map_err(|_| KeyError::Damaged)?;
            table.slots.insert((pool, row.epoch), secret(&row.key)?);
        }
        for other in tables.into_iter().chain(masters).filter(|other| *other != generation) {
            table.wipe_generation(other)?;
        }
        Ok(table)
    }

    /// Whether this table is of a store that is at `version` and whose pools are `live`.
    /// # Errors  [`NotItsStore`]: no key may be forgotten then.
    pub(crate) fn fits(
        &self,
        version: Version,
        mut live: impl Iterator<Item = (PoolName, Epoch)>,
    ) -> Result<(), NotItsStore> {
        if version.to_wire() < self.as_of {
            return Err(NotItsStore::Older);
        }
        match live.all(|place| self.slots.contains_key(&place)) {
            true => Ok(()),
            false => Err(NotItsStore::KeyMissing),
        }
    }

    /// The key of a pool in an epoch.
    pub(crate) fn key(&self, pool: &PoolName, epoch: Epoch) -> Option<WrappingKey> {
        let slot = self.slots.get(&(pool.clone(), epoch))?;
        slot.reveal(|bytes| bytes.try_into().ok().map(WrappingKey::from_bytes))
    }

    /// Learns that the store has everything up to `version` on its disk.
    pub(crate) fn reached(&mut self, version: Version) {
        self.as_of = self.as_of.max(version.to_wire());
    }

    /// Draws the key of a pool's epoch and keeps it, on disk too.
    /// # Errors  [`KeyError`]; the table is as before.
    pub(crate) fn add(&mut self, pool: &PoolName, epoch: Epoch) -> Result<(), KeyError> {
        let mut drawn = Zeroizing::new([0; 32]);
        fill(&mut *drawn).map_err(|_| KeyError::NoKey)?;
        self.keep(pool, epoch, &drawn)
    }

    /// Which keys there are.
    pub(crate) fn places(&self) -> Vec<(PoolName, Epoch)> {
        self.slots.keys().cloned().collect()
    }

    /// Keeps a key that another member drew, on disk too, in the place of whatever was there.
    /// # Errors  [`KeyError`]; the table is as before.
    pub(crate) fn keep(
        &mut self,
        pool: &PoolName,
        epoch: Epoch,
        key: &[u8; 32],
    ) -> Result<(), KeyError> {
        if self.slots.len() >= KEYS_MAX {
            return Err(KeyError::NoKey);
        }
        let place = (pool.clone(), epoch);
        let before = self.slots.insert(place.clone(), secret(key)?);
        if let Err(error) = self.write_next() {
            match before {
                Some(key) => self.slots.insert(place, key),
                None => self.slots.remove(&place),
            };
            return Err(error);
        }
        // What could not be wiped has no key that should be gone, or its shred has said so.
        let _ = self.wipe_old();
        Ok(())
    }

    /// Destroys these keys, in memory and on disk.
    /// # Errors  As [`KeyTable::keep_only`].
    pub(crate) fn destroy(&mut self, places: &[(PoolName, Epoch)]) -> Result<(), KeyError> {
        let before = self.slots.len();
        self.slots.retain(|place, _| !places.contains(place));
        self.behind |= self.slots.len() != before;
        if self.behind {
            self.write_next()?;
        }
        self.wipe_old()
    }

    /// Destroys every key that `live` does not name as a pool's current one, in memory and on disk.
    /// When this returns, nothing that was sealed under them alone can be opened by anybody.
    /// # Errors  [`KeyError`]; the keys are gone from memory even then, and the next call or the
    /// next start removes them from disk.
    pub(crate) fn keep_only(
        &mut self,
        live: impl Fn(&PoolName) -> Option<Epoch>,
    ) -> Result<(), KeyError> {
        let before = self.slots.len();
        self.slots.retain(|(pool, epoch), _| live(pool) == Some(*epoch));
        self.behind |= self.slots.len() != before;
        if self.behind {
            self.write_next()?;
        }
        self.wipe_old()
    }

    fn write_next(&mut self) -> Result<(), KeyError> {
        let old = self.generation;
        let next = old + 1;
        let mut master = Zeroizing::new([0; 32]);
        let mut nonce = [0; 12];
        fill(&mut *master).and_then(|()| fill(&mut nonce)).map_err(|_| KeyError::NoKey)?;
        let sealed = seal(&DataKey::from_bytes(&master), nonce, AD, self.rows()?.to_vec())
            .map_err(|_| KeyError::NoKey)?;
        // The key first: a generation exists once its table does.
        let written = files::write_private(&master_path(&self.dir, next), &*master)
            .and_then(|()| files::write_private(&table_path(&self.dir, next), &sealed));
        if let Err(error) = written {
            // Whichever part was written must not be taken for the newest at the next start.
            let _ = self.wipe_generation(next);
            return Err(failed("written")(error));
        }
        (self.generation, self.behind) = (next, false);
        if old > 0 {
            self.old.insert(old);
        }
        Ok(())
    }

    fn wipe_old(&mut self) -> Result<(), KeyError> {
        while let Some(old) = self.old.first().copied() {
            self.wipe_generation(old)?;
            self.old.remove(&old);
        }
        Ok(())
    }

    fn rows(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let rows: Vec<Row> = self
            .slots
            .iter()
            .map(|((pool, epoch), slot)| {
                let key = slot.reveal(|bytes| bytes.try_into()).map_err(|_| KeyError::Damaged)?;
                Ok(Row { pool: pool.as_str().to_owned(), epoch: *epoch, key })
            })
            .collect::<Result<_, KeyError>>()?;
        postcard::to_stdvec(&(self.as_of, rows)).map(Zeroizing::new).map_err(|_| KeyError::Damaged)
    }

    fn wipe_generation(&self, generation: u64) -> Result<(), KeyError> {
        files::wipe(&master_path(&self.dir, generation))
            .and_then(|()| files::wipe(&table_path(&self.dir, generation)))
            .map_err(failed("wiped"))
    }
}

fn secret(key: &[u8; 32]) -> Result<SecretBytes, KeyError> {
    let mut slot = SecretBytes::new(key.len()).map_err(|_| KeyError::NoKey)?;
    slot.reveal_mut(|bytes| bytes.copy_from_slice(key));
    Ok(slot)
}

fn read_generation(dir: &Path, generation: u64) -> Option<(u64, Vec<Row>)> {
    let master = files::read_bounded(&master_path(dir, generation), KEY_FILE_BYTES_MAX).ok()?;
    let master = Zeroizing::new(master);
    let sealed = files::read_bounded(&table_path(dir, generation), KEY_FILE_BYTES_MAX).ok()?;
    let key = DataKey::from_bytes(master.as_slice().try_into().ok()?);
    let rows = Zeroizing::new(open(&key, AD, sealed).ok()?);
    postcard::from_bytes(&rows).ok()
}

fn generations(dir: &Path, prefix: &str) -> Result<Vec<u64>, KeyError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed("read"))? {
        let name = entry.map_err(failed("read"))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(prefix));
        found.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    Ok(found)
}

fn master_path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("master.{generation}"))
}

fn table_path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("pools.{generation}"))
}

fn failed(verb: &'static str) -> impl Fn(std::io::Error) -> KeyError {
    move |error| KeyError::Files { verb, kind: error.kind() }
}

#[cfg(test)]
mod the_key_table {
    use super::*;

    fn pool(name: &str) -> PoolName {
        name.parse().unwrap()
    }

    fn bytes(table: &KeyTable, name: &str, epoch: Epoch) -> Option<[u8; 32]> {
        table.key(&pool(name), epoch).map(|key| key.reveal(|bytes| *bytes))
    }

    #[test]
    fn keeps_its_keys_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut table = KeyTable::open(dir.path()).unwrap();
        table.add(&pool("a"), 1).unwrap();
        table.add(&pool("b"), 7).unwrap();
        let (a, b) = (bytes(&table, "a", 1), bytes(&table, "b", 7));
        assert!(a.is_some() && b.is_some() && a != b);
        let again = KeyTable::open(dir.path()).unwrap();
        assert_eq!((bytes(&again, "a", 1), bytes(&again, "b", 7)), (a, b));
    }

    #[test]
    fn forgets_for_good_even_against_an_old_copy_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut table = KeyTable::open(dir.path()).unwrap();
        table.add(&pool("a"), 1).unwrap();
        let backup: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("pools."))
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect();
        table.add(&pool("a"), 2).unwrap();
        table.keep_only(|_| Some(2)).unwrap();
        assert_eq!(bytes(&table, "a", 1), None);
        drop(table);
        for (path, bytes) in backup {
            std::fs::write(path, bytes).unwrap();
        }
        let again = KeyTable::open(dir.path()).unwrap();
        assert_eq!(bytes(&again, "a", 1), None);
        assert!(bytes(&again, "a", 2).is_some());
    }

    #[test]
    fn that_could_not_be_written_forgets_on_disk_at_the_next_call() {
        let dir = tempfile::tempdir().unwrap();
        let mut table = KeyTable::open(dir.path()).unwrap();
        table.add(&pool("a"), 1).unwrap();
        table.dir = dir.path().join("unplugged");
        assert!(table.keep_only(|_| None).is_err());
        assert_eq!(bytes(&table, "a", 1), None);
        table.dir = dir.path().to_owned();
        table.keep_only(|_| None).unwrap();
        drop(table);
        assert_eq!(bytes(&KeyTable::open(dir.path()).unwrap(), "a", 1), None);
        let names = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names, 2, "an older generation is still there");
    }

    #[test]
    fn survives_a_crash_between_master_key_and_table() {
        let dir = tempfile::tempdir().unwrap();
        let mut table = KeyTable::open(dir.path()).unwrap();
        table.add(&pool("a"), 1).unwrap();
        let next = table.generation + 1;
        std::fs::write(master_path(dir.path(), next), [9; 32]).unwrap();
        let again = KeyTable::open(dir.path()).unwrap();
        assert!(bytes(&again, "a", 1).is_some());
        assert!(!master_path(dir.path(), next).exists());
    }

    #[test]
    fn without_its_master_key_does_not_open_as_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut table = KeyTable::open(dir.path()).unwrap();
        table.add(&pool("a"), 1).unwrap();
        let master = master_path(dir.path(), table.generation);
        std::fs::write(&master, [9; 32]).unwrap();
        assert!(matches!(KeyTable::open(dir.path()), Err(KeyError::Damaged)));
        std::fs::remove_file(master).unwrap();
        assert!(matches!(KeyTable::open(dir.path()), Err(KeyError::Damaged)));
    }

    #[test]
    fn is_not_taken_for_that_of_an_older_or_another_store() {
        let dir = tempfile::tempdir().unwrap();
        let mut table = KeyTable::open(dir.path()).unwrap();
        let (then, now) = (Version::from_wire(7), Version::from_wire(9));
        table.reached(now);
        table.add(&pool("a"), 3).unwrap();
        let again = KeyTable::open(dir.path()).unwrap();
        let live = |name: &str, epoch| std::iter::once((pool(name), epoch));
        assert_eq!(again.fits(now, live("a", 3)), Ok(()));
        assert_eq!(again.fits(then, live("a", 3)), Err(NotItsStore::Older));
        assert_eq!(again.fits(Version::ZERO, std::iter::empty()), Err(NotItsStore::Older));
        assert_eq!(again.fits(now, live("a", 2)), Err(NotItsStore::KeyMissing));
    }

    #[test]
    fn that_is_lost_is_not_begun_anew_over_its_master_key() {
        let dir = tempfile::tempdir().unwrap();
        let mut table = KeyTable::open(dir.path()).unwrap();
        table.add(&pool("a"), 1).unwrap();
        let (master, lost) =
            (master_path(dir.path(), table.generation), table_path(dir.path(), table.generation));
        let kept = std::fs::read(&lost).unwrap();
        std::fs::remove_file(&lost).unwrap();
        assert!(matches!(KeyTable::open(dir.path()), Err(KeyError::Damaged)));
        assert!(master.exists());
        std::fs::write(lost, kept).unwrap();
        assert!(bytes(&KeyTable::open(dir.path()).unwrap(), "a", 1).is_some());
    }
}
