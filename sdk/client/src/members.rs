//! The members of a group that a client knows: pure, with time given.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{LEARN_AFTER_CALLS, LEARN_AGAIN, MEMBERS_MAX};

/// Where members are found, and which of them the next call goes to.
pub(crate) struct Members {
    /// Those that the credentials name come first and stay.
    known: Vec<Arc<str>>,
    named: usize,
    /// The one that answered last.
    current: usize,
    /// Calls that were answered.
    answered: u32,
    /// When to ask who there is; nothing before it was asked once.
    ask_from: Option<Instant>,
}

impl Members {
    /// Those that the credentials name, the first of them first.
    pub(crate) fn new<'a>(urls: impl Iterator<Item = &'a str>) -> Self {
        let mut known: Vec<Arc<str>> = Vec::new();
        for url in urls.filter_map(origin).take(MEMBERS_MAX) {
            if !known.contains(&url) {
                known.push(url);
            }
        }
        Self { named: known.len(), known, current: 0, answered: 0, ask_from: None }
    }

    /// All of them, in the order in which they are asked: who answered last is asked first.
    pub(crate) fn round(&self) -> Vec<Arc<str>> {
        let (before, from) = self.known.split_at(self.current.min(self.known.len()));
        from.iter().chain(before).cloned().collect()
    }

    /// This one, and then the others.
    pub(crate) fn round_from(&self, first: &Arc<str>) -> Vec<Arc<str>> {
        let others = self.round().into_iter().filter(|url| url != first);
        std::iter::once(first.clone()).chain(others).collect()
    }

    /// Somebody answered, whatever it was.
    pub(crate) fn answered(&mut self) {
        self.answered = self.answered.saturating_add(1);
    }

    /// This one does what it is asked; the next call goes to it.
    pub(crate) fn turn_to(&mut self, url: &str) {
        self.current = self.known.iter().position(|known| **known == *url).unwrap_or(self.current);
    }

    /// Whether any of them ever answered.
    pub(crate) fn ever_answered(&self) -> bool {
        self.answered > 0
    }

    /// Whether this one is named by the credentials.
    pub(crate) fn is_named(&self, url: &str) -> bool {
        self.known.iter().take(self.named).any(|known| **known == *url)
    }

    /// The member at which this address is, if it is one.
    pub(crate) fn at(&self, address: &str) -> Option<Arc<str>> {
        let origin = origin(address)?;
        self.known.iter().find(|known| **known == origin).cloned()
    }

    /// Whether it is time to ask who there is. It is taken for asked from then on. A client that
    /// makes one call and ends does not ask.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let due = match self.ask_from {
            None => self.answered >= LEARN_AFTER_CALLS,
            Some(from) => now >= from,
        };
        if due {
            self.ask_from = Some(now + LEARN_AGAIN);
        }
        due
    }

    /// Asking who there is came to nothing; it is tried again after a moment.
    pub(crate) fn learn_again_in(&mut self, now: Instant, wait: Duration) {
        self.ask_from = Some(now + wait);
    }

    /// These are the members now, as one of them says. What the credentials name stays.
    pub(crate) fn learn<'a>(&mut self, urls: impl Iterator<Item = &'a str>) {
        let current = self.known.get(self.current).cloned();
        self.known.truncate(self.named);
        for url in urls.filter_map(origin) {
            if self.known.len() < MEMBERS_MAX && !self.known.contains(&url) {
                self.known.push(url);
            }
        }
        let at = current.and_then(|current| self.known.iter().position(|url| *url == current));
        self.current = at.unwrap_or(0);
    }

    /// This one is no use: it shows a certificate that is not for where it is found.
    pub(crate) fn forget(&mut self, url: &str) {
        if !self.is_named(url) {
            let others: Vec<Arc<str>> = self.known.drain(self.named..).collect();
            self.learn(others.iter().map(|other| &**other).filter(|other| *other != url));
        }
    }
}

/// Scheme, host and port of an address, if it is one that calls may go to.
fn origin(url: &str) -> Option<Arc<str>> {
    let parsed = reqwest::Url::parse(url).ok()?;
    let plain = parsed.username().is_empty() && parsed.password().is_none();
    let fits = parsed.scheme() == "https" && parsed.has_host() && plain;
    // Spelt by the parser, so that one address is one text.
    fits.then(|| parsed.origin().ascii_serialization().into())
}

#[cfg(test)]
mod a_group {
    use super::*;

    const A: &str = "https://127.0.0.1:1";
    const B: &str = "https://127.0.0.1:2";
    const C: &str = "https://c.example:3";

    fn order(members: &Members) -> Vec<String> {
        members.round().iter().map(|url| url.to_string()).collect()
    }

    #[test]
    fn is_asked_beginning_with_the_one_that_answered_last() {
        let mut members = Members::new([A].into_iter());
        members.learn([A, B, C, B].into_iter());
        assert_eq!(order(&members), [A, B, C]);
        members.turn_to(B);
        assert_eq!(order(&members), [B, C, A]);
        let from: Vec<_> = members.round_from(&C.into());
        assert_eq!(from, [C, B, A].map(Arc::from));
    }

    #[test]
    fn keeps_whom_the_credentials_name_and_others_come_and_go() {
        let mut members = Members::new([A, B].into_iter());
        members.learn([B, C].into_iter());
        members.turn_to(C);
        members.learn([B].into_iter());
        assert_eq!(order(&members), [A, B]);
        members.learn([C].into_iter());
        members.forget(A);
        assert_eq!(order(&members), [A, B, C]);
        members.forget(C);
        assert_eq!(order(&members), [A, B]);
    }

    #[test]
    fn is_bounded_and_made_of_addresses() {
        let many: Vec<String> = (1..1000).map(|port| format!("https://[::1]:{port}")).collect();
        let mut members = Members::new([A].into_iter());
        members.learn(many.iter().map(String::as_str));
        assert_eq!(members.round().len(), MEMBERS_MAX);
        let mut members = Members::new([A].into_iter());
        let bad = ["http://127.0.0.1:2", "https://me@127.0.0.1:2", "127.0.0.1:2", "", "https://"];
        members.learn(bad.into_iter());
        assert_eq!(order(&members), [A]);
    }

    #[test]
    fn knows_its_members_by_scheme_host_and_port() {
        let mut members = Members::new([A].into_iter());
        members.learn(["https://c.example:443/"].into_iter());
        assert!(members.at("https://C.example/v1/objects/a/b").is_some());
        assert!(members.at("https://127.0.0.1:1/v1").is_some());
        for other in ["https://127.0.0.1:2/v1", "http://127.0.0.1:1/v1", "https://c.example.org/"] {
            assert!(members.at(other).is_none(), "{other}");
        }
    }

    #[test]
    fn is_asked_for_after_a_few_calls_and_then_now_and_again() {
        let mut members = Members::new([A].into_iter());
        let now = Instant::now();
        assert!(!members.is_due(now));
        (0..LEARN_AFTER_CALLS).for_each(|_| members.answered());
        assert!(members.is_due(now));
        assert!(!members.is_due(now));
        assert!(members.is_due(now + LEARN_AGAIN));
        let second = Duration::from_secs(1);
        let now = now + LEARN_AGAIN;
        members.learn_again_in(now, second);
        assert!(!members.is_due(now));
        assert!(members.is_due(now + second));
    }
}
