//! Letters: what passes between supervisor and worker, sealed under the run's key.
//!
//! A letter is a payload, which stays where it is when the letter is opened, and behind it a head
//! that says what the payload is for.

use notrace_policy_promise::private::Private;
use notrace_sdk_seal::limits::SEALED_FAILURE_BYTES_MAX;
use notrace_sdk_seal::{DataKey, NotAuthentic, OVERHEAD_BYTES, open, seal};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::job::{Given, GrantedObject, Job, Limits};
use crate::limits::GUEST_MESSAGE_BYTES_MAX;

/// Which way a letter goes. Each way has its own purpose and nonce; a run's key seals one of each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    ToWorker,
    ToSupervisor,
}

impl Way {
    const fn purpose(self) -> &'static [u8] {
        match self {
            Way::ToWorker => b"notrace/v1/worker/job",
            Way::ToSupervisor => b"notrace/v1/worker/answer",
        }
    }

    const fn nonce(self) -> [u8; 12] {
        match self {
            Way::ToWorker => [1; 12],
            Way::ToSupervisor => [2; 12],
        }
    }
}

/// What a job says besides its input and the objects' ciphertext.
#[derive(Serialize, Deserialize)]
pub(crate) struct JobHead {
    pub(crate) args: Vec<String>,
    /// Whether the payload is what a client sealed, with the arguments in it; and then the codes of
    /// the sizes and failures of what is sealed in return.
    pub(crate) sealed: Option<(u8, u8)>,
    pub(crate) objects: Vec<ObjectHead>,
    pub(crate) time_unix_micros: u64,
    pub(crate) seed: [u8; 32],
    pub(crate) limits: Limits,
}

/// Where an object's ciphertext is: behind the letter, in the order of the heads.
#[derive(Serialize, Deserialize)]
pub(crate) struct ObjectHead {
    pub(crate) pool: String,
    pub(crate) key: String,
    pub(crate) ad: Vec<u8>,
    pub(crate) sealed_bytes: u32,
}

/// What an answer says besides the answer itself.
#[derive(Serialize, Deserialize)]
pub(crate) struct AnswerHead<E> {
    pub(crate) end: E,
    pub(crate) message: Option<String>,
    /// What a sealed run says of its failure.
    pub(crate) failure: Option<Vec<u8>>,
    pub(crate) fuel_used: u64,
    pub(crate) memory_peak_bytes: u64,
}

impl Zeroize for JobHead {
    fn zeroize(&mut self) {
        self.args.zeroize();
        for object in &mut self.objects {
            object.pool.zeroize();
            object.key.zeroize();
        }
        self.seed.zeroize();
    }
}

impl<E> Drop for AnswerHead<E> {
    fn drop(&mut self) {
        self.message.zeroize();
    }
}

impl Drop for JobHead {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl JobHead {
    pub(crate) fn of(job: &Job) -> Option<Self> {
        let object = |object: &GrantedObject| {
            Some(ObjectHead {
                pool: object.name.pool.as_str().to_owned(),
                key: object.name.key.as_str().to_owned(),
                ad: object.ad.clone(),
                sealed_bytes: u32::try_from(object.sealed.len()).ok()?,
            })
        };
        let (args, sealed) = match &job.given {
            Given::Plain { args, .. } => (args.as_slice(), None),
            Given::Sealed { sizes, failures, .. } => {
                (&[][..], Some((sizes.code(), failures.code())))
            }
        };
        Some(Self {
            args: args.iter().map(|arg| arg.reveal(String::clone)).collect(),
            sealed,
            objects: job.objects.iter().map(object).collect::<Option<_>>()?,
            time_unix_micros: job.time_unix_micros,
            seed: job.seed,
            limits: job.limits,
        })
    }
}

/// Seals `payload` with `head` behind it. `None` if the head cannot be written.
pub(crate) fn close(
    key: &DataKey,
    way: Way,
    head: &impl Serialize,
    payload: &[u8],
) -> Option<Vec<u8>> {
    let mut head = postcard::to_allocvec(head).ok()?;
    let head_bytes = u32::try_from(head.len()).ok()?;
    // As long as it will be at once: growing would leave copies behind.
    let mut letter = Vec::with_capacity(payload.len() + head.len() + 4);
    letter.extend_from_slice(payload);
    letter.extend_from_slice(&head);
    letter.extend_from_slice(&head_bytes.to_le_bytes());
    head.zeroize();
    seal(key, way.nonce(), way.purpose(), letter).ok()
}

/// Opens what [`close`] made: the head, and the payload in its own allocation.
pub(crate) fn read<H: for<'a> Deserialize<'a>>(
    key: &DataKey,
    way: Way,
    sealed: Vec<u8>,
) -> Result<(H, Private<Vec<u8>>), NotAuthentic> {
    let mut letter = Private::new(open(key, way.purpose(), sealed)?);
    let head = letter.reveal_mut(|letter| {
        let (rest, length) = letter.split_last_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let start = rest.len().checked_sub(length)?;
        let (head, tail) = postcard::take_from_bytes::<H>(rest.get(start..)?).ok()?;
        if !tail.is_empty() {
            return None;
        }
        letter.get_mut(start..)?.zeroize();
        letter.truncate(start);
        Some(head)
    });
    head.map(|head| (head, letter)).ok_or(NotAuthentic)
}

/// The most bytes a letter to the supervisor can have, for a payload of this many.
pub(crate) const fn answer_bytes_max(payload_bytes: u64) -> u64 {
    payload_bytes
        .saturating_add(GUEST_MESSAGE_BYTES_MAX as u64)
        .saturating_add(SEALED_FAILURE_BYTES_MAX as u64)
        .saturating_add(OVERHEAD_BYTES as u64)
        .saturating_add(256)
}

#[cfg(test)]
mod a_letter {
    use super::*;

    #[test]
    fn opens_to_what_was_put_in_on_its_own_way_only() {
        let key = DataKey::from_bytes(&[3; 32]);
        let sealed = close(&key, Way::ToWorker, &(7u8, "head"), b"payload").unwrap();
        assert!(!sealed.windows(4).any(|bytes| bytes == b"head"));
        assert!(read::<(u8, String)>(&key, Way::ToSupervisor, sealed.clone()).is_err());
        let ((number, head), payload) =
            read::<(u8, String)>(&key, Way::ToWorker, sealed).ok().unwrap();
        assert_eq!((number, head.as_str()), (7, "head"));
        payload.reveal(|payload| assert_eq!(payload, b"payload"));
    }

    #[test]
    fn with_a_head_of_another_kind_does_not_open() {
        let key = DataKey::from_bytes(&[3; 32]);
        let sealed = close(&key, Way::ToWorker, &1u8, b"").unwrap();
        assert!(read::<(u8, String)>(&key, Way::ToWorker, sealed).is_err());
        let sealed = seal(&key, [1; 12], Way::ToWorker.purpose(), vec![0xFF; 9]).unwrap();
        assert!(read::<u8>(&key, Way::ToWorker, sealed).is_err());
    }
}
