//! Leave to run.

use std::collections::BTreeSet;

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::label::Label;
use notrace_policy_promise::limits::RUN_OBJECTS_MAX;
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::release::Release;

use crate::principal::Principal;
use crate::rules::Rules;
use crate::set::{Deed, PoolFacts};

/// What a handle permits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// The object is readable at the cut.
    Read,
}

/// An object that a run may touch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handle {
    /// Which object.
    pub object: ObjectName,
    /// What for.
    pub access: Access,
    /// The label of the object's pool.
    pub label: Option<Label>,
    /// Whether the object's pool takes sealed requests only.
    pub sealed_only: bool,
    /// What may show outside of a run that reads it.
    pub release: Release,
}

/// How much of a request the node itself could see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// TLS ended in the node, which saw the bytes in passing.
    Plain,
    /// Only the worker can open the request.
    Sealed,
}

/// What a run asks for.
pub struct Asked<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// The task to run.
    pub task: Digest,
    /// The objects it names.
    pub handles: Vec<Handle>,
    /// Which labels the answer is not to carry.
    pub declassify: Vec<Label>,
    /// How it came.
    pub seen: Seen,
}

/// Leave to run one task once, on these objects. Only [`admit`] makes one.
#[derive(Debug)]
pub struct Grant {
    task: Digest,
    handles: Vec<Handle>,
    declassified: Vec<Label>,
    rules: Digest,
    seen: Seen,
}

impl Grant {
    /// The task that may run.
    pub fn task(&self) -> Digest {
        self.task
    }

    /// The objects it may touch.
    pub fn handles(&self) -> &[Handle] {
        &self.handles
    }

    /// How the request came.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// What may show outside of the run: no more than any pool that it may read allows, or, if it
    /// may read none, what is `usual`.
    pub fn release(&self, usual: Release) -> Release {
        let all = self.handles.iter().map(|handle| handle.release);
        all.reduce(Release::join).unwrap_or(usual)
    }

    /// The rules it was given under.
    pub fn rules(&self) -> Digest {
        self.rules
    }

    /// The labels of all that may be read, each once, in order.
    pub fn labels(&self) -> BTreeSet<&Label> {
        self.handles.iter().filter_map(|handle| handle.label.as_ref()).collect()
    }

    /// The labels that are taken off, by right, each once, in order; only such as there are.
    pub fn declassified(&self) -> BTreeSet<&Label> {
        let labels = self.labels();
        self.declassified.iter().filter(|label| labels.contains(label)).collect()
    }

    /// What the answer carries: all labels but those that are taken off.
    pub fn carried(&self) -> impl Iterator<Item = &Label> {
        self.labels().into_iter().filter(|label| !self.declassified.contains(label))
    }
}

/// Why something may not be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// No credential was shown, and one is needed.
    #[error("a client certificate or a bearer token is needed")]
    Unauthenticated,
    /// A pool among those named takes only sealed requests.
    #[error("the pool of an object that was named takes sealed requests only")]
    SealedRequired,
    /// More objects than a run may name.
    #[error("a run may name at most {RUN_OBJECTS_MAX} objects")]
    TooManyObjects,
    /// No rule permits it.
    #[error("no rule permits this; who manages the rules can say one that does")]
    NothingPermits,
    /// A rule forbids it.
    #[error("a rule forbids this{}", on_line(*.line))]
    Forbidden {
        /// On which line of the rules it begins.
        line: Option<usize>,
    },
    /// A rule could not be evaluated, so that nothing is sure.
    #[error("a rule could not be evaluated{}, so this is refused", on_line(*.line))]
    RuleFailed {
        /// On which line of the rules it begins.
        line: Option<usize>,
    },
    /// The requester may not see what the answer is derived from.
    #[error("the answer carries a label that the requester has no right to")]
    LabelForbids,
}

fn on_line(line: Option<usize>) -> String {
    line.map_or(String::new(), |line| format!(", on line {line} of `notrace rules show`"))
}

/// Decides whether a run may take place: whether the principal may run the task, have it use each
/// object, take off each label that is named, and receive an answer with the others.
/// # Errors  [`Denied`]; nothing has been read or started.
pub fn admit(rules: &Rules, asked: Asked<'_>) -> Result<Grant, Denied> {
    if *asked.principal == Principal::Anonymous {
        return Err(Denied::Unauthenticated);
    }
    if asked.handles.len() > RUN_OBJECTS_MAX {
        return Err(Denied::TooManyObjects);
    }
    let permit = |deed| rules.permit(asked.principal, deed);
    permit(Deed::Run(asked.task, asked.seen == Seen::Sealed))?;
    for handle in &asked.handles {
        permit(Deed::Use(handle.pool(), handle.object.key.as_str(), asked.task))?;
    }
    for label in &asked.declassify {
        permit(Deed::Declassify(label, asked.task))?;
    }
    let label_free = |label: &Label| asked.declassify.contains(label);
    let sealed = asked.seen == Seen::Sealed;
    for label in asked.handles.iter().filter_map(|handle| handle.label.as_ref()) {
        // A run whose answer could not go out is not begun.
        let received =
            label_free(label) || permit(Deed::Receive(label, asked.task, sealed)).is_ok();
        received.then_some(()).ok_or(Denied::LabelForbids)?;
    }
    let sealed_only = asked.handles.iter().any(|handle| handle.sealed_only);
    if sealed_only && asked.seen == Seen::Plain {
        return Err(Denied::SealedRequired);
    }
    Ok(Grant {
        task: asked.task,
        handles: asked.handles,
        declassified: asked.declassify,
        rules: rules.digest(),
        seen: asked.seen,
    })
}

impl Handle {
    fn pool(&self) -> PoolFacts<'_> {
        PoolFacts {
            name: self.object.pool.as_str(),
            labels: self.label.iter().collect(),
            sealed: self.sealed_only,
        }
    }
}

#[cfg(test)]
mod admission {
    use super::*;
    use crate::principal::Authenticated;
    use notrace_policy_promise::digest::Domain;
    use notrace_policy_promise::release::{Sizes, Times};

    fn owner() -> Principal {
        Principal::Owner { id: Digest::of(Domain::Session, b"t"), by: Authenticated::ByToken }
    }

    fn asked(principal: &Principal, sealed_only: bool, seen: Seen) -> Asked<'_> {
        let handle = Handle {
            object: "a/b".parse().unwrap(),
            access: Access::Read,
            label: "medical".parse().ok(),
            sealed_only,
            release: Release::OPEN,
        };
        let task = Digest::of(Domain::Module, b"");
        Asked { principal, task, handles: vec![handle], declassify: Vec::new(), seen }
    }

    #[test]
    fn is_given_to_the_owner_and_to_nobody_else() {
        let rules = Rules::of_one_owner();
        let grant = admit(&rules, asked(&owner(), false, Seen::Plain)).unwrap();
        assert_eq!(grant.labels().len(), 1);
        assert_eq!(grant.rules(), rules.digest());
        let refused = admit(&rules, asked(&Principal::Anonymous, false, Seen::Plain));
        assert_eq!(refused.err(), Some(Denied::Unauthenticated));
    }

    #[test]
    fn keeps_plain_requests_from_sealed_pools() {
        let rules = Rules::of_one_owner();
        let refused = admit(&rules, asked(&owner(), true, Seen::Plain));
        assert_eq!(refused.err(), Some(Denied::SealedRequired));
        assert!(admit(&rules, asked(&owner(), true, Seen::Sealed)).is_ok());
    }

    #[test]
    fn shows_no_more_than_each_pool_allows() {
        let (owner, rules) = (owner(), Rules::of_one_owner());
        let usual = Release { sizes: Sizes::Powers, ..Release::OPEN };
        let mut two = asked(&owner, false, Seen::Sealed);
        two.handles = vec![two.handles[0].clone(); 2];
        two.handles[0].release.sizes = Sizes::Fixed4K;
        two.handles[1].release.times = Times::Second;
        let both = Release { sizes: Sizes::Fixed4K, times: Times::Second, ..Release::OPEN };
        assert_eq!(admit(&rules, two).unwrap().release(usual), both);
        let mut none = asked(&owner, false, Seen::Sealed);
        none.handles.clear();
        assert_eq!(admit(&rules, none).unwrap().release(usual), usual);
    }

    #[test]
    fn bounds_the_objects_of_a_run() {
        let owner = owner();
        let mut many = asked(&owner, false, Seen::Plain);
        many.handles = vec![many.handles[0].clone(); RUN_OBJECTS_MAX + 1];
        let refused = admit(&Rules::of_one_owner(), many);
        assert_eq!(refused.err(), Some(Denied::TooManyObjects));
    }
}
