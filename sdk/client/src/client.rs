//! The client, and how a call comes to an answer: whom it goes to, again if that is safe, and on to
//! whom a member names.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notrace_sdk_wire::cluster::ClusterStatus;
use notrace_sdk_wire::path::CLUSTER;
use notrace_sdk_wire::{Code, Credentials, header};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Response, StatusCode};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use crate::call::{Call, read_bounded, refusal, transport_error};
use crate::deed::Whom;
use crate::error::Error;
use crate::limits::{
    CONNECT_MAX, LEARN_AFTER_CALLS, LEARN_RETRY, LOOK_PATIENCE, PATIENCE, PROBE, REDIRECTS_MAX,
    REPLY_BYTES_MAX, REPLY_MAX,
};
use crate::members::Members;
use crate::sealing::{Opener, RequestKeys};
use crate::tries::{Ended, Tries, Verdict};
use crate::trust::{self, Pinned};
use crate::verify;

/// How long a call may take until it is not tried again, its attempts and the waits between them
/// together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience(pub Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(PATIENCE)
    }
}

/// A client of a node, and of the group that the node is in. Cheap to clone; clones share their
/// connections and what they know of the members.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    pinned: Arc<Pinned>,
    url: Arc<str>,
    members: Arc<Mutex<Members>>,
    /// The highest view of the group that an answer was given in; 0 before the first. A member that
    /// is told it shows what this client has written and seen at others.
    view: Arc<AtomicU32>,
    pub(crate) request_keys: Arc<RequestKeys>,
    patience: Patience,
    company: Company,
}

/// Whom a client asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    Group,
    Alone,
}

/// How much of a reply is awaited before the call counts as answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Await {
    Head,
    Whole,
}

/// A reply of success.
pub(crate) struct Reply {
    /// Who gave it.
    pub(crate) member: Arc<str>,
    /// Its head, and its body unless that was awaited.
    pub(crate) response: Response,
    /// Its body, if it was.
    pub(crate) body: Vec<u8>,
    /// What opens it, if the request was sealed.
    pub(crate) opener: Option<Opener>,
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
            // A proxy would be a party that the credentials do not name; whom a member sends us on
            // to is looked at here.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .default_headers(headers)
            .connect_timeout(CONNECT_MAX)
            .http2_keep_alive_interval(PROBE.0)
            .http2_keep_alive_timeout(PROBE.1)
            .build()
            .map_err(|_| malformed("no client can be made of them"))?;
        let urls = std::iter::once(&credentials.url).chain(&credentials.members);
        let members = Members::new(urls.map(String::as_str));
        let url = members.at(&credentials.url).ok_or(malformed("`url` is not an address"))?;
        let (members, patience) = (Arc::new(Mutex::new(members)), Patience::default());
        Ok(Self {
            http,
            pinned,
            url,
            members,
            view: Arc::default(),
            request_keys: Arc::new(RequestKeys::new(verify::trust(credentials).ok())),
            patience,
            company: Company::Group,
        })
    }

    /// The same client with another patience.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The same client, which asks the node of its credentials and no other.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.company = Company::Alone;
        self
    }

    /// Where the node is, as the credentials say.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many members it knows of, the one of its credentials included.
    pub fn knows_of(&self) -> usize {
        self.members().round().len()
    }

    /// Sends `call`, again and to others if that is safe and sensible, and returns a reply of
    /// success as soon as it begins.
    /// # Errors  [`Error::Refused`] for any other reply, or why there was none;
    /// [`Error::OutcomeUnknown`] if a change was asked for and may have been made.
    /// # Cancel  The node may or may not have acted on it.
    pub(crate) async fn send(&self, call: &Call) -> Result<Reply, Error> {
        self.deliver(call, Await::Head).await
    }

    /// The same, once all of the reply is there.
    /// # Errors  As [`send`](Self::send).
    pub(crate) async fn whole(&self, call: &Call) -> Result<Reply, Error> {
        self.deliver(call, Await::Whole).await
    }

    /// Sends `call` and reads the reply as JSON.
    /// # Errors  As [`send`](Self::send), or [`Error::NotUnderstood`].
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let reply = self.whole(call).await?;
        serde_json::from_slice(&reply.body).map_err(|_| Error::NotUnderstood("its JSON"))
    }

    async fn deliver(&self, call: &Call, wanted: Await) -> Result<Reply, Error> {
        let patience = match call.deed.whom() {
            Whom::Anyone => self.patience.0,
            Whom::Named => self.patience.0.min(LOOK_PATIENCE),
        };
        let mut tries = Tries::new(call.deed.repeat(), patience, Instant::now());
        let mut worst = None;
        loop {
            for member in self.round(call) {
                let (error, wait) = match self.attempt(call, &member, wanted, &tries).await {
                    Ok(reply) => {
                        self.members().turn_to(&reply.member);
                        self.learn_soon(&reply.member);
                        return Ok(reply);
                    }
                    Err(failed) => failed,
                };
                let over = tries.judge(ended(&error, wait)) == Verdict::Over;
                if over {
                    return Err(told(error, &tries));
                }
                worst = Some(weightier(worst, error));
                if tries.left(Instant::now()).is_zero() {
                    break;
                }
            }
            let known = self.members().ever_answered();
            let Some(pause) = tries.pause(Instant::now(), chance(), known) else {
                let error = worst.unwrap_or(Error::Unreachable);
                return Err(if tries.may_be_done() { Error::OutcomeUnknown } else { error });
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Who is asked, in which order.
    fn round(&self, call: &Call) -> Vec<Arc<str>> {
        match (call.deed.whom(), &call.first) {
            _ if self.company == Company::Alone => vec![self.url.clone()],
            (Whom::Named, _) => vec![self.url.clone()],
            (Whom::Anyone, Some(first)) => self.members().round_from(first),
            (Whom::Anyone, None) => self.members().round(),
        }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends `call` to a member, and on to whom that one names.
    async fn attempt(
        &self,
        call: &Call,
        member: &Arc<str>,
        wanted: Await,
        tries: &Tries,
    ) -> Result<Reply, (Error, Option<Duration>)> {
        let (mut member, mut renewed) = (member.clone(), false);
        for _ in 0..=REDIRECTS_MAX {
            let left = tries.left(Instant::now());
            let sent = self.transmit(call, &member, left).await;
            let (mut response, opener) = sent.map_err(|error| (error, None))?;
            if response.status() == StatusCode::TEMPORARY_REDIRECT {
                member = self.sent_on(call, &member, &response).await.map_err(|it| (it, None))?;
                continue;
            }
            self.members().answered();
            if !response.status().is_success() {
                let (error, wait) = refusal(response).await;
                if !renewed && matches!(error.code(), Some(Code::SealKeyUnknown)) {
                    // It began anew since, or its key's time is over; nothing was run.
                    self.request_keys.forget(&member);
                    renewed = true;
                    continue;
                }
                return Err((self.told_by(error, opener, member), wait));
            }
            let body = match wanted {
                Await::Head => Vec::new(),
                Await::Whole => {
                    let read = read_bounded(&mut response, REPLY_BYTES_MAX).await;
                    read.map_err(|error| (error, None))?
                }
            };
            return Ok(Reply { member, response, body, opener });
        }
        Err((Error::NotUnderstood("it is sent from one member to the next"), None))
    }

    /// The member that a reply names instead. It must be one, and asked for the same thing.
    async fn sent_on(
        &self,
        call: &Call,
        from: &Arc<str>,
        response: &Response,
    ) -> Result<Arc<str>, Error> {
        let strange = Error::NotUnderstood("it names somebody who is no member");
        let to = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let may_go = call.deed.whom() == Whom::Anyone && self.company == Company::Group;
        let Some(to) = to.filter(|_| may_go) else { return Err(strange) };
        let mut member = self.members().at(to);
        if member.is_none() {
            self.learn(from).await;
            member = self.members().at(to);
        }
        let member = member.ok_or(strange)?;
        let same = reqwest::Url::parse(to).ok() == at(&member, &call.path).ok();
        if same { Ok(member) } else { Err(Error::NotUnderstood("it names something else")) }
    }

    /// Sends `call` to a member and waits for the reply to begin. What is to be sealed is sealed to
    /// that member, and opened by what comes back beside the reply.
    async fn transmit(
        &self,
        call: &Call,
        member: &Arc<str>,
        left: Duration,
    ) -> Result<(Response, Option<Opener>), Error> {
        let (body, opener) = match (&call.body, &call.sealing) {
            (_, Some(sealing)) => {
                let (sealed, opener) = sealing.seal(&self.request_key(member).await?)?;
                (Some(reqwest::Body::from(sealed)), Some(opener))
            }
            (Some(body), None) => (Some(body.body()?), None),
            (None, None) => (None, None),
        };
        Ok((self.exchange(call, member, body, left).await?, opener))
    }

    /// Sends `call` with this body to a member, as it is.
    pub(crate) async fn exchange(
        &self,
        call: &Call,
        member: &str,
        body: Option<reqwest::Body>,
        left: Duration,
    ) -> Result<Response, Error> {
        let mut request = self.http.request(call.method.clone(), at(member, &call.path)?);
        request = request.headers(call.headers.clone());
        let seen = self.view.load(Ordering::Relaxed);
        if seen > 0 && call.deed.whom() == Whom::Anyone {
            request = request.header(header::VIEW, seen);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        match timeout(call.reply_max(left), request.send()).await {
            Err(_) => Err(Error::TimedOut),
            Ok(Ok(response)) => {
                let view = response.headers().get(header::VIEW).and_then(|it| it.to_str().ok());
                let view = view.and_then(|view| view.parse().ok()).unwrap_or_default();
                self.view.fetch_max(view, Ordering::Relaxed);
                Ok(response)
            }
            Ok(Err(error)) => Err(self.not_sent(member, transport_error(&error))),
        }
    }

    /// Why nothing came back from a member. That the node which the credentials name cannot be
    /// trusted ends a call; a member that was only heard of is left out instead.
    fn not_sent(&self, member: &str, error: Error) -> Error {
        let refused = match error {
            Error::Unreachable => self.pinned.take_refusal(),
            _ => None,
        };
        match refused {
            None => error,
            Some(refused) if self.members().is_named(member) => refused,
            Some(_) => {
                self.members().forget(member);
                Error::Unreachable
            }
        }
    }

    /// Asks this member who there is, if it is time to. Nobody waits for it.
    fn learn_soon(&self, member: &Arc<str>) {
        if self.members().is_due(Instant::now()) {
            let (client, member) = (self.clone(), member.clone());
            tokio::spawn(async move { client.learn(&member).await });
        }
    }

    /// The same for something that lasts: it should know of others before its member goes.
    pub(crate) fn learn_soon_for_long(&self, member: &Arc<str>) {
        (0..LEARN_AFTER_CALLS).for_each(|_| self.members().answered());
        self.learn_soon(member);
    }

    /// Asks this member who there is.
    pub(crate) async fn learn(&self, member: &str) {
        let asked = timeout(REPLY_MAX, self.told_members(member)).await;
        match asked {
            Ok(Ok(status)) => {
                let urls = status.members.iter().filter_map(|member| member.url.as_deref());
                self.members().learn(urls);
            }
            _ => self.members().learn_again_in(Instant::now(), LEARN_RETRY),
        }
    }

    async fn told_members(&self, member: &str) -> Result<ClusterStatus, Error> {
        let call = Call::get(CLUSTER);
        let mut response = self.exchange(&call, member, None, REPLY_MAX).await?;
        if !response.status().is_success() {
            return Err(refusal(response).await.0);
        }
        let body = read_bounded(&mut response, REPLY_BYTES_MAX).await?;
        serde_json::from_slice(&body).map_err(|_| Error::NotUnderstood("its JSON"))
    }
}

fn at(member: &str, path: &str) -> Result<reqwest::Url, Error> {
    reqwest::Url::parse(&format!("{member}{path}")).map_err(|_| Error::NotUnderstood("an address"))
}

/// What an error means for the attempts to come.
fn ended(error: &Error, wait: Option<Duration>) -> Ended {
    match error {
        Error::Refused(problem) => match problem.code {
            Code::Busy
            | Code::TaskCompiling
            | Code::Unavailable
            | Code::Stopping
            | Code::NoMajority
            | Code::PostureLost
            | Code::SealKeyUnknown
            | Code::SealKeySpent => Ended::TurnedAway(wait),
            Code::OutcomeUnknown => Ended::Unclear(wait),
            Code::Internal => Ended::Faulty,
            _ => Ended::Final,
        },
        Error::Unreachable => Ended::NotSent,
        Error::CutOff | Error::TimedOut => Ended::Lost,
        _ => Ended::Final,
    }
}

/// What the caller is told of an error after which nobody else is asked.
fn told(error: Error, tries: &Tries) -> Error {
    match error {
        Error::CutOff | Error::TimedOut if tries.may_be_done() => Error::OutcomeUnknown,
        // Our key is nobody else's, so it was done; how, nobody can tell any more.
        Error::Refused(problem)
            if tries.may_be_done() && problem.code == Code::IdempotencyMismatch =>
        {
            Error::OutcomeUnknown
        }
        error => error,
    }
}

/// Of two errors the one that says more.
fn weightier(before: Option<Error>, error: Error) -> Error {
    let weight = |error: &Error| match error {
        Error::Unreachable => 0,
        Error::CutOff | Error::TimedOut => 1,
        _ => 2,
    };
    match before {
        Some(before) if weight(&before) > weight(&error) => before,
        _ => error,
    }
}

/// Somewhere between nothing and this long.
pub(crate) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(f64::from(chance()) / f64::from(u32::MAX))
}

/// A number that nobody can foresee; without one, clients that failed together come back together.
fn chance() -> u32 {
    let mut bytes = [0; 4];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => u32::from_be_bytes(bytes),
        Err(_) => u32::MAX,
    }
}
