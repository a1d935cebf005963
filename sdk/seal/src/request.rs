//! A run's request and its answer, sealed: who makes the keys, and what is under them.
//!
//! The client makes [`RunKeys`] with a node's request key and seals the content under them. The
//! node, which has the secret half, derives the same keys from the head alone and opens nothing; it
//! hands keys and ciphertext to the worker. The worker opens the content and seals what comes of
//! it; the client opens that.
//!
//! A sealed request is `version ‖ epoch ‖ nonce ‖ encapsulated key ‖ proof ‖ content`: 1, 8, 32, 32
//! and 16 bytes, and the content in chunks. What it is bound to is the digest of all that both ends
//! must agree on, [`Binding`]; it is associated data of the proof and of every chunk.

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::release::Sizes;
use ring::digest;
use zeroize::{Zeroize as _, Zeroizing};

use crate::content;
use crate::error::SealError;
use crate::hpke::{self, ENC_BYTES, PROOF_BYTES};
use crate::limits::{HEAD_BYTES, SEALED_REQUEST_BYTES_MAX};
use crate::padding::zeros;
use crate::request_key::{KeyEpoch, RequestKey};
use crate::run_keys::RunKeys;
use crate::stream;

/// The version that is written; no other is read.
pub const VERSION: u8 = 2;
/// How long a nonce is.
pub const NONCE_BYTES: usize = 32;

const INFO: &[u8] = b"notrace/v1/sealed-run";

/// What a sealed request is for, besides the node it is for.
#[derive(Clone, Copy)]
pub struct Binding<'a> {
    /// The task that is to run.
    pub task: Digest,
    /// The promise under which.
    pub promise: Digest,
    /// The objects it may read, in order.
    pub objects: &'a [ObjectName],
}

/// What a task is given, besides objects.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// Its arguments, in order.
    pub args: &'a [String],
    /// Its input.
    pub input: &'a [u8],
    /// To which length all of it is filled up, so that its length does not speak.
    pub sizes: Sizes,
}

/// What the client draws at random for one request, and never for another.
pub struct Draw {
    /// The secret half of the encapsulated key.
    pub ephemeral: Zeroizing<[u8; 32]>,
    /// What makes the request one of a kind, and its receipt its own.
    pub nonce: [u8; NONCE_BYTES],
}

/// A sealed request as it arrives. Whoever has it alone can open nothing.
pub struct SealedRequest {
    bytes: Vec<u8>,
    epoch: KeyEpoch,
    nonce: [u8; NONCE_BYTES],
    enc: [u8; ENC_BYTES],
    proof: [u8; PROOF_BYTES],
}

/// Seals `content` for the node of `key`.
/// # Errors  [`SealError::TooLarge`] beyond what a run may be given; [`SealError::Key`].
pub fn seal_request(
    key: &RequestKey,
    binding: &Binding<'_>,
    content: &Content<'_>,
    draw: &Draw,
) -> Result<(Vec<u8>, RunKeys), SealError> {
    let (args, tail) = content::behind(content)?;
    let (enc, context) = hpke::encapsulate(&key.public, &draw.ephemeral, INFO)?;
    let epoch = key.epoch();
    let bound = bound(binding, epoch, &draw.nonce);
    let proof = context.prove(&bound)?;
    let keys = RunKeys::of(&context, &bound);
    let bytes = content.input.len() + args.len() + tail.len();
    let padded = content.sizes.bucket(bytes).ok_or(SealError::TooLarge)?;
    let mut sealed = Vec::with_capacity(HEAD_BYTES + stream::stream_bytes(padded));
    sealed.push(VERSION);
    let head: [&[u8]; 4] = [epoch.as_bytes(), &draw.nonce, &enc, &proof];
    head.iter().for_each(|part| sealed.extend_from_slice(part));
    let mut parts: Vec<&[u8]> = vec![content.input, &args];
    parts.extend(zeros(padded - bytes));
    parts.push(&tail);
    keys.seal_request(&parts, &mut sealed)?;
    Ok((sealed, keys))
}

impl SealedRequest {
    /// Reads the head.
    /// # Errors  [`SealError::Version`], [`SealError::Form`], [`SealError::TooLarge`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, SealError> {
        match bytes.first() {
            Some(&VERSION) => {}
            Some(_) => return Err(SealError::Version),
            None => return Err(SealError::Form),
        }
        if bytes.len() > SEALED_REQUEST_BYTES_MAX {
            return Err(SealError::TooLarge);
        }
        let head = bytes.get(1..HEAD_BYTES).ok_or(SealError::Form)?;
        let (epoch, rest) = head.split_first_chunk().ok_or(SealError::Form)?;
        let (nonce, rest) = rest.split_first_chunk().ok_or(SealError::Form)?;
        let (enc, rest) = rest.split_first_chunk().ok_or(SealError::Form)?;
        let proof = rest.try_into().map_err(|_| SealError::Form)?;
        let (epoch, nonce, enc) = (KeyEpoch::from_bytes(*epoch), *nonce, *enc);
        Ok(Self { bytes, epoch, nonce, enc, proof })
    }

    /// Which request key it is sealed to.
    pub fn epoch(&self) -> KeyEpoch {
        self.epoch
    }

    /// What makes it one of a kind.
    pub fn nonce(&self) -> &[u8; NONCE_BYTES] {
        &self.nonce
    }

    /// Derives the run's keys with the node's secret key, and checks that the client meant this
    /// task, this promise and these objects. Nothing is opened.
    /// # Errors  [`SealError::NotAuthentic`] if not; [`SealError::Key`].
    pub fn keys(&self, secret: &[u8; 32], binding: &Binding<'_>) -> Result<RunKeys, SealError> {
        let context = hpke::decapsulate(secret, &self.enc, INFO)?;
        let bound = bound(binding, self.epoch, &self.nonce);
        context.check(&bound, &self.proof)?;
        Ok(RunKeys::of(&context, &bound))
    }

    /// All of it, as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The content, as it is sealed.
    #[must_use]
    pub fn into_content(mut self) -> Vec<u8> {
        self.bytes.drain(..HEAD_BYTES.min(self.bytes.len()));
        self.bytes
    }
}

/// The digest of all that both ends must agree on. Whatever varies in length has its length before
/// it, so that two requests never say the same.
fn bound(binding: &Binding<'_>, epoch: KeyEpoch, nonce: &[u8; NONCE_BYTES]) -> [u8; 32] {
    let Binding { task, promise, objects } = binding;
    let mut hash = digest::Context::new(&digest::SHA256);
    let head: [&[u8]; 5] =
        [b"notrace/v1/sealed-run\0", epoch.as_bytes(), nonce, task.as_bytes(), promise.as_bytes()];
    head.iter().for_each(|part| hash.update(part));
    hash.update(&(objects.len() as u32).to_be_bytes());
    for object in *objects {
        for name in [object.pool.as_str(), object.key.as_str()] {
            hash.update(&(name.len() as u32).to_be_bytes());
            hash.update(name.as_bytes());
        }
    }
    hash.finish().as_ref().first_chunk().copied().unwrap_or_default()
}

impl Drop for Draw {
    fn drop(&mut self) {
        self.nonce.zeroize();
    }
}
