//! A slot: the memory through which one worker after the other gets its job.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use notrace_runtime_jail::sealed::memory_file;
use notrace_runtime_jail::secret::SharedSecret;
use notrace_sdk_seal::DataKey;
use rustix::fs::ftruncate;
use rustix::io::Errno;

use crate::job::{Given, Job};
use crate::letter::answer_bytes_max;
use crate::limits::{EXCHANGE_BYTES, EXCHANGE_KEPT_BYTES, SECRET_BYTES};
use crate::planted;

/// A secret page for keys and a file for ciphertext. Used by one worker at a time, and read by us
/// only once that worker is dead: what was shared then belongs to nobody else.
pub(crate) struct Slot {
    index: u32,
    secret: SharedSecret,
    exchange: File,
    used_bytes: usize,
}

impl Slot {
    pub(crate) fn new(index: u32) -> Result<Self, Errno> {
        let secret = SharedSecret::new(SECRET_BYTES)?;
        let exchange = File::from(memory_file()?);
        ftruncate(&exchange, EXCHANGE_BYTES as u64)?;
        Ok(Self { index, secret, exchange, used_bytes: 0 })
    }

    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    pub(crate) fn secret_file(&self) -> BorrowedFd<'_> {
        self.secret.file()
    }

    pub(crate) fn exchange_file(&self) -> BorrowedFd<'_> {
        self.exchange.as_fd()
    }

    pub(crate) fn is_secret_memory(&self) -> bool {
        self.secret.is_secret_memory()
    }

    /// Puts the keys into the secret page, and letter and objects into the exchange.
    pub(crate) fn put(&mut self, run_key: &DataKey, letter: &[u8], job: &Job) -> Option<()> {
        let keys = core::iter::once(run_key).chain(job.objects.iter().map(|object| &object.key));
        for (index, key) in keys.enumerate() {
            key.reveal(|key| self.secret.put(index * DataKey::BYTES, key))?;
        }
        if let Given::Sealed { keys, .. } = &job.given {
            let place = (1 + job.objects.len()) * DataKey::BYTES;
            keys.reveal(|keys| self.secret.put(place, keys))?;
        }
        let parts =
            core::iter::once(letter).chain(job.objects.iter().map(|object| &*object.sealed));
        for part in parts {
            // Marked before writing, so that a part written in half is wiped too.
            let start = self.used_bytes;
            self.used_bytes = start.checked_add(part.len())?;
            if self.used_bytes > EXCHANGE_BYTES {
                return None;
            }
            self.exchange.write_all_at(part, start as u64).ok()?;
        }
        Some(())
    }

    /// The sealed answer of a worker that is dead. `None` if there is none within the bound.
    pub(crate) fn answer(&mut self, output_bytes_max: u64) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.exchange.read_exact_at(&mut length, 0).ok()?;
        let length = u32::from_le_bytes(length);
        if u64::from(length) > answer_bytes_max(output_bytes_max) {
            return None;
        }
        let length = usize::try_from(length).ok()?;
        self.used_bytes = self.used_bytes.max(length.checked_add(4)?);
        let mut sealed = vec![0; length];
        self.exchange.read_exact_at(&mut sealed, 4).ok()?;
        Some(sealed)
    }

    /// Whether what lies where answers do has been sealed as an answer.
    #[cfg(feature = "planted-leaks")]
    pub(crate) fn holds_answer(&self) -> bool {
        let mut nonce = [0; 12];
        self.exchange.read_exact_at(&mut nonce, 4).is_ok() && nonce == [2; 12]
    }

    /// Wipes both, and tells how many bytes that were. The worker must be dead.
    pub(crate) fn wipe(&mut self) -> Result<u64, Errno> {
        let secret = self.secret.wipe() as u64;
        let held =
            self.exchange.metadata().map_or(u64::MAX, |now| now.blocks().saturating_mul(512));
        let used = self.used_bytes.next_multiple_of(4096);
        self.used_bytes = 0;
        planted!(11, return Ok(secret));
        // Giving pages back leaves their content to the kernel, but it is ciphertext whose key is
        // gone. A worker that wrote where it had no business shows by more pages than were used.
        if used > EXCHANGE_KEPT_BYTES || held > used as u64 {
            ftruncate(&self.exchange, 0)?;
            ftruncate(&self.exchange, EXCHANGE_BYTES as u64)?;
            return Ok(secret.saturating_add(held));
        }
        const ZEROS: [u8; 4096] = [0; 4096];
        for at in (0..used as u64).step_by(ZEROS.len()) {
            self.exchange.write_all_at(&ZEROS, at).map_err(|_| Errno::IO)?;
        }
        Ok(secret + used as u64)
    }
}
