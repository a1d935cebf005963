//! What holds on this host: every fence of the workers and every mitigation of the kernel that we
//! know to look for, with how to turn it on.
//!
//! Fences are put up once, when the workers are started; the host can change under a node that
//! serves, so it is looked at again, each minute and whenever somebody asks. What is required and
//! held at the start must go on to hold: while it does not, no new run begins.

mod host;
mod words;

use std::sync::{Arc, PoisonError, RwLock};

use notrace_runtime_worker::{Fence, State};

use crate::limits::POSTURE_EVERY;
use crate::node::Node;
use crate::telemetry::Event;
pub(crate) use host::Host;
use words::words;

/// One mitigation and its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mitigation {
    /// Its stable name.
    pub name: &'static str,
    /// Whether it holds.
    pub state: MitigationState,
    /// Whether a strict node refuses to serve without it.
    pub required: bool,
    /// What it is good for.
    pub meaning: &'static str,
    /// How to turn it on.
    pub remedy: &'static str,
}

/// Whether a mitigation holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MitigationState {
    /// It does.
    On,
    /// It does not.
    Off,
    /// The host does not say; counted as off.
    Unknown,
}

impl Mitigation {
    /// Whether it surely holds.
    pub fn is_on(&self) -> bool {
        self.state == MitigationState::On
    }
}

/// What holds, kept up to date.
pub(crate) struct Posture {
    host: Host,
    fences: Vec<Mitigation>,
    /// What is required, and held when the node started.
    held: Vec<&'static str>,
    now: RwLock<Arc<[Mitigation]>>,
}

impl Posture {
    /// Looks at everything there is to know, fences first.
    pub(crate) fn survey(fences: &[(Fence, State)], host: Host) -> Self {
        let fences = fences.iter().map(|(fence, state)| {
            let words::Words { name, required, meaning, remedy, .. } = *words(*fence);
            let state =
                if *state == State::On { MitigationState::On } else { MitigationState::Off };
            Mitigation { name, state, required, meaning, remedy }
        });
        let fences: Vec<_> = fences.collect();
        let now: Arc<[Mitigation]> = fences.iter().copied().chain(host.survey()).collect();
        let held = now.iter().filter(|it| it.required && it.is_on()).map(|it| it.name).collect();
        Self { host, fences, held, now: RwLock::new(now) }
    }

    /// What held when it was last looked at.
    pub(crate) fn now(&self) -> Arc<[Mitigation]> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks again. Reads some small files of the kernel's, which takes a fraction of a
    /// millisecond.
    pub(crate) fn look_again(&self) -> Arc<[Mitigation]> {
        let now: Arc<[Mitigation]> =
            self.fences.iter().copied().chain(self.host.survey()).collect();
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = now.clone();
        now
    }

    /// The first that is required, held at the start, and does not hold any more.
    pub(crate) fn lost(&self) -> Option<&'static str> {
        let now = self.now();
        let is_on = |name: &str| now.iter().any(|it| it.name == name && it.is_on());
        self.held.iter().copied().find(|name| !is_on(name))
    }

    /// What is required and does not hold.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let now = self.now();
        now.iter().filter(|it| it.required && !it.is_on()).map(|it| it.name).collect()
    }

    /// Whether all of these hold, for receipts.
    pub(crate) fn holds(&self, names: &[&str]) -> bool {
        let now = self.now();
        names.iter().all(|name| now.iter().any(|it| it.name == *name && it.is_on()))
    }
}

impl Node {
    /// What holds on this host, looked at now.
    pub fn posture(&self) -> Arc<[Mitigation]> {
        self.known_posture().look_again()
    }

    /// How many mitigations held when it was last looked at.
    pub(crate) fn mitigations_on(&self) -> u32 {
        self.known_posture().now().iter().filter(|it| it.is_on()).count() as u32
    }

    /// Looks at the host each minute until the node ends.
    pub(crate) fn keep_looking(&self) {
        let node = self.downgrade();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(POSTURE_EVERY).await;
                let Some(node) = Node::upgrade(&node) else { return };
                let (before, had) = (node.mitigations_on(), node.known_posture().lost());
                let of = node.posture().len() as u32;
                let (on, lost) = (node.mitigations_on(), node.known_posture().lost());
                if on != before {
                    node.telemetry().event(Event::PostureChanged { on, of });
                }
                if had.is_none() && lost.is_some() {
                    node.telemetry().event(Event::PostureLost);
                }
            }
        });
    }
}

#[cfg(test)]
mod a_posture {
    use std::fs;

    use super::host::fake::host;
    use super::*;

    const HEAD: &str = "Filename Type Size Used Priority\n";
    const SWAPS: &str = "Filename Type Size Used Priority\n/swap file 1 0 -2\n";

    #[test]
    fn that_loses_what_it_had_says_so_until_it_has_it_again() {
        let (folder, host) = host(&[("/proc/swaps", HEAD)]);
        let posture = Posture::survey(&[(Fence::Seccomp, State::On)], host);
        assert!(posture.holds(&["swap_off", "seccomp"]) && posture.lost().is_none());
        fs::write(folder.path().join("proc/swaps"), SWAPS).unwrap();
        assert!(posture.lost().is_none(), "nobody has looked yet");
        posture.look_again();
        assert_eq!((posture.lost(), posture.missing()), (Some("swap_off"), vec!["swap_off"]));
        assert!(!posture.holds(&["swap_off", "seccomp"]) && posture.holds(&["seccomp"]));
        fs::write(folder.path().join("proc/swaps"), HEAD).unwrap();
        posture.look_again();
        assert_eq!(posture.lost(), None);
    }

    #[test]
    fn loses_nothing_that_it_never_had() {
        let (_folder, host) = host(&[("/proc/swaps", SWAPS)]);
        let posture = Posture::survey(&[], host);
        posture.look_again();
        assert_eq!((posture.lost(), posture.missing()), (None, vec!["swap_off"]));
    }
}
