//! The keys of one run, and what is sealed under them: what goes in, and what came of it.
//!
//! An answer and a failure are told apart by status and code, and each is under a key of its own;
//! or, where outsiders shall not tell them apart, whichever came is in the answer's place. Of a run
//! whose worker did not live to say anything the node says what became of it, in the same form,
//! under a key that is good for nothing else.

use notrace_policy_promise::receipt::{Commitment, Ended};
use notrace_policy_promise::release::{Failures, Sizes};
use zeroize::{Zeroize as _, Zeroizing};

use crate::content::{self, Opened};
use crate::error::SealError;
use crate::hpke::Context;
use crate::limits::{
    FAILURE_MESSAGE_BYTES_MAX, SEALED_ANSWER_BYTES_MAX, SEALED_FAILURE_BYTES_MAX, TRAILER_BYTES,
    TRAP_BYTES_MAX,
};
use crate::padding::{filled_up, take_off, zeros};
use crate::request::{NONCE_BYTES, VERSION};
use crate::stream;

/// How a task failed, for its owner alone.
pub struct Failure {
    /// What became of the run; never [`Ended::Answered`].
    pub ended: Ended,
    /// The exit status of a command.
    pub exit: Option<i32>,
    /// Which trap it was, in words; empty if it was none.
    pub trap: Zeroizing<String>,
    /// What the task said, or its frames at a trap.
    pub message: Zeroizing<String>,
}

/// What came of a run, as its client is told under the seal.
pub enum Told {
    /// An answer.
    Answer(Vec<u8>),
    /// A failure in its place.
    Failure(Failure),
}

impl Told {
    /// The answer, if it is one.
    #[must_use]
    pub fn answer(self) -> Option<Vec<u8>> {
        match self {
            Told::Answer(answer) => Some(answer),
            Told::Failure(_) => None,
        }
    }
}

/// The keys of one run: for what goes in, for what comes of it, for a failure that is told apart,
/// and for the node's word. Each seals one message. Wiped when dropped; no `Debug`, no `Clone`.
pub struct RunKeys(Box<Zeroizing<[u8; RunKeys::BYTES]>>);

/// The key under which a node says what became of a run whose worker cannot. Seals one message.
pub struct WordKey(Box<Zeroizing<[u8; 64]>>);

/// Which of a run's messages.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Request,
    Answer,
    Failure,
    Word,
}

impl Part {
    const ALL: [Self; 4] = [Part::Request, Part::Answer, Part::Failure, Part::Word];

    const fn purpose(self) -> &'static [u8] {
        match self {
            Part::Request => b"notrace/v1/request",
            Part::Answer => b"notrace/v1/answer",
            Part::Failure => b"notrace/v1/failure",
            Part::Word => b"notrace/v1/word",
        }
    }

    const fn place(self) -> usize {
        match self {
            Part::Request => 32,
            Part::Answer => 64,
            Part::Failure => 96,
            Part::Word => 128,
        }
    }
}

impl RunKeys {
    /// How many bytes they are: what they are bound to, and four keys.
    pub const BYTES: usize = 160;

    pub(crate) fn of(context: &Context, bound: &[u8; 32]) -> Self {
        let mut bytes = Box::new(Zeroizing::new([0; Self::BYTES]));
        let mut put = |place: usize, key: &[u8; 32]| {
            bytes.iter_mut().skip(place).zip(key).for_each(|(place, byte)| *place = *byte);
        };
        put(0, bound);
        for part in Part::ALL {
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

    /// What the node keeps of them while the worker has the rest.
    #[must_use]
    pub fn word_key(&self) -> WordKey {
        let mut bytes = Box::new(Zeroizing::new([0; 64]));
        let both = self.bound().iter().chain(self.key(Part::Word));
        bytes.iter_mut().zip(both).for_each(|(place, byte)| *place = *byte);
        WordKey(bytes)
    }

    pub(crate) fn seal_request(
        &self,
        parts: &[&[u8]],
        sealed: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        stream::seal(self.key(Part::Request), self.bound(), parts, sealed)
    }

    /// Opens what a client sealed: in the worker, and nowhere else.
    /// # Errors  [`SealError::NotAuthentic`]; [`SealError::Form`] if a client sealed what no run
    /// may be given.
    pub fn open_request(&self, content: Vec<u8>) -> Result<Opened, SealError> {
        content::read(stream::open(self.key(Part::Request), self.bound(), content)?)
    }

    /// Seals an answer, once.
    /// # Errors  [`SealError::TooLarge`] if it does not fit `sizes`.
    pub fn seal_answer(&self, answer: &[u8], sizes: Sizes) -> Result<Vec<u8>, SealError> {
        self.seal(Part::Answer, &[answer], Ended::Answered, sizes)
    }

    /// Seals how a task failed, once: apart from answers, or in an answer's place. A longer message
    /// is cut.
    /// # Errors  [`SealError::TooLarge`] never; the cipher's interface has the case.
    pub fn seal_failure(
        &self,
        failure: &Failure,
        sizes: Sizes,
        failures: Failures,
    ) -> Result<Vec<u8>, SealError> {
        let (part, sizes) = match failures {
            // One that shows as what it is need not be as long as all answers are.
            Failures::Told => (Part::Failure, sizes.min(Sizes::Powers)),
            Failures::Alike => (Part::Answer, sizes),
        };
        let Failure { ended, exit, trap, message } = failure;
        let trap = cut(trap, TRAP_BYTES_MAX);
        let [a, b, c, d] = exit.unwrap_or_default().to_be_bytes();
        let head = [u8::from(exit.is_some()), a, b, c, d, trap.len() as u8];
        let room = sizes.room() - TRAILER_BYTES - head.len() - trap.len();
        let message = cut(message, room.min(FAILURE_MESSAGE_BYTES_MAX));
        self.seal(part, &[&head, trap.as_bytes(), message.as_bytes()], *ended, sizes)
    }

    /// Opens what came in an answer's place: from the worker, or the node's word of one that died.
    /// # Errors  [`SealError`]; nothing of the answer is returned.
    pub fn open_answer(&self, sealed: Vec<u8>) -> Result<Told, SealError> {
        // A message that does not open is wiped on the way, and there are two who may have made it.
        let again = sealed.clone();
        let opened = match self.open(Part::Answer, sealed, SEALED_ANSWER_BYTES_MAX) {
            Err(SealError::NotAuthentic) => {
                self.open(Part::Word, again, SEALED_ANSWER_BYTES_MAX)?
            }
            opened => opened?,
        };
        match opened {
            (Ended::Answered, answer) => Ok(Told::Answer(answer)),
            (ended, failure) => failure_of(ended, failure).map(Told::Failure),
        }
    }

    /// Opens how a task failed.
    /// # Errors  [`SealError`]
    pub fn open_failure(&self, sealed: Vec<u8>) -> Result<Failure, SealError> {
        let (ended, failure) = self.open(Part::Failure, sealed, SEALED_FAILURE_BYTES_MAX)?;
        failure_of(ended, failure)
    }

    fn seal(
        &self,
        part: Part,
        message: &[&[u8]],
        ended: Ended,
        sizes: Sizes,
    ) -> Result<Vec<u8>, SealError> {
        seal(self.key(part), self.bound(), message, ended, sizes)
    }

    fn open(
        &self,
        part: Part,
        mut sealed: Vec<u8>,
        most: usize,
    ) -> Result<(Ended, Vec<u8>), SealError> {
        match sealed.first() {
            Some(&VERSION) if sealed.len() > most => return Err(SealError::TooLarge),
            Some(&VERSION) => {}
            Some(_) => return Err(SealError::Version),
            None => return Err(SealError::Form),
        }
        sealed.drain(..1);
        let mut opened = stream::open(self.key(part), self.bound(), sealed)?;
        match take_off(&mut opened) {
            Some(ended) => Ok((ended, opened)),
            None => {
                opened.zeroize();
                Err(SealError::Form)
            }
        }
    }

    fn bound(&self) -> &[u8; 32] {
        self.part(0)
    }

    fn key(&self, part: Part) -> &[u8; 32] {
        self.part(part.place())
    }

    fn part(&self, place: usize) -> &[u8; 32] {
        piece(self.0.as_slice(), place)
    }
}

impl WordKey {
    /// Says, in an answer's place, what became of a run whose worker cannot say it. Once.
    /// # Errors  [`SealError::TooLarge`] never; the cipher's interface has the case.
    pub fn seal(&self, ended: Ended, sizes: Sizes) -> Result<Vec<u8>, SealError> {
        let bytes = self.0.as_slice();
        // What a failure of which nothing is known has before its words.
        seal(piece(bytes, 32), piece(bytes, 0), &[&[0; 6]], ended, sizes)
    }
}

fn seal(
    key: &[u8; 32],
    bound: &[u8; 32],
    message: &[&[u8]],
    ended: Ended,
    sizes: Sizes,
) -> Result<Vec<u8>, SealError> {
    let bytes = message.iter().map(|part| part.len()).sum::<usize>();
    let (fill, trailer) = filled_up(bytes, ended, sizes)?;
    let whole = bytes + fill + TRAILER_BYTES;
    let mut sealed = Vec::with_capacity(1 + stream::stream_bytes(whole));
    sealed.push(VERSION);
    let mut parts = message.to_vec();
    parts.extend(zeros(fill));
    parts.push(&trailer);
    stream::seal(key, bound, &parts, &mut sealed)?;
    Ok(sealed)
}

fn failure_of(ended: Ended, failure: Vec<u8>) -> Result<Failure, SealError> {
    let failure = Zeroizing::new(failure);
    let (head, rest) = failure.split_first_chunk::<6>().ok_or(SealError::Form)?;
    let (exit, trap_bytes) = match *head {
        [0, 0, 0, 0, 0, trap] => (None, trap),
        [1, a, b, c, d, trap] => (Some(i32::from_be_bytes([a, b, c, d])), trap),
        _ => return Err(SealError::Form),
    };
    let (trap, message) = rest.split_at_checked(trap_bytes.into()).ok_or(SealError::Form)?;
    let text = |bytes: &[u8]| {
        let text = core::str::from_utf8(bytes).map_err(|_| SealError::Form)?;
        Ok(Zeroizing::new(text.to_owned()))
    };
    if ended == Ended::Answered {
        return Err(SealError::Form);
    }
    Ok(Failure { ended, exit, trap: text(trap)?, message: text(message)? })
}

fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default()
}

fn piece(bytes: &[u8], place: usize) -> &[u8; 32] {
    const NONE: &[u8; 32] = &[0; 32];
    // Every place is within the array; the compiler drops the other branch.
    bytes.get(place..).and_then(|rest| rest.first_chunk()).unwrap_or(NONE)
}

#[cfg(test)]
mod what_came_of_a_run {
    use super::*;

    fn keys() -> RunKeys {
        let mut bytes = [0; RunKeys::BYTES];
        bytes.iter_mut().zip(0..).for_each(|(place, byte)| *place = byte);
        RunKeys::from_bytes(&bytes)
    }

    fn failure(message: &str) -> Failure {
        let (trap, message) = ("unreachable".to_owned().into(), message.to_owned().into());
        Failure { ended: Ended::Trapped, exit: Some(-7), trap, message }
    }

    #[test]
    fn is_as_long_for_one_as_for_the_other() {
        let answer = keys().seal_answer(b"yes", Sizes::Powers).unwrap();
        let failed = keys().seal_failure(&failure("no"), Sizes::Powers, Failures::Alike).unwrap();
        let died = keys().word_key().seal(Ended::Killed, Sizes::Powers).unwrap();
        assert_eq!((answer.len(), answer[0]), (failed.len(), failed[0]));
        assert_eq!((answer.len(), answer[0]), (died.len(), died[0]));
        assert!(matches!(keys().open_answer(answer), Ok(Told::Answer(told)) if told == b"yes"));
        let Ok(Told::Failure(told)) = keys().open_answer(failed) else { panic!() };
        assert_eq!(
            (told.ended, told.exit, told.trap.as_str(), told.message.as_str()),
            (Ended::Trapped, Some(-7), "unreachable", "no")
        );
        let Ok(Told::Failure(told)) = keys().open_answer(died) else { panic!() };
        assert_eq!((told.ended, told.exit, told.message.as_str()), (Ended::Killed, None, ""));
    }

    #[test]
    fn fits_the_size_that_all_have() {
        let long = failure(&"é".repeat(50_000));
        let sealed = keys().seal_failure(&long, Sizes::Fixed4K, Failures::Alike).unwrap();
        assert_eq!(sealed.len(), 1 + stream::stream_bytes(4096));
        let Ok(Told::Failure(told)) = keys().open_answer(sealed) else { panic!() };
        assert!(told.message.len() > 4000 && told.message.ends_with('é'));
    }

    #[test]
    fn that_is_told_apart_is_not_as_long_as_the_largest_answer() {
        let sealed = keys().seal_failure(&failure(""), Sizes::Fixed16M, Failures::Told).unwrap();
        assert_eq!(sealed.len(), 1 + stream::stream_bytes(4096));
        assert!(keys().open_answer(sealed.clone()).is_err());
        assert!(keys().open_failure(sealed).is_ok());
    }
}
