//! What reads ask for and find.

use notrace_policy_promise::name::ObjectKey;
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::time::Hlc;

use crate::sealed::Sealed;

/// As of when something is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// Now.
    Latest,
    /// Once this version was applied.
    Version(Version),
    /// At this time.
    Time(Hlc),
}

/// A value that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found<'a> {
    /// Its version.
    pub version: Version,
    /// When it was written.
    pub time: Hlc,
    /// The value.
    pub value: &'a Sealed,
}

/// Why a read finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Missing {
    /// No such pool.
    #[error("there is no such pool")]
    PoolUnknown,
    /// No value at that point: never written, not yet, or deleted.
    #[error("there is no such object")]
    ObjectUnknown,
    /// The key of the value is destroyed.
    #[error("the object is shredded")]
    Shredded,
    /// Versions as old as that are no longer kept.
    #[error("versions as old as that are no longer kept")]
    Trimmed,
}

/// Changes as old as that are no longer kept: what is there now must be listed instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("changes as old as that are no longer kept")]
pub struct HistoryTrimmed;

/// What happened to an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChangeKind {
    /// It got a value.
    Put,
    /// It got a tombstone.
    Delete,
    /// The keys of its values were destroyed.
    Shred,
}

/// One change, for watchers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The object.
    pub key: ObjectKey,
    /// The version that changed it.
    pub version: Version,
    /// When that was.
    pub time: Hlc,
    /// What happened.
    pub kind: ChangeKind,
    /// How long the value is before sealing, in bytes; 0 if there is none.
    pub plain_len: u64,
}

/// One entry of an object's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryEntry {
    /// The version.
    pub version: Version,
    /// When it was written.
    pub time: Hlc,
    /// What it is.
    pub kind: ChangeKind,
    /// How long the value is before sealing, in bytes; 0 if there is none.
    pub plain_len: u64,
}

/// One entry of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListEntry {
    /// The object.
    pub key: ObjectKey,
    /// The version of its current value.
    pub version: Version,
    /// When that was written.
    pub time: Hlc,
    /// How long it is before sealing, in bytes.
    pub plain_len: u64,
}

/// A page of a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The objects, by key.
    pub entries: Vec<ListEntry>,
    /// Whether there are more after the last.
    pub more: bool,
}
