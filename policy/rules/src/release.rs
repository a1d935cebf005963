//! Leave for an answer to go out.

use crate::admit::{Denied, Grant};
use crate::principal::Principal;
use crate::rules::Rules;

/// Leave for one answer to go to its requester. Only [`release`] makes one.
#[derive(Debug)]
pub struct Release(());

/// Decides whether the answer of a granted run may go to `principal`. The answer carries the labels
/// of everything the run could read, whether it read it or not.
/// # Errors  [`Denied`]; the answer must then be dropped.
pub fn release(rules: &Rules, grant: &Grant, principal: &Principal) -> Result<Release, Denied> {
    rules.permit(principal, crate::rules::Action::ReadObjects)?;
    match principal {
        Principal::Owner { .. } => Ok(Release(())),
        Principal::Anonymous if grant.labels().next().is_some() => Err(Denied::LabelForbids),
        Principal::Anonymous => Err(Denied::Unauthenticated),
    }
}
