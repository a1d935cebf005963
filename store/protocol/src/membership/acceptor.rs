//! What a member has bound itself to in agreeing on the view's successor.
//!
//! An echo counts only once it is on the disk: a majority that echoed has decided, and must know
//! that in its next life. A promise of attempt 0 may be forgotten, because no later life takes part
//! in attempt 0; a promise of a restart may not.
//!
//! Source: Lamport, "The Part-Time Parliament" (1998): promise is `nextBallot`, echo is `lastVote`.

use std::sync::Arc;

use crate::effect::{Durable, Effect};
use crate::ids::Life;
use crate::row::{Ballot, Proposal};
use crate::view::View;

/// The lives that a node's disk remembers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Lives {
    /// The first.
    pub(crate) born: Life,
    /// The present one.
    pub(crate) life: Life,
}

/// One member's bonds in one view.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Acceptor {
    /// The highest ballot it prefers to all below.
    promised: Option<Ballot>,
    /// The proposal of the highest ballot it copied.
    echo: Option<Arc<Proposal>>,
    /// The record that holds both, while it is on its way to the disk.
    writing: Option<u64>,
    /// What is on the disk.
    safe: (Option<Ballot>, Option<Arc<Proposal>>),
    /// The highest promise that others may have heard of.
    told: Option<Ballot>,
}

impl Acceptor {
    /// Free of bonds.
    pub(crate) fn new() -> Self {
        Self::restored(None, None)
    }

    /// With the bonds of an earlier life.
    pub(crate) fn restored(promised: Option<Ballot>, echo: Option<Arc<Proposal>>) -> Self {
        let safe = (promised, echo.clone());
        Self { promised, echo, writing: None, safe, told: promised }
    }

    /// What it is bound to, on the disk or not.
    pub(crate) fn promised(&self) -> Option<Ballot> {
        self.promised
    }

    /// Whether it has copied any proposal, on the disk or not.
    pub(crate) fn has_echoed(&self) -> bool {
        self.echo.is_some()
    }

    /// The promise that others may rely on.
    pub(crate) fn promise_to_tell(&self) -> Option<Ballot> {
        self.told
    }

    /// The echo that others may rely on.
    pub(crate) fn echo_to_tell(&self) -> Option<&Arc<Proposal>> {
        self.safe.1.as_ref()
    }

    /// Prefers this ballot to all below from now on; says whether that is new.
    pub(crate) fn promise(&mut self, ballot: Ballot) -> bool {
        let news = self.promised < Some(ballot);
        if news {
            self.bind(ballot);
        }
        news
    }

    /// Copies a proposal, unless a higher ballot was promised; says whether that is new.
    pub(crate) fn echo(&mut self, proposal: &Arc<Proposal>) -> bool {
        let behind = self.echo.as_ref().is_none_or(|echo| echo.ballot < proposal.ballot);
        let free = self.promised <= Some(proposal.ballot);
        if behind && free {
            self.bind(proposal.ballot);
            self.echo = Some(proposal.clone());
        }
        behind && free
    }

    fn bind(&mut self, ballot: Ballot) {
        self.promised = Some(ballot);
        // While an echo is being written the promise waits for it: told before, it would assure a
        // leader that there is no echo, and then there would be one.
        if ballot.attempt == 0 && self.writing.is_none() {
            self.told = Some(ballot);
        }
    }

    /// Writes down what is not safe yet.
    pub(crate) fn write(
        &mut self,
        who: Lives,
        view: &Arc<View>,
        number: u64,
        out: &mut Vec<Effect>,
    ) {
        let durable = Durable {
            born: who.born,
            life: who.life,
            view: Some(view.clone()),
            promised: self.promised,
            echo: self.echo.clone(),
        };
        self.writing = Some(number);
        out.push(Effect::Record { number, durable: Arc::new(durable) });
    }

    /// A record is on the disk; says whether it made something safe.
    pub(crate) fn recorded(&mut self, number: u64) -> bool {
        if self.writing != Some(number) {
            return false;
        }
        self.writing = None;
        let wanted = (self.promised, self.echo.clone());
        let news = self.safe != wanted;
        self.told = self.told.max(self.promised);
        self.safe = wanted;
        news
    }
}

#[cfg(test)]
mod a_member_bound_to_a_ballot {
    use super::*;
    use crate::ids::{NodeId, Rank};
    use crate::view::{Duty, Member};

    const LIVES: Lives = Lives { born: Life(1), life: Life(1) };

    fn ballot(attempt: u32, rank: u16) -> Ballot {
        Ballot { attempt, rank: Rank(rank) }
    }

    fn proposal(ballot: Ballot) -> Arc<Proposal> {
        let node = NodeId::new(1).unwrap();
        let founder = Member { node, life: Life(1), duty: Duty::Full };
        Arc::new(Proposal { ballot, view: View::founded_by(founder, 1) })
    }

    #[test]
    fn echoes_nothing_below_it() {
        let mut acceptor = Acceptor::new();
        assert!(acceptor.promise(ballot(0, 2)));
        assert!(!acceptor.promise(ballot(0, 1)));
        assert!(!acceptor.echo(&proposal(ballot(0, 1))));
        assert!(acceptor.echo(&proposal(ballot(0, 2))));
        assert!(!acceptor.echo(&proposal(ballot(0, 2))));
    }

    #[test]
    fn tells_an_echo_only_once_the_last_record_is_safe() {
        let mut acceptor = Acceptor::new();
        let (mut out, first) = (Vec::new(), proposal(ballot(0, 0)));
        let view = first.view.clone();
        acceptor.echo(&first);
        acceptor.write(LIVES, &view, 1, &mut out);
        assert_eq!(acceptor.promise_to_tell(), Some(ballot(0, 0)));
        assert_eq!(acceptor.echo_to_tell(), None);
        acceptor.promise(ballot(1, 0));
        acceptor.write(LIVES, &view, 2, &mut out);
        assert!(!acceptor.recorded(1));
        assert_eq!(acceptor.promise_to_tell(), Some(ballot(0, 0)), "a row never falls back");
        assert!(acceptor.recorded(2));
        assert_eq!(acceptor.promise_to_tell(), Some(ballot(1, 0)));
        assert_eq!(acceptor.echo_to_tell(), Some(&first));
        assert_eq!(out.len(), 2);
    }

    #[test]
    fn tells_no_promise_while_an_echo_is_being_written() {
        let mut acceptor = Acceptor::new();
        let (mut out, first) = (Vec::new(), proposal(ballot(0, 0)));
        let view = first.view.clone();
        acceptor.promise(ballot(0, 0));
        acceptor.echo(&first);
        acceptor.write(LIVES, &view, 1, &mut out);
        acceptor.promise(ballot(0, 1));
        assert_eq!(acceptor.promise_to_tell(), Some(ballot(0, 0)));
        assert!(acceptor.recorded(1));
        assert_eq!(acceptor.promise_to_tell(), Some(ballot(0, 1)));
        assert_eq!(acceptor.echo_to_tell(), Some(&first), "told together with the promise");
    }
}
