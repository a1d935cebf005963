//! Commands and snapshots as bytes: a version byte, then postcard of the mirror types below here.
//!
//! The domain types have no serde of their own, so that nothing else can put them on a wire, and so
//! that a change of theirs cannot change the format unseen. Decoding accepts all that encoding can
//! make and nothing else; what is too much is for the machine to judge, since a log that was
//! written must be readable. Nothing is allocated that the bytes at hand do not pay for.

mod command;
mod question;
mod snapshot;
mod word;

use notrace_store_protocol::machine::{Chunk, Machine, Malformed, Place};
use serde::{Deserialize, Serialize};

use crate::command::{Command, Reply};
use crate::limits::COMMAND_BYTES_MAX;
use crate::objects::Objects;

/// The version of both formats. A node reads what its own version wrote.
const FORMAT: u8 = 2;

impl Machine for Objects {
    type Command = Command;
    type Reply = Reply;

    fn encode(command: &Command) -> Vec<u8> {
        command::encode(command)
    }

    fn decode(bytes: &[u8]) -> Result<Command, Malformed> {
        if bytes.len() > COMMAND_BYTES_MAX {
            return Err(Malformed);
        }
        command::decode(bytes)
    }

    fn apply(&mut self, place: Place, command: Command) -> Reply {
        self.carry_out(place, command)
    }

    fn snapshot(&self) -> Vec<u8> {
        let chunks = snapshot::encode(self);
        let mut bytes = Vec::with_capacity(chunks.iter().map(|chunk| chunk.as_ref().len()).sum());
        chunks.iter().for_each(|chunk| bytes.extend_from_slice(chunk.as_ref()));
        bytes
    }

    fn snapshot_chunks(&self) -> Vec<Chunk> {
        snapshot::encode(self)
    }

    fn applied(&self) -> Option<Place> {
        Some(Place { version: self.version, time: self.time })
    }

    fn restore(bytes: &[u8]) -> Result<Self, Malformed> {
        snapshot::decode(bytes)
    }
}

/// Adds the bytes of `value` to `onto`.
fn write(value: &impl Serialize, onto: Vec<u8>) -> Vec<u8> {
    // Only a failing sink or a sequence of unknown length could make this fail; neither is here.
    postcard::to_extend(value, onto).unwrap_or_else(|_| unreachable!("memory takes every byte"))
}

/// The value at the front of `bytes`, and what follows it.
fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), Malformed> {
    postcard::take_from_bytes(bytes).map_err(|_| Malformed)
}
