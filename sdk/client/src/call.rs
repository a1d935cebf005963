//! One request: what is sent, and what its reply says.

use std::sync::Arc;
use std::time::Duration;

use notrace_sdk_wire::run::SEALED_MEDIA_TYPE;
use notrace_sdk_wire::{Code, Problem, header, problem};
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::{Method, Response, StatusCode};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;

use crate::deed::{Deed, Repeat};
use crate::error::Error;
use crate::limits::{REPLY_BYTES_MAX, REPLY_MAX, REPLY_MIN, SILENCE_MAX};
use crate::sealing::Sealing;
use crate::source::Source;

/// A request, ready to be sent any number of times.
pub(crate) struct Call {
    pub(crate) deed: Deed,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Source>,
    /// What is sealed to whoever is asked, instead of a body that is the same for all.
    pub(crate) sealing: Option<Sealing>,
    /// The member that is asked first, if that matters.
    pub(crate) first: Option<Arc<str>>,
    silence_max: Option<Duration>,
}

impl Call {
    /// A request that changes nothing.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::bare(Deed::Read, Method::GET, path.into())
    }

    /// The same without a body in the reply.
    pub(crate) fn head(path: impl Into<String>) -> Self {
        Self::bare(Deed::Read, Method::HEAD, path.into())
    }

    /// A question to the node that the credentials name, about itself.
    pub(crate) fn look(path: impl Into<String>) -> Self {
        Self::bare(Deed::Look, Method::GET, path.into())
    }

    /// A request that does this; under a fresh idempotency key where one is remembered.
    /// # Errors  [`Error::NoRandomness`]
    pub(crate) fn to(deed: Deed, method: Method, path: impl Into<String>) -> Result<Self, Error> {
        let call = Self::bare(deed, method, path.into());
        match deed.repeat() {
            Repeat::Keyed => call.with(header::IDEMPOTENCY_KEY, &fresh_key()?),
            Repeat::Nothing | Repeat::Same | Repeat::Harm => Ok(call),
        }
    }

    fn bare(deed: Deed, method: Method, path: String) -> Self {
        let headers = HeaderMap::new();
        let (body, sealing, first) = (None, None, None);
        Self { deed, method, path, headers, body, sealing, first, silence_max: None }
    }

    /// With one more header of this name.
    /// # Errors  [`Error::NotUnderstood`] if the value cannot stand in a header.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Result<Self, Error> {
        let name = HeaderName::try_from(name).map_err(|_| Error::NotUnderstood("a header"))?;
        let value = HeaderValue::from_str(value).map_err(|_| Error::NotUnderstood("a header"))?;
        self.headers.append(name, value);
        Ok(self)
    }

    /// With this body.
    pub(crate) fn body(mut self, body: Source, media_type: &'static str) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.size_bytes()));
        self.body = Some(body);
        self
    }

    /// With this sealed, for each member that is asked anew.
    pub(crate) fn sealed(mut self, sealing: Sealing) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(SEALED_MEDIA_TYPE));
        self.sealing = Some(sealing);
        self
    }

    /// With this value as a JSON body.
    /// # Errors  [`Error::NotUnderstood`] if it cannot be spelt.
    pub(crate) fn json(self, value: &impl Serialize) -> Result<Self, Error> {
        let text = serde_json::to_vec(value).map_err(|_| Error::NotUnderstood("a request"))?;
        Ok(self.body(Source::bytes(text), "application/json"))
    }

    /// With another bound on the other end's silence.
    pub(crate) fn silence_max(mut self, silence_max: Duration) -> Self {
        self.silence_max = Some(silence_max);
        self
    }

    /// Asked of this member first.
    pub(crate) fn first(mut self, member: Option<Arc<str>>) -> Self {
        self.first = member;
        self
    }

    /// How long the other end may take to begin its reply, with so much time left for the call. An
    /// upload takes as long as its line needs: a second for every 64 KiB.
    pub(crate) fn reply_max(&self, left: Duration) -> Duration {
        let body = self.body.as_ref().map_or(0, Source::size_bytes);
        let sealed = self.sealing.as_ref().map_or(0, Sealing::size_bytes);
        let upload = Duration::from_secs((body + sealed) >> 16);
        let silence = match (self.silence_max, self.deed.repeat()) {
            (Some(silence), _) => silence,
            (None, Repeat::Harm) => SILENCE_MAX,
            (None, _) => left.clamp(REPLY_MIN, REPLY_MAX),
        };
        silence + upload
    }
}

/// What the HTTP library says, in our words.
pub(crate) fn transport_error(error: &reqwest::Error) -> Error {
    if error.is_connect() {
        Error::Unreachable
    } else if error.is_timeout() {
        Error::TimedOut
    } else {
        Error::CutOff
    }
}

/// The response, if it is one of success.
pub(crate) async fn refused_or(response: Response) -> Result<Response, Error> {
    if response.status().is_success() { Ok(response) } else { Err(refusal(response).await.0) }
}

/// The error that a reply other than success stands for, and how long to wait if it says so.
pub(crate) async fn refusal(mut response: Response) -> (Error, Option<Duration>) {
    let status = response.status();
    let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let wait =
        text(RETRY_AFTER.as_str()).and_then(|value| value.parse().ok()).map(Duration::from_secs);
    let receipt = text(header::RECEIPT).and_then(|path| path.parse().ok());
    let typed =
        text(CONTENT_TYPE.as_str()).is_some_and(|value| value.starts_with(problem::MEDIA_TYPE));
    let body = match read_bounded(&mut response, REPLY_BYTES_MAX).await {
        Ok(body) => body,
        Err(error) => return (error, wait),
    };
    let parsed = serde_json::from_slice::<Problem>(&body).ok().filter(|_| typed);
    // A reply to HEAD has no body, and a newer node may have codes this client does not know.
    let problem = parsed.or_else(|| problem_of_status(status));
    let error = match (problem.map(Box::new), receipt) {
        (None, _) => Error::NotUnderstood("its status"),
        (Some(problem), Some(receipt)) => Error::RunFailed { problem, receipt, request: None },
        (Some(problem), None) if problem.code == Code::HistoryTrimmed => {
            Error::HistoryTrimmed(problem)
        }
        (Some(problem), None) => Error::Refused(problem),
    };
    (error, wait)
}

/// The problem that a bare status stands for.
fn problem_of_status(status: StatusCode) -> Option<Problem> {
    let code = match status.as_u16() {
        401 => Code::Unauthenticated,
        403 => Code::NotPermitted,
        404 => Code::ObjectUnknown,
        409 => Code::Conflict,
        410 => Code::ObjectShredded,
        412 => Code::VersionMismatch,
        429 => Code::Busy,
        503 => Code::Unavailable,
        500..=599 => Code::Internal,
        _ => return None,
    };
    Some(Problem::new(code, code.meaning()))
}

/// The body of a reply, if it is at most `limit` bytes.
pub(crate) async fn read_bounded(response: &mut Response, limit: usize) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    loop {
        let chunk = tokio::time::timeout(SILENCE_MAX, response.chunk()).await;
        let chunk = chunk.map_err(|_| Error::TimedOut)?;
        let Some(chunk) = chunk.map_err(|error| transport_error(&error))? else {
            return Ok(body);
        };
        if body.len() + chunk.len() > limit {
            return Err(Error::NotUnderstood("it is larger than any reply"));
        }
        body.extend_from_slice(&chunk);
    }
}

/// An idempotency key that nobody used before: 128 random bits.
fn fresh_key() -> Result<String, Error> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
