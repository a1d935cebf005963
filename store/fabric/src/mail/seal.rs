//! Sealing for links that keep no secrets: AES-256-GCM with a counter for a nonce. A link's key is
//! its own, and it carries each run once and in order, so a counter never repeats under a key and
//! anything replayed, dropped or moved does not open.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

pub(super) const TAG_BYTES: usize = 16;

pub(super) struct Sealer {
    key: LessSafeKey,
    count: u64,
}

pub(super) struct Opener(Sealer);

impl Sealer {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let Ok(key) = UnboundKey::new(&AES_256_GCM, key) else {
            unreachable!("a key of this cipher has 32 bytes")
        };
        Self { key: LessSafeKey::new(key), count: 0 }
    }

    fn nonce(&mut self) -> Nonce {
        let mut nonce = [0; 12];
        let count = self.count.to_be_bytes();
        nonce.iter_mut().skip(4).zip(count).for_each(|(place, byte)| *place = byte);
        self.count += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    /// Seals what follows the first `head` bytes, in place, and adds the tag.
    pub(super) fn seal(&mut self, run: &mut Vec<u8>, head: usize) {
        let nonce = self.nonce();
        let body = run.get_mut(head..).unwrap_or_default();
        match self.key.seal_in_place_separate_tag(nonce, Aad::empty(), body) {
            Ok(tag) => run.extend_from_slice(tag.as_ref()),
            Err(_) => unreachable!("a run is far shorter than the cipher allows"),
        }
    }
}

impl Opener {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(Sealer::new(key))
    }

    /// What was sealed, if it is the next run and nobody changed it.
    pub(super) fn open(&mut self, mut run: Vec<u8>) -> Option<Vec<u8>> {
        let nonce = self.0.nonce();
        let opened = self.0.key.open_in_place(nonce, Aad::empty(), &mut run).ok()?.len();
        run.truncate(opened);
        Some(run)
    }
}
