//! Exactly once: a send is delivered under one version at most, also when the trim cut it off and
//! it was sent again; what was answered as not applied never is; and what was answered as delivered
//! was, there.
//!
//! Source: uniform integrity in Hadzilacos and Toueg (1994), §3; re-sending after a view change in
//! Jha et al., "Derecho", TOCS 2019, §3.3.

use super::{Answered, Delivery, Verdict, violated};
use crate::world::sends::{Sent, State};

const PROPERTY: &str = "exactly_once";

pub(crate) fn delivered(it: &Delivery<'_>, sent: &mut Sent) -> Verdict {
    if matches!(sent.state, State::NotApplied | State::Refused) {
        let text = format!("{} is {sent:?}", it.place.version);
        return violated(PROPERTY, text);
    }
    match sent.version {
        None => sent.version = Some(it.place.version),
        Some(known) if known == it.place.version => {}
        Some(known) => {
            let text = format!("delivered as {known} and as {}: {sent:?}", it.place.version);
            return violated(PROPERTY, text);
        }
    }
    if (sent.shard, sent.node) != (it.shard, it.sender) {
        return violated(PROPERTY, format!("{} is of another: {sent:?}", it.place.version));
    }
    Ok(())
}

pub(crate) fn answered(it: &Answered<'_>) -> Verdict {
    if it.sent.version == Some(it.place.version) {
        return Ok(());
    }
    let text = format!("update {} answered at {}: {:?}", it.payload, it.place.version, it.sent);
    violated(PROPERTY, text)
}

/// A send is answered as not applied.
pub(crate) fn denied(sent: &Sent) -> Verdict {
    if sent.version.is_none() {
        return Ok(());
    }
    violated(PROPERTY, format!("answered as not applied: {sent:?}"))
}
