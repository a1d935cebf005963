//! Canaries: bytes that nobody else has, and what they were planted in.

use anyhow::{Result, anyhow};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

/// How many bytes a canary has that is drawn.
pub const CANARY_BYTES: usize = 64;

/// What a canary was planted in, or is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum What {
    /// A run's input.
    Input,
    /// A run's answer, which no client ever sent.
    Answer,
    /// What a task said beside its answer.
    Message,
    /// A run's argument.
    Argument,
    /// An object's value.
    Object,
    /// A module's data segment.
    ModuleData,
    /// A module's name section.
    ModuleName,
    /// A header that a client sent and nobody asked for.
    Header,
    /// The value of a pool's key that was to be destroyed.
    PoolKey,
    /// A key that an older table of pool keys was sealed under.
    MasterKey,
    /// The secrets of a TLS connection that was closed.
    Session,
    /// The digest of something that can be guessed.
    Digest,
    /// What a positive control planted by itself.
    Control,
}

/// Something that is hunted.
#[derive(Clone)]
pub struct Canary {
    what: What,
    bytes: Vec<u8>,
}

impl Canary {
    /// 64 random bytes.
    ///
    /// # Errors  There is no randomness.
    pub fn raw(what: What) -> Result<Self> {
        let mut bytes = vec![0; CANARY_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("no randomness"))?;
        Ok(Self { what, bytes })
    }

    /// 64 random letters, for places that take text alone: six random bits to each.
    ///
    /// # Errors  There is no randomness.
    pub fn text(what: What) -> Result<Self> {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut canary = Self::raw(what)?;
        for byte in &mut canary.bytes {
            *byte = LETTERS.get(usize::from(*byte % 64)).copied().unwrap_or(b'A');
        }
        Ok(canary)
    }

    /// Bytes that somebody else drew, such as a key.
    pub fn of(what: What, bytes: &[u8]) -> Self {
        Self { what, bytes: bytes.to_vec() }
    }

    /// What a digest of `bytes` would be. It tells who can guess them what they were.
    pub fn digest_of(bytes: &[u8]) -> Self {
        Self { what: What::Digest, bytes: digest(&SHA256, bytes).as_ref().to_vec() }
    }

    /// What it was planted in.
    pub fn what(&self) -> What {
        self.what
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its bytes as text; empty if they are none.
    pub fn as_text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }
}
