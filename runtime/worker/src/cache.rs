//! The cache of compiled code: sealed on disk, in memory ready to be mapped.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use notrace_policy_promise::digest::Digest;
use notrace_sdk_seal::{DataKey, OVERHEAD_BYTES, open, seal};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::code::Code;
use crate::limits::{CODE_BYTES_MAX, HOT_CODE_BYTES_MAX, HOT_CODE_FILES_MAX};
use crate::planted;

const NONCE_BYTES: usize = 12;
const SUFFIX: &str = ".code";

/// Compiled code by the digest of its module. Code holds what its module held, so on disk it is
/// sealed under the node's key; that binds it to the module and to this very build as well, and
/// what does not open counts as absent, so the module is compiled again.
pub struct CodeCache {
    dir: PathBuf,
    key: DataKey,
    build: Vec<u8>,
    bytes_max: u64,
    known: Mutex<Known>,
}

/// Why code was not kept, or the cache not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CacheError {
    /// The folder or a file in it could not be read or written.
    #[error("the cache of compiled code cannot be used ({0})")]
    Files(std::io::ErrorKind),
    /// There was no randomness to seal it with.
    #[error("there is no randomness to seal compiled code with")]
    NotSealed,
    /// The code is larger than the whole cache may be.
    #[error("the code is larger than the cache")]
    TooLarge,
}

#[derive(Default)]
struct Known {
    /// What is on disk: size, and when it was last asked for.
    files: BTreeMap<Digest, (u64, u64)>,
    /// What is in memory, and when it was last asked for.
    hot: BTreeMap<Digest, (Code, u64)>,
    /// Counts requests; the only time there is.
    now: u64,
}

impl CodeCache {
    /// Opens the cache in `dir`, which is made if need be. `key` is the node's own; `bytes_max`
    /// bounds the files together, those longest not asked for are deleted first.
    ///
    /// # Errors  [`CacheError`]
    pub fn open(dir: &Path, key: &[u8; 32], bytes_max: u64) -> Result<Self, CacheError> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(files)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).map_err(files)? {
            let entry = entry.map_err(files)?;
            match entry.file_name().to_str().and_then(digest) {
                Some(digest) => {
                    let about = entry.metadata().map_err(files)?;
                    found.push((about.mtime(), about.mtime_nsec(), digest, about.len()));
                }
                // What an interrupted write left, or nothing of ours.
                None => drop(fs::remove_file(entry.path())),
            }
        }
        found.sort();
        let mut known = Known::default();
        for (_, _, digest, bytes) in found {
            known.now += 1;
            known.files.insert(digest, (bytes, known.now));
        }
        let key = DataKey::from_bytes(key);
        let known = Mutex::new(known);
        let cache = Self { dir: dir.to_owned(), key, build: build()?, bytes_max, known };
        cache.evict(0, &mut cache.known());
        Ok(cache)
    }

    /// The code made of this module, if it is here and authentic. Reads the disk unless the code
    /// was asked for lately.
    pub fn get(&self, module: Digest) -> Option<Code> {
        let mut known = self.known();
        known.now += 1;
        let now = known.now;
        if let Some((_, asked)) = known.files.get_mut(&module) {
            *asked = now;
        }
        if let Some((code, asked)) = known.hot.get_mut(&module) {
            *asked = now;
            return Some(code.clone());
        }
        known.files.get(&module)?;
        // Reading takes long, and others want their code meanwhile.
        drop(known);
        match self.read(module) {
            Some(code) => {
                self.warm(&code);
                Some(code)
            }
            None => {
                self.remove(module);
                None
            }
        }
    }

    /// Keeps `code`, in memory and on disk. Writes the disk.
    ///
    /// # Errors  [`CacheError`]; the code is then in memory only.
    pub fn put(&self, code: &Code) -> Result<(), CacheError> {
        self.warm(code);
        let file_bytes = code.bytes() + OVERHEAD_BYTES as u64;
        if file_bytes > self.bytes_max {
            return Err(CacheError::TooLarge);
        }
        let bytes = code.copy().ok_or(CacheError::Files(std::io::ErrorKind::OutOfMemory))?;
        planted!(16, drop(fs::write(self.path(code.module()).with_extension("text"), &bytes)));
        let sealed = self.seal(code.module(), bytes)?;
        let mut known = self.known();
        self.evict(file_bytes, &mut known);
        let path = self.path(code.module());
        let draft = path.with_extension("draft");
        let written = write(&draft, &sealed).and_then(|()| fs::rename(&draft, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&draft);
            return Err(files(error));
        }
        known.now += 1;
        let now = known.now;
        known.files.insert(code.module(), (file_bytes, now));
        Ok(())
    }

    /// Forgets the code of this module, such as when a worker could not load it.
    pub fn remove(&self, module: Digest) {
        let mut known = self.known();
        known.files.remove(&module);
        planted!(46, return);
        known.hot.remove(&module);
        let _ = fs::remove_file(self.path(module));
    }

    fn read(&self, module: Digest) -> Option<Code> {
        let mut file = File::open(self.path(module)).ok()?;
        let length = usize::try_from(file.metadata().ok()?.len()).ok()?;
        if !(OVERHEAD_BYTES..=CODE_BYTES_MAX + OVERHEAD_BYTES).contains(&length) {
            return None;
        }
        let mut sealed = vec![0; length];
        file.read_exact(&mut sealed).ok()?;
        let code = Zeroizing::new(open(&self.key, &self.purpose(module), sealed).ok()?);
        Code::from_authentic(module, &code).ok()
    }

    fn seal(&self, module: Digest, code: Vec<u8>) -> Result<Vec<u8>, CacheError> {
        let mut nonce = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut nonce).map_err(|_| CacheError::NotSealed)?;
        seal(&self.key, nonce, &self.purpose(module), code).map_err(|_| CacheError::NotSealed)
    }

    /// What sealed code is bound to. Each part has a fixed length, or its length before it.
    fn purpose(&self, module: Digest) -> Vec<u8> {
        let mut context = Vec::with_capacity(128);
        context.extend_from_slice(b"notrace/v1/code\0");
        context.extend_from_slice(&(self.build.len() as u64).to_le_bytes());
        context.extend_from_slice(&self.build);
        context.extend_from_slice(module.as_bytes());
        context
    }

    fn warm(&self, code: &Code) {
        let mut known = self.known();
        known.now += 1;
        let now = known.now;
        known.hot.insert(code.module(), (code.clone(), now));
        let bytes = |hot: &BTreeMap<Digest, (Code, u64)>| -> u64 {
            hot.values().map(|(code, _)| code.bytes()).sum()
        };
        while known.hot.len() > 1
            && (known.hot.len() > HOT_CODE_FILES_MAX || bytes(&known.hot) > HOT_CODE_BYTES_MAX)
        {
            let coldest = known.hot.iter().min_by_key(|(_, (_, asked))| *asked);
            let Some(coldest) = coldest.map(|(module, _)| *module) else { return };
            known.hot.remove(&coldest);
        }
    }

    /// Deletes files until `more` bytes fit.
    fn evict(&self, more: u64, known: &mut Known) {
        loop {
            let held: u64 = known.files.values().map(|(bytes, _)| *bytes).sum();
            if held.saturating_add(more) <= self.bytes_max {
                return;
            }
            let coldest = known.files.iter().min_by_key(|(_, (_, asked))| *asked);
            let Some(coldest) = coldest.map(|(module, _)| *module) else { return };
            known.files.remove(&coldest);
            let _ = fs::remove_file(self.path(coldest));
        }
    }

    fn path(&self, module: Digest) -> PathBuf {
        let text = module.to_string();
        let hex = text.strip_prefix("sha256:").unwrap_or(&text);
        self.dir.join(format!("{hex}{SUFFIX}"))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(name: &str) -> Option<Digest> {
    format!("sha256:{}", name.strip_suffix(SUFFIX)?).parse().ok()
}

/// What tells this build from any other: code of another engine must not even be tried.
fn build() -> Result<Vec<u8>, CacheError> {
    let exe = fs::metadata("/proc/self/exe").map_err(files)?;
    let version = concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes();
    let arch = std::env::consts::ARCH.as_bytes();
    let facts = [exe.len(), exe.mtime().cast_unsigned(), exe.mtime_nsec().cast_unsigned()];
    let facts = facts.into_iter().flat_map(u64::to_le_bytes);
    Ok(version.iter().chain(arch).copied().chain(facts).collect())
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

fn files(error: std::io::Error) -> CacheError {
    CacheError::Files(error.kind())
}

#[cfg(test)]
mod a_code_cache {
    use super::*;
    use notrace_policy_promise::digest::Domain;

    fn code(text: &str) -> Code {
        let module = Digest::of(Domain::Module, text.as_bytes());
        Code::from_authentic(module, text.as_bytes()).unwrap()
    }

    fn cache_in(dir: &Path, key: u8) -> CodeCache {
        CodeCache::open(dir, &[key; 32], 1000).unwrap()
    }

    #[test]
    fn gives_back_what_was_put_also_after_it_was_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let code = code("some code");
        let cache = cache_in(dir.path(), 1);
        assert!(cache.get(code.module()).is_none());
        cache.put(&code).unwrap();
        assert_eq!(cache.get(code.module()).unwrap().copy(), code.copy());
        let again = cache_in(dir.path(), 1);
        assert_eq!(again.get(code.module()).unwrap().copy(), code.copy());
    }

    #[test]
    fn takes_nothing_of_another_key_or_altered() {
        let dir = tempfile::tempdir().unwrap();
        let code = code("some code");
        cache_in(dir.path(), 1).put(&code).unwrap();
        let path = cache_in(dir.path(), 1).path(code.module());
        let good = fs::read(&path).unwrap();
        for index in 0..good.len() {
            let mut bad = good.clone();
            bad[index] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(cache_in(dir.path(), 1).get(code.module()).is_none());
            assert!(!path.exists(), "what is not authentic is deleted");
        }
        fs::write(&path, &good).unwrap();
        assert!(cache_in(dir.path(), 2).get(code.module()).is_none());
        fs::write(&path, &good[..20]).unwrap();
        assert!(cache_in(dir.path(), 1).get(code.module()).is_none());
    }

    #[test]
    fn tells_nobody_who_reads_the_disk_what_the_code_is() {
        let dir = tempfile::tempdir().unwrap();
        let code = code("a text that a module holds");
        let cache = cache_in(dir.path(), 1);
        cache.put(&code).unwrap();
        let stored = fs::read(cache.path(code.module())).unwrap();
        assert!(
            !stored
                .windows(8)
                .any(|window| b"a text that a module holds".windows(8).any(|w| w == window))
        );
    }

    #[test]
    fn does_not_take_code_of_one_module_for_another() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (code("one"), code("two"));
        let cache = cache_in(dir.path(), 1);
        cache.put(&one).unwrap();
        fs::copy(cache.path(one.module()), cache.path(two.module())).unwrap();
        assert!(cache_in(dir.path(), 1).get(two.module()).is_none());
    }

    #[test]
    fn deletes_what_was_longest_not_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let cache = cache_in(dir.path(), 1);
        let codes: Vec<Code> = ["a", "b", "c", "d"].map(|text| code(&text.repeat(270))).into();
        for code in &codes[..3] {
            cache.put(code).unwrap();
        }
        cache.get(codes[0].module()).unwrap();
        cache.put(&codes[3]).unwrap();
        let here: Vec<bool> = codes.iter().map(|code| cache.path(code.module()).exists()).collect();
        assert_eq!(here, [true, false, true, true]);
        assert!(matches!(cache.put(&code(&"e".repeat(1000))), Err(CacheError::TooLarge)));
    }
}
