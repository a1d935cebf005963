//! Links between nodes. Over a link one node writes into memory that another lends it, in order and
//! without the other's help, and then rings its doorbell. That is all a node needs of a network:
//! what the bytes mean is told by [`mail`], which makes messages of them.
//!
//! ```text
//! write(link, offset, bytes)   copies into the region that the peer lends to this link
//! ring(link, word)             after all writes before it have landed, tells the peer a word
//! Event::Down                  the link is gone; what was under way has landed up to some point
//! ```
//!
//! The rules that every fabric keeps, and that one suite checks of all of them:
//!
//! 1. Writes and rings of a link land in the order in which they were made. Nothing lands twice.
//! 2. Once a [`Event::Bell`] is seen, every write before that ring can be read. Before it, memory
//!    that was written to may hold any mixture of old and new bytes.
//! 3. A link that breaks never comes back; another one has another number. What was written to the
//!    broken one and not rung for may have landed in part, in whole or not at all.
//! 4. Nobody writes outside the region he was lent. Who tries is refused here, and cut off there.
//! 5. Who is at the other end of a link was proved before it came up: see [`Peer`].
//!
//! Source: the requirements that Derecho's shared state table has of a network (Jha et al., TOCS
//! 2019, §3.1): reliable, in order, with failure notice, and write order that the reader can see.

#[cfg(feature = "libfabric")]
pub mod libfabric;
pub mod limits;
pub mod loopback;
pub mod mail;
pub mod tcp;

use std::task::Waker;
use std::time::Duration;

/// One connection between this node and another, from its coming up to its end. Never used again in
/// the life of a fabric.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u64);

/// One attempt to connect.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialId(pub u64);

/// Who is at the other end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The name that it has proved to be its own: by its certificate where there is a network.
    pub name: String,
    /// Which key it proved the name with: SHA-256 of the public key in its certificate
    /// (SubjectPublicKeyInfo, DER). None where there is no network.
    pub key: Option<[u8; 32]>,
    /// What it says of itself, up to [`limits::HELLO_BYTES_MAX`] bytes. Proved by nothing but that
    /// it is this peer who says it.
    pub hello: Vec<u8>,
    /// How many bytes it lends to this link.
    pub room: u32,
    /// Whether others can read or change what is under way.
    pub secrecy: Secrecy,
}

/// Whether a link keeps what it carries to itself.
#[derive(Clone, PartialEq, Eq)]
pub enum Secrecy {
    /// It is encrypted and authenticated, or never leaves the process.
    Private,
    /// It is not. Whoever uses it seals what it writes, under these keys, which only the two ends
    /// of this very link have.
    Open(LinkKeys),
}

/// The keys of a link that is not private: 256 bits each, one for each direction.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkKeys {
    /// For what this end writes.
    pub send: [u8; 32],
    /// For what the other end writes.
    pub receive: [u8; 32],
}

/// Keys are not shown.
impl core::fmt::Debug for Secrecy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Secrecy::Private => "Private",
            Secrecy::Open(_) => "Open",
        })
    }
}

/// Something that happened on a fabric.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A link came up: one that this node dialled, or one that a peer did.
    Up {
        /// Its number.
        link: LinkId,
        /// The attempt, if it was ours.
        dialled: Option<DialId>,
        /// Who is there.
        peer: Peer,
    },
    /// An attempt to connect has failed.
    Failed {
        /// Which.
        dial: DialId,
        /// Why.
        why: Broken,
    },
    /// The peer rang: all that it wrote before is in the region that this end lends.
    Bell {
        /// On which link.
        link: LinkId,
        /// The word that it gave.
        word: u32,
    },
    /// Writes and rings have left this node, so that there is room for more.
    Sent {
        /// On which link.
        link: LinkId,
        /// How many bytes of writes are left that have not.
        backlog: usize,
    },
    /// A link is gone.
    Down {
        /// Which.
        link: LinkId,
        /// Why.
        why: Broken,
    },
}

/// Why there is no link, or no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// This end cut it.
    #[error("it was cut here")]
    Cut,
    /// The other end is gone, or was never reached.
    #[error("the other end is not there")]
    Gone,
    /// The other end did not prove who it is, or speaks another version.
    #[error("the other end is not one of this group")]
    Stranger,
    /// The other end broke the rules of the fabric.
    #[error("the other end broke the rules of the link")]
    Rules,
    /// The other end did not answer in time.
    #[error("the other end does not answer")]
    Silent,
    /// The address is none that this fabric understands.
    #[error("the address is not one")]
    Address,
}

/// Why nothing was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// There is no such link, or not any more.
    #[error("there is no such link")]
    NoLink,
    /// It does not lie within the region.
    #[error("it does not lie within the region")]
    OutOfRegion,
    /// More than [`limits::BACKLOG_BYTES_MAX`] wait already; an [`Event::Sent`] will come.
    #[error("too much is waiting to be sent")]
    Full,
}

/// A network as a node sees it. One owner, one thread: nothing happens on it but in
/// [`Fabric::poll`], so between two polls all memory stands still.
pub trait Fabric: Send + 'static {
    /// Begins to connect to an address, in whatever form this fabric has them. Ends with
    /// [`Event::Up`] or [`Event::Failed`].
    fn dial(&mut self, address: &str) -> DialId;

    /// Copies `parts`, one after the other, into the region that the peer lends to this link.
    /// Nothing of `parts` is needed after this returns.
    /// # Errors  [`Refused`]: nothing was written.
    fn write(&mut self, link: LinkId, offset: u32, parts: &[&[u8]]) -> Result<(), Refused>;

    /// Rings the peer's doorbell once all writes before have landed. Every ring is seen, in order.
    /// # Errors  [`Refused::NoLink`]; nothing else refuses a ring.
    fn ring(&mut self, link: LinkId, word: u32) -> Result<(), Refused>;

    /// Copies bytes out of the region that this end lends to the link. Still works after the link
    /// went down, until the [`Event::Down`] has been handed out.
    /// # Errors  [`Refused::NoLink`], [`Refused::OutOfRegion`]
    fn read(&self, link: LinkId, offset: u32, into: &mut [u8]) -> Result<(), Refused>;

    /// Copies so many bytes to the end of `onto`, as [`Fabric::read`] does; spares writing there
    /// what is to be written over.
    /// # Errors  As those of [`Fabric::read`]; then nothing was added.
    fn read_onto(
        &self,
        link: LinkId,
        offset: u32,
        count: usize,
        onto: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let begin = onto.len();
        onto.resize(begin + count, 0);
        let read = self.read(link, offset, onto.get_mut(begin..).unwrap_or_default());
        if read.is_err() {
            onto.truncate(begin);
        }
        read
    }

    /// Ends a link. No event follows, and what was under way may be lost.
    fn cut(&mut self, link: LinkId);

    /// Carries on with everything, and hands out what happened. Waits for something to happen for
    /// up to `wait`; returns as soon as there is an event, the waker was used, or time is over. A
    /// wait of zero never blocks.
    fn poll(&mut self, wait: Duration, events: &mut Vec<Event>);

    /// Ends the wait of a poll, from any thread: the one under way, or else the next. Wakes are
    /// merged.
    fn waker(&self) -> Waker;
}
