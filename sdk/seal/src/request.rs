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
use notrace_policy_promise::receipt::Commitment;
use ring::digest;
use zeroize::{Zeroize as _, Zeroizing};

use crate::content::{self, Opened};
use crate::error::SealError;
use crate::hpke::{self, Context, ENC_BYTES, PROOF_BYTES};
use crate::limits::{
    FAILURE_MESSAGE_BYTES_MAX, HEAD_BYTES, SEALED_ANSWER_BYTES_MAX, SEALED_FAILURE_BYTES_MAX,
    SEALED_REQUEST_BYTES_MAX, sealed_answer_bytes,
};
use crate::request_key::{KeyEpoch, RequestKey};
use crate::stream;

/// The version that is written; no other is read.
pub const VERSION: u8 = 1;
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
}

/// What the client draws at random for one request, and never for another.
pub struct Draw {
    /// The secret half of the encapsulated key.
    pub ephemeral: Zeroizing<[u8; 32]>,
    /// What makes the request one of a kind, and its receipt its own.
    pub nonce: [u8; NONCE_BYTES],
}

/// How a task failed, for its owner alone.
#[derive(PartialEq, Eq)]
pub struct Failure {
    /// The exit status of a command.
    pub exit: Option<i32>,
    /// What the task said, or its frames at a trap.
    pub message: Zeroizing<String>,
}

/// The keys of one run: one for what goes in, one for the answer, one for a failure. Each seals one
/// message. Wiped when dropped; no `Debug`, no `Clone`.
pub struct RunKeys(Box<Zeroizing<[u8; RunKeys::BYTES]>>);

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
    let tail = content::tail(content)?;
    let (enc, context) = hpke::encapsulate(&key.public, &draw.ephemeral, INFO)?;
    let epoch = key.epoch();
    let bound = bound(binding, epoch, &draw.nonce);
    let proof = context.prove(&bound)?;
    let keys = RunKeys::of(&context, &bound);
    let content_bytes = content.input.len() + tail.len();
    let mut sealed = Vec::with_capacity(HEAD_BYTES + stream::stream_bytes(content_bytes));
    sealed.push(VERSION);
    let head: [&[u8]; 4] = [epoch.as_bytes(), &draw.nonce, &enc, &proof];
    head.iter().for_each(|part| sealed.extend_from_slice(part));
    keys.seal(Part::Request, &[content.input, &tail], &mut sealed)?;
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

/// Which of a run's messages.
#[derive(Clone, Copy)]
enum Part {
    Request,
    Answer,
    Failure,
}

impl Part {
    const fn purpose(self) -> &'static [u8] {
        match self {
            Part::Request => b"notrace/v1/request",
            Part::Answer => b"notrace/v1/answer",
            Part::Failure => b"notrace/v1/failure",
        }
    }

    const fn place(self) -> usize {
        match self {
            Part::Request => 32,
            Part::Answer => 64,
            Part::Failure => 96,
        }
    }
}

impl RunKeys {
    /// How many bytes they are: what they are bound to, and three keys.
    pub const BYTES: usize = 128;

    fn of(context: &Context, bound: &[u8; 32]) -> Self {
        let mut bytes = Box::new(Zeroizing::new([0; Self::BYTES]));
        let mut put = |place: usize, key: &[u8; 32]| {
            bytes.iter_mut().skip(place).zip(key).for_each(|(place, byte)| *place = *byte);
        };
        put(0, bound);
        for part in [Part::Request, Part::Answer, Part::Failure] {
            put(part.place(), &context.export(part.purpose()));
        }
        Self(bytes)
    }

    /// The keys that [`RunKeys::reveal`] lent. The caller wipes its copy.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        Self(Box::new(Zeroizing::new(*bytes)))
    }

    /// Lends the bytes for one call, for handing them on in secret memory.
    pub fn reveal<R>(&self, read: impl FnOnce(&[u8; Self::BYTES]) -> R) -> R {
        read(&self.0)
    }

    /// What the run's receipt is bound to: this request and no other.
    #[must_use]
    pub fn commitment(&self, nonce: &[u8; NONCE_BYTES]) -> Commitment {
        Commitment::to(nonce, self.bound())
    }

    /// Opens what a client sealed: in the worker, and nowhere else.
    /// # Errors  [`SealError::NotAuthentic`]; [`SealError::Form`] if a client sealed what no run
    /// may be given.
    pub fn open_request(&self, content: Vec<u8>) -> Result<Opened, SealError> {
        content::read(stream::open(self.key(Part::Request), self.bound(), content)?)
    }

    /// Seals an answer, once.
    /// # Errors  [`SealError::TooLarge`]
    pub fn seal_answer(&self, answer: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut sealed = Vec::with_capacity(sealed_answer_bytes(answer.len()));
        sealed.push(VERSION);
        self.seal(Part::Answer, &[answer], &mut sealed)?;
        if sealed.len() > SEALED_ANSWER_BYTES_MAX { Err(SealError::TooLarge) } else { Ok(sealed) }
    }

    /// Opens an answer.
    /// # Errors  [`SealError`]; nothing of the answer is returned.
    pub fn open_answer(&self, sealed: Vec<u8>) -> Result<Vec<u8>, SealError> {
        self.open(Part::Answer, sealed, SEALED_ANSWER_BYTES_MAX)
    }

    /// Seals how a task failed, once. A longer message is cut.
    /// # Errors  [`SealError::TooLarge`] never; the cipher's interface has the case.
    pub fn seal_failure(&self, exit: Option<i32>, message: &str) -> Result<Vec<u8>, SealError> {
        let head = match exit {
            None => [0; 5],
            Some(exit) => {
                let [a, b, c, d] = exit.to_be_bytes();
                [1, a, b, c, d]
            }
        };
        let message = message.get(..message.floor_char_boundary(FAILURE_MESSAGE_BYTES_MAX));
        let message = message.unwrap_or_default().as_bytes();
        let room = 1 + stream::stream_bytes(head.len() + message.len());
        let mut sealed = Vec::with_capacity(room);
        sealed.push(VERSION);
        self.seal(Part::Failure, &[&head, message], &mut sealed)?;
        Ok(sealed)
    }

    /// Opens how a task failed.
    /// # Errors  [`SealError`]
    pub fn open_failure(&self, sealed: Vec<u8>) -> Result<Failure, SealError> {
        let opened = Zeroizing::new(self.open(Part::Failure, sealed, SEALED_FAILURE_BYTES_MAX)?);
        let (head, message) = opened.split_first_chunk::<5>().ok_or(SealError::Form)?;
        let exit = match *head {
            [0, 0, 0, 0, 0] => None,
            [1, a, b, c, d] => Some(i32::from_be_bytes([a, b, c, d])),
            _ => return Err(SealError::Form),
        };
        let message = core::str::from_utf8(message).map_err(|_| SealError::Form)?;
        Ok(Failure { exit, message: Zeroizing::new(message.to_owned()) })
    }

    fn seal(&self, part: Part, message: &[&[u8]], sealed: &mut Vec<u8>) -> Result<(), SealError> {
        stream::seal(self.key(part), self.bound(), message, sealed)
    }

    fn open(&self, part: Part, mut sealed: Vec<u8>, most: usize) -> Result<Vec<u8>, SealError> {
        match sealed.first() {
            Some(&VERSION) if sealed.len() > most => Err(SealError::TooLarge),
            Some(&VERSION) => {
                sealed.drain(..1);
                stream::open(self.key(part), self.bound(), sealed)
            }
            Some(_) => Err(SealError::Version),
            None => Err(SealError::Form),
        }
    }

    fn bound(&self) -> &[u8; 32] {
        self.part(0)
    }

    fn key(&self, part: Part) -> &[u8; 32] {
        self.part(part.place())
    }

    fn part(&self, place: usize) -> &[u8; 32] {
        const NONE: &[u8; 32] = &[0; 32];
        // Every place is within the array; the compiler drops the other branch.
        self.0.get(place..).and_then(|rest| rest.first_chunk()).unwrap_or(NONE)
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
