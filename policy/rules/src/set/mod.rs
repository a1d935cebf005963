//! Rules that somebody wrote: Cedar policies over people, devices, tasks, pools and labels.
//!
//! Reading is strict: what does not fit the schema is a mistake, with its place, and so is a rule
//! that could never apply. Deciding is closed: what no rule permits is refused, what one forbids
//! is refused, and what one cannot be evaluated for is refused too, whatever the others say.

mod answer;
mod mistake;
mod outline;
mod question;

use std::collections::BTreeMap;

use cedar_policy::{
    Authorizer, Decision, Effect, PolicyId, PolicySet, Response, Schema, ValidationError,
    ValidationMode, Validator,
};
use miette::Diagnostic;
use notrace_policy_promise::digest::{Digest, Domain};

pub use answer::{Answer, RuleName, Why};
pub use mistake::Mistake;
pub use question::{Deed, OnNode, OnPool, PoolFacts, Question, Sort, Who};

use crate::limits::RULES_BYTES_MAX;

/// What can be named in rules, in Cedar's own schema language.
pub const SCHEMA: &str = include_str!("rules.cedarschema");

/// A set of rules that was read and checked.
#[derive(Clone, Debug)]
pub struct RuleSet {
    text: String,
    policies: PolicySet,
    names: BTreeMap<PolicyId, RuleName>,
}

impl RuleSet {
    /// Reads rules and checks them against [`SCHEMA`]. Milliseconds.
    ///
    /// # Errors  Every [`Mistake`] that was found, in the order of the text; at least one.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        if text.len() > RULES_BYTES_MAX {
            return Err(Mistake::whole(format_args!(
                "rules are {RULES_BYTES_MAX} bytes at most, and these are {}",
                text.len()
            )));
        }
        let outline = outline::outline(text)
            .map_err(|(at, what)| vec![Mistake::at(text, at, format_args!("there are {what}"))])?;
        let policies: PolicySet = text.parse().map_err(|errors: cedar_policy::ParseErrors| {
            mistake::told(text, errors.iter().map(|error| error as &dyn Diagnostic))
        })?;
        if policies.templates().next().is_some() {
            return Err(Mistake::whole("a rule has a slot (`?principal`, `?resource`) to fill in"));
        }
        checked(text, &policies)?;
        let names = names(text, &policies, &outline.starts);
        Ok(Self { text: text.to_owned(), policies, names })
    }

    /// The rules as they were written, the preimage of [`RuleSet::digest`].
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands for these rules in receipts.
    pub fn digest(&self) -> Digest {
        Digest::of(Domain::Rules, self.text.as_bytes())
    }

    /// How many rules there are.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// What the rules say. Tens of microseconds for tens of rules; each is looked at.
    pub fn answer(&self, question: &Question<'_>) -> Answer {
        let Ok((request, entities)) = question.spoken() else {
            return Answer::Refused(Why::Failed(Vec::new()));
        };
        self.understood(&Authorizer::new().is_authorized(&request, &self.policies, &entities))
    }

    fn understood(&self, response: &Response) -> Answer {
        let named = |ids: &mut dyn Iterator<Item = &PolicyId>| {
            let mut names: Vec<_> = ids.filter_map(|id| self.names.get(id)).cloned().collect();
            names.sort();
            names
        };
        let failed = response.diagnostics().errors().map(|error| match error {
            cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id(),
        });
        let failed: Vec<_> = failed.collect();
        if !failed.is_empty() {
            return Answer::Refused(Why::Failed(named(&mut failed.into_iter())));
        }
        let reasons = named(&mut response.diagnostics().reason());
        match response.decision() {
            Decision::Allow => Answer::Allowed(reasons),
            Decision::Deny if reasons.is_empty() => Answer::Refused(Why::NothingPermits),
            Decision::Deny => Answer::Refused(Why::Forbidden(reasons)),
        }
    }

    /// Whether there is a rule that forbids anything.
    pub fn forbids_anything(&self) -> bool {
        self.policies.policies().any(|rule| rule.effect() == Effect::Forbid)
    }
}

fn checked(text: &str, policies: &PolicySet) -> Result<(), Vec<Mistake>> {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(Mistake::whole)?;
    let result = Validator::new(schema).validate(policies, ValidationMode::Strict);
    // That a rule applies to nothing follows from what is wrong in it, where that is known.
    let follows =
        |error: &ValidationError| matches!(error, ValidationError::InvalidActionApplication(_));
    let (consequences, causes): (Vec<_>, Vec<_>) =
        result.validation_errors().partition(|it| follows(it));
    let errors = if causes.is_empty() { consequences } else { causes };
    let mistakes = if errors.is_empty() {
        let warnings = result.validation_warnings();
        mistake::told(text, warnings.map(|warning| warning as &dyn Diagnostic))
    } else {
        mistake::told(text, errors.into_iter().map(|error| error as &dyn Diagnostic))
    };
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// The reader numbers rules in their order, `policy0` first.
fn names(text: &str, policies: &PolicySet, starts: &[usize]) -> BTreeMap<PolicyId, RuleName> {
    let line = |number: usize| {
        let before = starts.get(number).and_then(|start| text.get(..*start));
        before.map_or(0, |before| before.matches('\n').count() + 1)
    };
    let named = policies.policies().map(|rule| {
        let id = rule.annotation("id").map(str::to_owned);
        let number = rule.id().to_string();
        let number = number.strip_prefix("policy").and_then(|number| number.parse().ok());
        (rule.id().clone(), RuleName { line: number.map_or(0, line), id })
    });
    named.collect()
}

#[cfg(test)]
mod tests;
