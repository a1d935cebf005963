//! One request and its repetitions.

use std::sync::Arc;
use std::time::Duration;

use notrace_sdk_wire::{Code, Credentials, Problem, header, problem};
use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::{Method, Response, StatusCode};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::limits::{
    ATTEMPTS_MAX, BACKOFF_FIRST, BACKOFF_MAX, CONNECT_MAX, PATIENCE, REPLY_BYTES_MAX, SILENCE_MAX,
};
use crate::source::Source;
use crate::trust::{self, Pinned};

/// How long a call may wait between its attempts, all waits together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience(pub Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(PATIENCE)
    }
}

/// A client of one node. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    pinned: Arc<Pinned>,
    url: Arc<str>,
    patience: Patience,
}

/// Whether a request may be sent again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Whatever happened to it: it changes nothing, or carries an idempotency key.
    Always,
    /// Only if it certainly was not acted on.
    IfRefused,
}

/// A request, ready to be sent any number of times.
pub(crate) struct Call {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Option<Source>,
    repeat: Repeat,
    silence_max: Duration,
}

impl Call {
    /// A request that changes nothing.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path.into(), Repeat::Always)
    }

    /// The same without a body in the reply.
    pub(crate) fn head(path: impl Into<String>) -> Self {
        Self::new(Method::HEAD, path.into(), Repeat::Always)
    }

    /// A request that changes something, under a fresh idempotency key.
    /// # Errors  [`Error::NoRandomness`]
    pub(crate) fn change(method: Method, path: impl Into<String>) -> Result<Self, Error> {
        let call = Self::new(method, path.into(), Repeat::Always);
        call.with(header::IDEMPOTENCY_KEY, &fresh_key()?)
    }

    /// A request that must not take effect twice and has no key.
    pub(crate) fn once(method: Method, path: impl Into<String>) -> Self {
        Self::new(method, path.into(), Repeat::IfRefused)
    }

    fn new(method: Method, path: String, repeat: Repeat) -> Self {
        let headers = HeaderMap::new();
        Self { method, path, headers, body: None, repeat, silence_max: SILENCE_MAX }
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

    /// With this value as a JSON body.
    /// # Errors  [`Error::NotUnderstood`] if it cannot be spelt.
    pub(crate) fn json(self, value: &impl Serialize) -> Result<Self, Error> {
        let text = serde_json::to_vec(value).map_err(|_| Error::NotUnderstood("a request"))?;
        Ok(self.body(Source::bytes(text), "application/json"))
    }

    /// With another bound on the other end's silence.
    pub(crate) fn silence_max(mut self, silence_max: Duration) -> Self {
        self.silence_max = silence_max;
        self
    }
}

impl Client {
    /// A client for the node of these credentials. Connects at the first call.
    /// # Errors  [`Error::CredentialsMalformed`]
    pub fn new(credentials: &Credentials) -> Result<Self, Error> {
        let malformed = Error::CredentialsMalformed;
        let (tls, pinned) = trust::config(credentials)?;
        let mut headers = HeaderMap::new();
        if !credentials.token.is_empty() {
            let mut bearer = HeaderValue::try_from(format!("Bearer {}", credentials.token))
                .map_err(|_| malformed("`token` is not a token"))?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            // A proxy or a redirect would be a party that the credentials do not name.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .default_headers(headers)
            .connect_timeout(CONNECT_MAX)
            .build()
            .map_err(|_| malformed("no client can be made of them"))?;
        let url = credentials.url.trim_end_matches('/').into();
        Ok(Self { http, pinned, url, patience: Patience::default() })
    }

    /// The same client with another patience.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Where the node is, as the credentials say.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends `call`, again if that is safe and sensible, and returns a reply of success.
    /// # Errors  [`Error::Refused`] for any other reply, or why there was none.
    /// # Cancel  The node may or may not have acted on it.
    pub(crate) async fn send(&self, call: &Call) -> Result<Response, Error> {
        let mut patience = self.patience.0;
        let mut backoff = BACKOFF_FIRST;
        for attempt in 1.. {
            let (error, wait) = match self.attempt(call).await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => refusal(response).await,
                Err(error) => (error, None),
            };
            let again = match &error {
                Error::Refused(problem) => {
                    matches!(problem.code, Code::Busy | Code::Unavailable | Code::NoMajority)
                }
                Error::Unreachable => true,
                Error::CutOff | Error::TimedOut => call.repeat == Repeat::Always,
                _ => false,
            };
            let wait = wait.unwrap_or(backoff);
            if !again || attempt >= ATTEMPTS_MAX || wait > patience {
                return Err(error);
            }
            patience -= wait;
            backoff = (backoff * 2).min(BACKOFF_MAX);
            tokio::time::sleep(wait).await;
        }
        Err(Error::Unreachable)
    }

    /// Sends `call` and reads the reply as JSON.
    /// # Errors  As [`send`](Self::send), or [`Error::NotUnderstood`].
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let body = read_bounded(self.send(call).await?, REPLY_BYTES_MAX).await?;
        serde_json::from_slice(&body).map_err(|_| Error::NotUnderstood("its JSON"))
    }

    async fn attempt(&self, call: &Call) -> Result<Response, Error> {
        let url = format!("{}{}", self.url, call.path);
        let mut request = self.http.request(call.method.clone(), url);
        request = request.headers(call.headers.clone());
        if let Some(body) = &call.body {
            request = request.body(body.body()?);
        }
        // Only the reply's head is bounded here: an upload takes as long as its line needs, and
        // its own progress keeps the connection alive.
        let bound = call.silence_max + upload_allowance(call.body.as_ref());
        match tokio::time::timeout(bound, request.send()).await {
            Err(_) => Err(Error::TimedOut),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                Err(self.pinned.take_refusal().unwrap_or_else(|| transport_error(&error)))
            }
        }
    }
}

/// How much longer a body of this size may take: a second for every 64 KiB.
fn upload_allowance(body: Option<&Source>) -> Duration {
    Duration::from_secs(body.map_or(0, |body| body.size_bytes() >> 16))
}

/// What the HTTP library says, in our words.
pub(crate) fn transport_error(error: &reqwest::Error) -> Error {
    if error.is_timeout() {
        Error::TimedOut
    } else if error.is_connect() {
        Error::Unreachable
    } else {
        Error::CutOff
    }
}

/// The response, if it is one of success.
pub(crate) async fn refused_or(response: Response) -> Result<Response, Error> {
    if response.status().is_success() { Ok(response) } else { Err(refusal(response).await.0) }
}

/// The error that a reply other than success stands for, and how long to wait if it says so.
async fn refusal(response: Response) -> (Error, Option<Duration>) {
    let status = response.status();
    let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let wait =
        text(RETRY_AFTER.as_str()).and_then(|value| value.parse().ok()).map(Duration::from_secs);
    let receipt = text(header::RECEIPT).and_then(|path| path.parse().ok());
    let typed =
        text(CONTENT_TYPE.as_str()).is_some_and(|value| value.starts_with(problem::MEDIA_TYPE));
    let body = match read_bounded(response, REPLY_BYTES_MAX).await {
        Ok(body) => body,
        Err(error) => return (error, wait),
    };
    let parsed = serde_json::from_slice::<Problem>(&body).ok().filter(|_| typed);
    // A reply to HEAD has no body, and a newer node may have codes this client does not know.
    let problem = parsed.or_else(|| problem_of_status(status));
    let error = match (problem.map(Box::new), receipt) {
        (None, _) => Error::NotUnderstood("its status"),
        (Some(problem), None) => Error::Refused(problem),
        (Some(problem), Some(receipt)) => Error::RunFailed { problem, receipt },
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
pub(crate) async fn read_bounded(mut response: Response, limit: usize) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport_error(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(Error::NotUnderstood("it is larger than any reply"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An idempotency key that nobody used before: 128 random bits.
fn fresh_key() -> Result<String, Error> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::NoRandomness)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
