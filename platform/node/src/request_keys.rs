//! The keys that clients seal requests to. They live in memory alone: what was sealed to one can be
//! opened by nobody once it is gone, and a node that starts anew takes nothing from before.
//!
//! A key is announced for a while and taken for a while longer; then its secret half is destroyed.
//! Each remembers the nonces of the requests that it was used for and takes none of them again.
//! What it remembers is bounded: a key that has been used often is followed by the next ahead of
//! time, and one that is full takes nothing more.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::note::NoteSigner;
use notrace_runtime_worker::secret::Secret;
use notrace_sdk_seal::{
    Binding, KeyEpoch, NONCE_BYTES, RequestKey, RunKeys, SealedRequest, public_key,
};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::identity::{Identity, fill};
use crate::limits::{
    REQUEST_KEY_ANNOUNCED, REQUEST_KEY_LEAST, REQUEST_KEY_NONCES_MANY, REQUEST_KEY_NONCES_MAX,
    REQUEST_KEY_TAKEN,
};
use crate::node::Node;
use crate::refusal::Refusal;

/// A request key as clients are told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnnouncedKey {
    /// Which key.
    pub epoch: KeyEpoch,
    /// Until when requests sealed to it are taken, in Unix seconds.
    pub until_unix_s: u64,
    /// The announcement as a signed note.
    pub note: String,
}

/// The key that is announced, and the one before it.
pub(crate) struct RequestKeys {
    signer: NoteSigner,
    promise: Digest,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    current: Option<Arc<Epoch>>,
    previous: Option<Arc<Epoch>>,
}

/// One key and what it was used for.
struct Epoch {
    id: KeyEpoch,
    secret: Secret<32>,
    made: Instant,
    announced: AnnouncedKey,
    used: Mutex<HashSet<NonceStart>>,
}

/// Half of a nonce. Two random ones agree in it for nobody who does not want that, and who does
/// keeps himself from his own second request.
type NonceStart = [u8; NONCE_BYTES / 2];

/// Now, by a clock that only goes forward, and by the one that clients have too.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) unix_s: u64,
}

impl Now {
    /// As this host has it.
    pub(crate) fn read() -> Self {
        Self { instant: Instant::now(), unix_s: crate::clock::unix_micros() / 1_000_000 }
    }
}

impl RequestKeys {
    /// Those of the node of this identity, under this promise; none if it cannot sign.
    pub(crate) fn of(identity: &Identity, promise: Digest) -> Option<Self> {
        Some(Self::new(crate::promise::signer(identity).ok()?, promise))
    }

    /// Without a key yet. `signer` is whom clients know from their credentials.
    fn new(signer: NoteSigner, promise: Digest) -> Self {
        Self { signer, promise, held: Mutex::default() }
    }

    /// The key to seal to now.
    /// # Errors  [`Refusal::Internal`] if none can be made.
    pub(crate) fn announced(&self, now: Now) -> Result<AnnouncedKey, Refusal> {
        Ok(self.turned(now)?.0.announced.clone())
    }

    /// Derives the keys of a sealed request that is for this, and that was not here before.
    /// # Errors  [`Refusal::SealKeyUnknown`] for a key that is not held: another node's, or gone;
    /// [`Refusal::SealBroken`]; [`Refusal::SealReplayed`]; [`Refusal::SealKeySpent`].
    pub(crate) fn take(
        &self,
        request: &SealedRequest,
        binding: &Binding<'_>,
        now: Now,
    ) -> Result<RunKeys, Refusal> {
        let (current, previous) = self.turned(now)?;
        let mut held = std::iter::once(current).chain(previous);
        let epoch = held.find(|epoch| epoch.id == request.epoch());
        let epoch = epoch.ok_or(Refusal::SealKeyUnknown)?;
        let keys = epoch.secret.reveal(|secret| {
            let secret = Zeroizing::new(<[u8; 32]>::try_from(secret).unwrap_or_default());
            request.keys(&secret, binding)
        });
        // Only who knows the keys uses up a nonce.
        let keys = keys.map_err(|_| Refusal::SealBroken)?;
        epoch.spend(request.nonce())?;
        Ok(keys)
    }

    /// Destroys what is over, makes what is due, and lends what there is then.
    fn turned(&self, now: Now) -> Result<(Arc<Epoch>, Option<Arc<Epoch>>), Refusal> {
        let mut held = self.held();
        if held.previous.as_ref().is_some_and(|epoch| epoch.is_over(now)) {
            held.previous = None;
        }
        let kept = held.current.take_if(|epoch| epoch.is_due(now) || epoch.is_over(now));
        held.previous = match kept {
            Some(epoch) if !epoch.is_over(now) => Some(epoch),
            Some(_) => None,
            None => held.previous.take(),
        };
        let current = match &held.current {
            Some(epoch) => epoch.clone(),
            None => {
                let made = Arc::new(self.made(now)?);
                held.current.insert(made).clone()
            }
        };
        Ok((current, held.previous.clone()))
    }

    fn made(&self, now: Now) -> Result<Epoch, Refusal> {
        const FAILED: Refusal = Refusal::Internal("making a request key");
        let mut secret = Secret::new().map_err(|_| FAILED)?;
        let public = secret.reveal_mut(|secret| {
            let mut drawn = Zeroizing::new([0; 32]);
            fill(&mut *drawn)?;
            secret.copy_from_slice(&*drawn);
            Ok::<_, crate::identity::IdentityError>(public_key(&drawn))
        });
        let key = RequestKey {
            public: public.map_err(|_| FAILED)?,
            from_unix_s: now.unix_s,
            until_unix_s: now.unix_s + REQUEST_KEY_TAKEN.as_secs(),
            promise: self.promise,
        };
        let note = key.sign(&self.signer).map_err(|_| FAILED)?;
        let announced = AnnouncedKey { epoch: key.epoch(), until_unix_s: key.until_unix_s, note };
        let (id, used) = (key.epoch(), Mutex::default());
        Ok(Epoch { id, secret, made: now.instant, announced, used })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Epoch {
    /// Whether it is time for the next one.
    fn is_due(&self, now: Now) -> bool {
        let age = now.instant.saturating_duration_since(self.made);
        let often = self.used().len() >= REQUEST_KEY_NONCES_MANY;
        age >= REQUEST_KEY_ANNOUNCED || (often && age >= REQUEST_KEY_LEAST)
    }

    /// Whether nothing that is sealed to it is taken any more.
    fn is_over(&self, now: Now) -> bool {
        now.instant.saturating_duration_since(self.made) >= REQUEST_KEY_TAKEN
    }

    /// Marks a nonce as used.
    fn spend(&self, nonce: &[u8; NONCE_BYTES]) -> Result<(), Refusal> {
        let start: NonceStart = nonce.first_chunk().copied().unwrap_or_default();
        let mut used = self.used();
        if used.contains(&start) {
            return Err(Refusal::SealReplayed);
        }
        if used.len() >= REQUEST_KEY_NONCES_MAX {
            return Err(Refusal::SealKeySpent { retry_after: REQUEST_KEY_LEAST });
        }
        used.insert(start);
        Ok(())
    }

    fn used(&self) -> MutexGuard<'_, HashSet<NonceStart>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    /// The key that clients seal requests to now, signed.
    /// # Errors  [`Refusal::Internal`] if none can be made.
    pub fn request_key(&self) -> Result<AnnouncedKey, Refusal> {
        self.request_keys().announced(Now::read())
    }
}

#[cfg(test)]
mod tests;
