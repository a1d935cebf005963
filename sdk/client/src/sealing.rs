//! Sealing a run to the node that is to take it: each attempt anew, under a key that the node's
//! own signature vouches for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::limits::INPUT_BYTES_MAX;
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::receipt::{Commitment, Ended};
use notrace_policy_promise::release::Sizes;
use notrace_policy_promise::verify::Trust;
use notrace_sdk_seal::{
    Binding, Content, Draw, Failure, NONCE_BYTES, RequestKey, RunKeys, SealError, Told,
    seal_request,
};
use notrace_sdk_wire::node::NodeDescription;
use notrace_sdk_wire::path::NODE;
use notrace_sdk_wire::problem::Exhausted;
use notrace_sdk_wire::{Code, Problem};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::pki_types::UnixTime;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use crate::call::{Call, read_bounded, refusal};
use crate::client::Client;
use crate::error::Error;
use crate::limits::{CLOCKS_APART_MAX, MEMBERS_MAX, REPLY_BYTES_MAX, REPLY_MAX, REQUEST_KEY_KEPT};

/// What is to be sealed, and for which run.
pub(crate) struct Sealing {
    pub(crate) task: Digest,
    pub(crate) objects: Vec<ObjectName>,
    pub(crate) args: Vec<String>,
    pub(crate) input: Zeroizing<Vec<u8>>,
    pub(crate) sizes: Sizes,
}

/// What opens the answer to one attempt.
pub(crate) struct Opener {
    keys: RunKeys,
    nonce: [u8; NONCE_BYTES],
}

/// The request keys of members, as far as they are known. Shared by all clones of a client.
pub(crate) struct RequestKeys {
    /// Whose signature counts; none if the credentials do not say.
    trust: Option<Trust>,
    known: Mutex<HashMap<Arc<str>, (RequestKey, Instant)>>,
}

impl Sealing {
    /// How many bytes will be sent, nearly.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.input.len() as u64
    }

    /// Seals it to this key, with a nonce that was never used.
    /// # Errors  [`Error::TooLarge`], [`Error::NoRandomness`]
    pub(crate) fn seal(&self, key: &RequestKey) -> Result<(Bytes, Opener), Error> {
        let mut ephemeral = Zeroizing::new([0; 32]);
        let mut nonce = [0; NONCE_BYTES];
        let random = SystemRandom::new();
        let drawn = random.fill(&mut *ephemeral).and_then(|()| random.fill(&mut nonce));
        drawn.map_err(|_| Error::NoRandomness)?;
        let Self { task, objects, args, input, sizes } = self;
        let binding = Binding { task: *task, promise: key.promise, objects };
        let (content, draw) = (Content { args, input, sizes: *sizes }, Draw { ephemeral, nonce });
        match seal_request(key, &binding, &content, &draw) {
            Ok((sealed, keys)) => Ok((sealed.into(), Opener { keys, nonce })),
            Err(SealError::TooLarge) => {
                let what = "the input, with its arguments,";
                let limit = sizes.room().min(INPUT_BYTES_MAX) as u64;
                Err(Error::TooLarge { what, limit })
            }
            Err(_) => Err(Error::NotUnderstood("a request key")),
        }
    }
}

impl Opener {
    /// The answer, or a failure that looked like one.
    /// # Errors  [`Error::AnswerFalse`]
    pub(crate) fn answer(&self, sealed: Vec<u8>) -> Result<Told, Error> {
        self.keys.open_answer(sealed).map_err(Error::AnswerFalse)
    }

    /// What the receipt of this attempt is bound to.
    pub(crate) fn commitment(&self) -> Commitment {
        self.keys.commitment(&self.nonce)
    }

    /// The problem with what the task said of itself, which nobody on the way could read.
    /// # Errors  [`Error::AnswerFalse`]
    pub(crate) fn problem(&self, mut problem: Box<Problem>) -> Result<Box<Problem>, Error> {
        let Some(sealed) = problem.sealed.take() else { return Ok(problem) };
        let sealed = STANDARD.decode(sealed).map_err(|_| Error::AnswerFalse(SealError::Form))?;
        let failure = self.keys.open_failure(sealed).map_err(Error::AnswerFalse)?;
        problem.exit_status = failure.exit;
        match problem.code {
            Code::TaskTrapped => {
                problem.frames = failure.message.lines().map(str::to_owned).collect();
            }
            _ if failure.message.is_empty() => {}
            _ => problem.detail.clone_from(&failure.message),
        }
        Ok(problem)
    }
}

/// What a failure is that came in an answer's place: the problem that it would have been.
pub(crate) fn problem_of(failure: &Failure) -> Problem {
    let (code, exhausted) = match failure.ended {
        Ended::Trapped => (Code::TaskTrapped, None),
        Ended::FuelExhausted => (Code::TaskExhausted, Some(Exhausted::Fuel)),
        Ended::TimeExhausted => (Code::TaskExhausted, Some(Exhausted::Time)),
        Ended::MemoryExhausted => (Code::TaskExhausted, Some(Exhausted::Memory)),
        Ended::OutputExhausted => (Code::TaskExhausted, Some(Exhausted::Output)),
        Ended::Killed => (Code::TaskKilled, None),
        Ended::Answered | Ended::Failed | Ended::Withheld => (Code::TaskFailed, None),
    };
    let mut problem = Problem::new(code, code.meaning());
    problem.exhausted = exhausted;
    problem.exit_status = failure.exit;
    if failure.ended == Ended::Trapped {
        problem.trap = Some(failure.trap.to_string());
        problem.frames = failure.message.lines().map(str::to_owned).collect();
    } else if !failure.message.is_empty() {
        problem.detail.clone_from(&failure.message);
    }
    problem
}

impl Client {
    /// The key to which requests to this member are sealed: as it told lately, or asked for now.
    pub(crate) async fn request_key(&self, member: &Arc<str>) -> Result<RequestKey, Error> {
        if let Some(key) = self.request_keys.known(member, Instant::now()) {
            return Ok(key);
        }
        let asked = timeout(REPLY_MAX, self.description(member)).await;
        let node = match asked.unwrap_or(Err(Error::TimedOut)) {
            // Of the call itself nothing was sent.
            Err(Error::TimedOut | Error::CutOff) => return Err(Error::Unreachable),
            node => node?,
        };
        self.request_keys.learn(member, node, Instant::now())
    }

    async fn description(&self, member: &str) -> Result<NodeDescription, Error> {
        let mut response = self.exchange(&Call::get(NODE), member, None, REPLY_MAX).await?;
        if !response.status().is_success() {
            return Err(refusal(response).await.0);
        }
        let body = read_bounded(&mut response, REPLY_BYTES_MAX).await?;
        serde_json::from_slice(&body).map_err(|_| Error::NotUnderstood("its JSON"))
    }

    /// What a member's refusal says, with what only who sealed the request can read of it.
    pub(crate) fn told_by(&self, error: Error, opener: Option<Opener>, member: Arc<str>) -> Error {
        match (error, opener) {
            (Error::RunFailed { problem, receipt, .. }, opener) => {
                let request = opener.as_ref().map(Opener::commitment);
                let opened = opener.map_or(Ok(problem.clone()), |opener| opener.problem(problem));
                let receipt = receipt.at(member);
                match opened {
                    Ok(problem) => Error::RunFailed { problem, receipt, request },
                    Err(error) => error,
                }
            }
            (error, Some(_)) => {
                if matches!(error.code(), Some(Code::SealKeyUnknown | Code::SealKeySpent)) {
                    self.request_keys.forget(&member);
                }
                error
            }
            (error, None) => error,
        }
    }
}

impl RequestKeys {
    /// Knows none yet, and believes those that this trust vouches for.
    pub(crate) fn new(trust: Option<Trust>) -> Self {
        Self { trust, known: Mutex::default() }
    }

    /// The key of this member, if it was told lately.
    pub(crate) fn known(&self, member: &str, now: Instant) -> Option<RequestKey> {
        let known = self.lock();
        let (key, told) = known.get(member)?;
        (now.saturating_duration_since(*told) < REQUEST_KEY_KEPT).then_some(*key)
    }

    /// Learns what a member announces, if it is signed as it should be.
    /// # Errors  [`Error::KeyFalse`] if not; [`Error::NoRequestKey`]
    pub(crate) fn learn(
        &self,
        member: &Arc<str>,
        node: NodeDescription,
        now: Instant,
    ) -> Result<RequestKey, Error> {
        let announced = node.request_key.ok_or(Error::NoRequestKey)?;
        let trust = self.trust.as_ref();
        let trust = trust.ok_or(Error::CredentialsMalformed("they have no ledger's key"))?;
        let clock = UnixTime::now().as_secs();
        let apart = CLOCKS_APART_MAX.as_secs();
        let key = RequestKey::open(&announced.note, trust.keys(), clock, apart);
        let key = key.map_err(Error::KeyFalse)?;
        let mut known = self.lock();
        if known.len() >= MEMBERS_MAX && !known.contains_key(member) {
            known.clear();
        }
        known.insert(member.clone(), (key, now));
        Ok(key)
    }

    /// The member takes nothing that is sealed to what was known of it.
    pub(crate) fn forget(&self, member: &str) {
        self.lock().remove(member);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, (RequestKey, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
