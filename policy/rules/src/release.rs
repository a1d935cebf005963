//! Leave for an answer to go out.

use crate::admit::{Denied, Grant, Seen};
use crate::principal::Principal;
use crate::rules::Rules;
use crate::set::Deed;

/// Leave for one answer to go to its requester. Only [`release`] makes one.
#[derive(Debug)]
pub struct Release(());

/// Decides whether the answer of a granted run may go to `principal`. The answer carries the labels
/// of everything the run could read, whether it read it or not, but for those that were taken off
/// by right.
/// # Errors  [`Denied::LabelForbids`]; the answer must then be dropped.
pub fn release(rules: &Rules, grant: &Grant, principal: &Principal) -> Result<Release, Denied> {
    if *principal == Principal::Anonymous {
        return Err(Denied::Unauthenticated);
    }
    let sealed = grant.seen() == Seen::Sealed;
    for label in grant.carried() {
        let received = rules.permit(principal, Deed::Receive(label, grant.task(), sealed));
        received.map_err(|_| Denied::LabelForbids)?;
    }
    Ok(Release(()))
}
