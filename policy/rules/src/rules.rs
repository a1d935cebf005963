//! The rules in force.

use std::sync::Arc;

use notrace_policy_promise::digest::{Digest, Domain};

use crate::admit::Denied;
use crate::principal::Principal;
use crate::set::{Answer, Deed, OnNode, Question, RuleName, RuleSet, Who, Why};

/// The rules in force. Their digest is in every receipt. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Rules(Kind);

#[derive(Clone, Debug)]
enum Kind {
    OneOwner,
    Written(Arc<RuleSet>),
}

/// What a node with one owner begins with. A decision by these takes nanoseconds, because nobody
/// reads them: [`Rules::permit`] knows what they say.
const ONE_OWNER: &str = "\
// The owner may do everything, nobody else anything.
permit (principal == Person::\"owner\", action, resource);
";

/// Under these rules nobody could ever change them: the owner has no right to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("under these rules the owner could not push others: permit `manage_rules` to the owner")]
pub struct LockedOut;

impl Rules {
    /// The rules of a node with one owner.
    pub fn of_one_owner() -> Self {
        Self(Kind::OneOwner)
    }

    /// Rules that somebody wrote.
    /// # Errors  [`LockedOut`]
    pub fn written(set: RuleSet) -> Result<Self, LockedOut> {
        if set.text() == ONE_OWNER {
            return Ok(Self(Kind::OneOwner));
        }
        let owner = Who::owner();
        let question = Question { who: &owner, deed: Deed::OnNode(OnNode::ManageRules) };
        let keeps = set.answer(&question).is_allowed();
        if keeps { Ok(Self(Kind::Written(Arc::new(set)))) } else { Err(LockedOut) }
    }

    /// The rules as they are written, the preimage of [`Rules::digest`].
    pub fn text(&self) -> &str {
        match &self.0 {
            Kind::OneOwner => ONE_OWNER,
            Kind::Written(set) => set.text(),
        }
    }

    /// What stands for these rules in receipts.
    pub fn digest(&self) -> Digest {
        Digest::of(Domain::Rules, self.text().as_bytes())
    }

    /// Whether `principal` may do this. Nanoseconds under the rules of one owner; otherwise as
    /// [`RuleSet::answer`].
    /// # Errors  [`Denied`] says why not.
    pub fn permit(&self, principal: &Principal, deed: Deed<'_>) -> Result<(), Denied> {
        let Principal::Owner { .. } = principal else { return Err(Denied::Unauthenticated) };
        match &self.0 {
            Kind::OneOwner => Ok(()),
            Kind::Written(set) => judged(set.answer(&Question { who: &Who::owner(), deed })),
        }
    }
}

/// A refusal tells of one rule, the first: who wrote them asks `notrace rules check` for all.
fn judged(answer: Answer) -> Result<(), Denied> {
    let first = |by: &[RuleName]| by.first().map(|rule| rule.line);
    match answer {
        Answer::Allowed(_) => Ok(()),
        Answer::Refused(Why::NothingPermits) => Err(Denied::NothingPermits),
        Answer::Refused(Why::Forbidden(by)) => Err(Denied::Forbidden { line: first(&by) }),
        Answer::Refused(Why::Failed(by)) => Err(Denied::RuleFailed { line: first(&by) }),
    }
}

#[cfg(test)]
mod the_rules {
    use super::*;
    use crate::principal::Authenticated;
    use crate::set::Sort;

    fn owner() -> Principal {
        Principal::Owner { id: Digest::of(Domain::Session, b"t"), by: Authenticated::ByToken }
    }

    fn written(text: &str) -> Rules {
        Rules::written(RuleSet::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn of_one_owner_say_what_is_done_by_them() {
        let set = RuleSet::parse(ONE_OWNER).unwrap();
        let other = Who { sort: Sort::Device, ..Who::owner() };
        for what in OnNode::ALL {
            let asked = |who: &Who| set.answer(&Question { who, deed: Deed::OnNode(what) });
            let deed = Deed::OnNode(what);
            assert!(asked(&Who::owner()).is_allowed() && !asked(&other).is_allowed());
            assert_eq!(Rules::of_one_owner().permit(&owner(), deed.clone()), Ok(()));
            let stranger = Rules::of_one_owner().permit(&Principal::Anonymous, deed);
            assert_eq!(stranger, Err(Denied::Unauthenticated));
        }
        assert_eq!(written(ONE_OWNER).digest(), Rules::of_one_owner().digest());
    }

    #[test]
    fn bind_the_owner_too_once_they_are_written() {
        let rules = written(
            "permit (principal, action, resource);\n\
             forbid (principal, action == Action::\"remove_task\", resource);",
        );
        assert_eq!(rules.permit(&owner(), Deed::OnNode(OnNode::PushTask)), Ok(()));
        let refused = rules.permit(&owner(), Deed::OnNode(OnNode::RemoveTask));
        assert_eq!(refused, Err(Denied::Forbidden { line: Some(2) }));
        assert!(refused.unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn that_nobody_could_change_any_more_are_none() {
        for text in ["", "permit (principal is Device, action, resource);"] {
            assert!(Rules::written(RuleSet::parse(text).unwrap()).is_err(), "{text}");
        }
    }

    #[test]
    fn let_no_stranger_in_whatever_they_say() {
        let rules = written("permit (principal, action, resource);");
        let refused = rules.permit(&Principal::Anonymous, Deed::OnNode(OnNode::SeeTasks));
        assert_eq!(refused, Err(Denied::Unauthenticated));
    }
}
