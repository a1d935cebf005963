//! Which shard, which member? In a group of one there is one answer.

use notrace_policy_rules::Grant;

use crate::node::Node;
use crate::refusal::Refusal;

/// Where a granted run takes place. Only [`place`] makes one.
pub(super) struct Site(());

/// Finds the member that has the granted objects.
/// # Errors  [`Refusal::Unavailable`] while the node does not serve; [`Refusal::PostureLost`] while
/// its host lacks what it had.
pub(super) fn place(node: &Node, _grant: &Grant) -> Result<Site, Refusal> {
    if !node.is_serving() {
        return Err(Refusal::Unavailable);
    }
    node.known_posture().lost().map_or(Ok(Site(())), |name| Err(Refusal::PostureLost(name)))
}
