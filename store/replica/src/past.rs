//! What a log holds, as it is found: a state, the updates after it, and the epochs it crossed.

use bytes::Bytes;
use notrace_store_log::Recovered;
use notrace_store_protocol::ids::{SeqNum, Version};
use notrace_store_protocol::machine::{Malformed, Place};
use notrace_store_protocol::message::Start;

use crate::line;

/// A log's content. Empty where nothing was ever written.
#[derive(Default)]
pub(crate) struct Past {
    /// The state of the newest checkpoint.
    pub(crate) state: Option<(Place, Vec<u8>)>,
    pub(crate) line: Vec<Start>,
    pub(crate) updates: Vec<(Place, Bytes)>,
}

impl Past {
    /// Takes what a log hands out.
    pub(crate) fn take(&mut self, found: Recovered<'_>) -> Result<(), Malformed> {
        match found {
            Recovered::Checkpoint { place, mut state } => {
                let (line, rest) = line::decode(&state)?;
                let front = state.len() - rest.len();
                self.line = line;
                state.drain(..front);
                self.state = Some((place, state));
            }
            Recovered::Record { place, payload } if place.version.seq() == SeqNum::ZERO => {
                let start = line::start(place, payload)?;
                if self.line.last().is_none_or(|last| last.since < start.since) {
                    self.line.push(start);
                }
            }
            Recovered::Record { place, payload } => {
                self.updates.push((place, Bytes::copy_from_slice(payload)));
            }
        }
        Ok(())
    }

    /// The last update.
    pub(crate) fn last(&self) -> Place {
        let last = self.updates.last().map(|(place, _)| *place);
        last.or(self.state.as_ref().map(|(place, _)| *place)).unwrap_or(Place::ZERO)
    }

    /// The last update that only the state holds.
    pub(crate) fn trimmed(&self) -> Version {
        self.state.as_ref().map_or(Version::ZERO, |(place, _)| place.version)
    }
}
