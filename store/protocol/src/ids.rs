//! Who takes part, which copy of whose row, and where an update stands in its shard's order.

use core::fmt;
use core::num::NonZeroU32;
use core::str::FromStr;

/// How many low bits of a [`Version`]'s wire form hold the number within the view.
const SEQ_BITS: u32 = 40;

/// Who a node is: the same in every view and every life. Never 0, so `Option<NodeId>` is free.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(NonZeroU32);

/// Which start of a node this is. It rises each time the node starts, and what an earlier life held
/// in memory the next one has lost; so a member in a new life is a stranger to its old view.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Life(pub u32);

/// A member's place in the member list of one view, from 0. Meaningless in any other view.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Rank(pub u16);

/// One of the parts that the store is divided in, each with an order of its own. Fixed at creation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardId(pub u16);

impl NodeId {
    /// The node of this number; 0 is nobody.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The node's number.
    pub const fn number(self) -> u32 {
        self.0.get()
    }
}

/// The number of an agreed membership. A group installs views in order, starting with 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ViewId(u32);

/// The number of an update within the view that delivered it, starting with 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SeqNum(u64);

impl ViewId {
    /// The view that founds a group.
    pub const FIRST: ViewId = ViewId(1);
    /// Before every view.
    pub const ZERO: ViewId = ViewId(0);
    /// The largest view: 24 bits, so that a version fits 64.
    pub const MAX: ViewId = ViewId((1 << 24) - 1);

    /// The view of this number, if it fits.
    pub const fn new(number: u32) -> Option<Self> {
        if number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// The view after this one, unless this is the last there can be.
    pub const fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }

    /// The view's number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl SeqNum {
    /// Before every update of a view.
    pub const ZERO: SeqNum = SeqNum(0);
    /// The largest number within one view: 40 bits. A view that reaches it is followed by another.
    pub const MAX: SeqNum = SeqNum((1 << SEQ_BITS) - 1);

    /// The sequence number of this value, if it fits.
    pub const fn new(number: u64) -> Option<Self> {
        if number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Where an update stands: the view that delivered it, then its number in that view. Compares as
/// that pair, so within a shard versions only rise. 64 bits on the wire, view high. Prints as
/// `VIEW:SEQ`, as in `1:42`.
///
/// Source: Derecho's version of a delivered update (Jha et al., TOCS 2019, §3.4). The widths are
/// ours: 40 bits of sequence outlast 32 by two orders of magnitude at any rate we can reach.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version {
    view: ViewId,
    seq: SeqNum,
}

impl Version {
    /// Before every update.
    pub const ZERO: Version = Version { view: ViewId(0), seq: SeqNum(0) };

    /// The version of update `seq` in `view`.
    pub const fn new(view: ViewId, seq: SeqNum) -> Self {
        Self { view, seq }
    }

    /// The view that delivered the update.
    pub const fn view(self) -> ViewId {
        self.view
    }

    /// The update's number in its view.
    pub const fn seq(self) -> SeqNum {
        self.seq
    }

    /// The 64-bit form: view in the high 24 bits, sequence in the low 40. Orders as the pair does.
    pub const fn to_wire(self) -> u64 {
        (self.view.0 as u64) << SEQ_BITS | self.seq.0
    }

    /// The version of this 64-bit form. Every value is one.
    pub const fn from_wire(wire: u64) -> Self {
        Self { view: ViewId((wire >> SEQ_BITS) as u32), seq: SeqNum(wire & SeqNum::MAX.0) }
    }
}

impl fmt::Display for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.view.0, self.seq.0)
    }
}

/// A text that is not a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAVersion;

impl fmt::Display for NotAVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version is VIEW:SEQ, as in 1:42")
    }
}

impl core::error::Error for NotAVersion {}

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let (view, seq) = text.split_once(':').ok_or(NotAVersion)?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(view) || !digits(seq) {
            return Err(NotAVersion);
        }
        let view = view.parse().ok().and_then(ViewId::new).ok_or(NotAVersion)?;
        let seq = seq.parse().ok().and_then(SeqNum::new).ok_or(NotAVersion)?;
        Ok(Self { view, seq })
    }
}

#[cfg(test)]
mod a_version {
    use super::*;

    #[test]
    fn orders_by_view_then_number_in_both_forms() {
        let texts = ["0:0", "1:1", "1:42", "1:1099511627775", "2:0", "16777215:7"];
        let versions: Vec<Version> = texts.iter().map(|text| text.parse().unwrap()).collect();
        for pair in versions.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].to_wire() < pair[1].to_wire());
        }
        for (version, text) in versions.iter().zip(texts) {
            assert_eq!(version.to_string(), text);
            assert_eq!(Version::from_wire(version.to_wire()), *version);
        }
    }

    #[test]
    fn refuses_what_it_would_not_print() {
        for bad in ["", "1", ":", "1:", ":1", "+1:2", "1:-2", "16777216:1", "1:1099511627776"] {
            assert_eq!(bad.parse::<Version>(), Err(NotAVersion), "{bad}");
        }
    }
}
