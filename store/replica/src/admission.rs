//! Who may be linked to: what is above the store knows it, and is asked.

use notrace_store_protocol::ids::NodeId;

/// What is known of a peer that proved a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is the node of this name.
    Admitted,
    /// It is not, or not any more.
    Refused,
    /// This node may learn of it soon: one that catches up hears late of who joined. Until it has,
    /// the peer is told nothing, and after [`crate::limits::GREETING_MAX`] it has to come again.
    Unknown,
}

/// Judges a node by the digest of the key that it proved its name with, see
/// [`notrace_store_fabric::Peer::key`]. Called on the replica's thread: when a link comes up, while
/// it is [`Verdict::Unknown`] at every heartbeat, and when its node asks to be a member.
pub type Admission = Box<dyn Fn(NodeId, Option<&[u8; 32]>) -> Verdict + Send>;

/// Admits whoever the fabric lets in.
pub(crate) fn everybody() -> Admission {
    Box::new(|_, _| Verdict::Admitted)
}
