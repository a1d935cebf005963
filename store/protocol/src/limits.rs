//! The bounds of a group, and the times that it waits.

use crate::ids::SeqNum;

/// Members of a group, at most: one bit each in a word.
pub const MEMBERS_MAX: usize = 64;
/// Shards of a group, at most.
pub const SHARDS_MAX: usize = 1024;
/// Messages of one sender that may be under way in a shard, at most: sent and not delivered by all.
pub const WINDOW_MESSAGES_MAX: u32 = 4096;
/// Bytes of one sender's ring in a shard, at most.
pub const WINDOW_BYTES_MAX: u32 = 1 << 30;
/// Frames in one write of a ring, at most.
pub const FRAMES_MAX: usize = WINDOW_MESSAGES_MAX as usize;
/// Nodes that a joiner asks, at most.
pub const CONTACTS_MAX: usize = 2 * MEMBERS_MAX;
/// Those who may wait to join at once.
pub const JOINERS_MAX: usize = MEMBERS_MAX;
/// Starts of epochs that a log remembers, to find where two logs part; older ones are covered by a
/// snapshot.
pub const LINE_MAX: usize = 1024;

/// How much of a sender's messages may be under way, and how long things may take. All times are
/// in microseconds of the monotonic clock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// Bytes of a sender's ring in each shard.
    pub window_bytes: u32,
    /// Messages of a sender that may be under way in each shard.
    pub window_messages: u32,
    /// Slots of an epoch after which a shard begins the next one, so that numbers never run out.
    pub epoch_slots: u64,
    /// How often a member moves its heartbeat.
    pub heartbeat: u64,
    /// How long a heartbeat may stand still before its owner is suspected.
    pub suspect_after: u64,
    /// The same once the link to it is known to be broken, which is evidence of its own.
    pub suspect_after_break: u64,
    /// How long a member of a new epoch may take to hold its beginning before it is suspected.
    pub ready_after: u64,
    /// How long a restart waits for members beyond a majority before it goes on without them.
    pub restart_wait: u64,
    /// How long a leader of a restart may make no progress before another takes over.
    pub restart_patience: u64,
    /// How often a question is asked again: to join, for a part of a transfer.
    pub ask_again: u64,
}

impl Limits {
    /// The usual bounds: 1 MiB and 256 messages a sender, heartbeats of 10 ms, suspicion after 1 s.
    pub const USUAL: Limits = Limits {
        window_bytes: 1 << 20,
        window_messages: 256,
        epoch_slots: 1 << 39,
        heartbeat: 10_000,
        suspect_after: 1_000_000,
        suspect_after_break: 200_000,
        ready_after: 10_000_000,
        restart_wait: 2_000_000,
        restart_patience: 1_000_000,
        ask_again: 100_000,
    };
}

const _: () = assert!(Limits::USUAL.epoch_slots < SeqNum::MAX.number(), "room for the last window");
const _: () = assert!(MEMBERS_MAX <= u64::BITS as usize, "a set of members is one word");
const _: () = assert!(SHARDS_MAX <= u16::MAX as usize, "a shard's number is 16 bits");
