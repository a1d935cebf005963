//! What a set of rules says to a question.

use core::fmt;

/// A rule, as its writer knows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RuleName {
    /// The line on which it begins.
    pub line: usize,
    /// What its `@id` says.
    pub id: Option<String>,
}

/// What a set of rules says to a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Yes, by these rules; at least one.
    Allowed(Vec<RuleName>),
    /// No.
    Refused(Why),
}

/// Why the answer is no.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// No rule permits it.
    NothingPermits,
    /// These rules forbid it; at least one.
    Forbidden(Vec<RuleName>),
    /// These rules could not be evaluated, so nothing is sure; at least one.
    Failed(Vec<RuleName>),
}

impl Answer {
    /// Whether it is yes.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "\"{id}\" (line {})", self.line),
            None => write!(f, "the rule on line {}", self.line),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |rules: &[RuleName]| {
            rules.iter().map(RuleName::to_string).collect::<Vec<_>>().join(" and ")
        };
        match self {
            Self::Allowed(by) => write!(f, "allowed by {}", listed(by)),
            Self::Refused(Why::NothingPermits) => f.write_str("refused: no rule permits it"),
            Self::Refused(Why::Forbidden(by)) => write!(f, "refused: forbidden by {}", listed(by)),
            Self::Refused(Why::Failed(by)) => {
                write!(f, "refused: {} could not be evaluated", listed(by))
            }
        }
    }
}
