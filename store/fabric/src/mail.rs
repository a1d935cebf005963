//! Letters over links: the region that a peer lends is a ring of bytes, and the doorbell says how
//! far it is filled, or how far it was emptied.
//!
//! ```text
//! ring(link, filled mod 2³¹)           "there are bytes up to here"
//! ring(link, emptied mod 2³¹ | 2³¹)    "there is room again up to here"
//!
//! bytes:   length u32 · letter         on a link that keeps secrets
//!          length u32 · sealed run     on one that does not; what is sealed is a part of the above
//! ```
//!
//! A letter may be longer than the ring. What does not fit waits in an outbox, and an outbox that
//! grows too long means that the peer is too slow to be of use: [`TooSlow`].
//!
//! Source: the ring buffers of Derecho's point-to-point connections (Jha et al., TOCS 2019, §3.4),
//! with bytes in the place of slots, and credit in the place of a polled counter.

mod seal;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::limits::{
    LETTER_BYTES_MAX, OUTBOX_BYTES_MAX, OUTBOX_LETTERS_MAX, RESERVED_BYTES_MAX, RUN_BYTES_MAX,
};
use crate::{Broken, Fabric, LinkId, Peer, Refused, Secrecy};
use seal::{Opener, Sealer, TAG_BYTES};

const LENGTH_BYTES: usize = 4;
/// Marks a word as one about room.
const CREDIT: u32 = 1 << 31;

/// A letter to send: its parts are sent one after the other and arrive as one.
#[derive(Clone, Debug, Default)]
pub struct Letter {
    /// What it begins with.
    pub head: Vec<u8>,
    /// What follows, shared with whoever else it is sent to.
    pub body: Vec<Bytes>,
}

impl Letter {
    fn bytes(&self) -> usize {
        self.head.len() + self.body.iter().map(Bytes::len).sum::<usize>()
    }
}

/// The peer does not take what it is sent; the link should be cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the peer does not take what it is sent")]
pub struct TooSlow;

/// The letters of all links of a fabric.
#[derive(Default)]
pub struct Mail {
    links: BTreeMap<LinkId, Lane>,
    /// Links that may have something to write.
    busy: Vec<LinkId>,
}

/// One link's letters, both ways.
struct Lane {
    outbox: Outbox,
    inbox: Inbox,
}

struct Outbox {
    /// What the peer lends.
    room: u64,
    /// Bytes of letters written so far, and those of them that the peer has taken out.
    filled: u64,
    emptied: u64,
    /// How far the peer was told that it is filled.
    rung: u64,
    parts: VecDeque<Bytes>,
    waiting: usize,
    sealer: Option<Sealer>,
    /// A run that is sealed, counted in `filled`, and not written yet, and where it goes.
    run: Option<(u64, Vec<u8>)>,
}

struct Inbox {
    /// What this end lends.
    room: u64,
    /// Bytes taken out so far, and those of them that the peer knows of.
    emptied: u64,
    told: u64,
    letter: Partial,
    opener: Option<Opener>,
    /// A sealed run that is not complete.
    run: Partial,
}

/// Something with its length before it, of which a part is here.
#[derive(Default)]
struct Partial {
    length: [u8; LENGTH_BYTES],
    have: usize,
    bytes: Vec<u8>,
}

/// Where bytes are to be read to.
enum Place<'a> {
    /// This much of a length.
    Length(&'a mut [u8]),
    /// So many, after what is there.
    End(&'a mut Vec<u8>, usize),
}

impl Mail {
    /// Begins with a link that came up, of which this end lends `room` bytes.
    pub fn open(&mut self, link: LinkId, peer: &Peer, room: u32) {
        let (sealer, opener) = match &peer.secrecy {
            Secrecy::Private => (None, None),
            Secrecy::Open(keys) => {
                (Some(Sealer::new(&keys.send)), Some(Opener::new(&keys.receive)))
            }
        };
        let outbox = Outbox {
            room: u64::from(peer.room),
            filled: 0,
            emptied: 0,
            rung: 0,
            parts: VecDeque::new(),
            waiting: 0,
            sealer,
            run: None,
        };
        let inbox = Inbox {
            room: u64::from(room),
            emptied: 0,
            told: 0,
            letter: Partial::default(),
            opener,
            run: Partial::default(),
        };
        self.links.insert(link, Lane { outbox, inbox });
    }

    /// Ends with a link. Letters that were not written are dropped.
    pub fn close(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    /// How many bytes wait to be written to the peer.
    #[must_use]
    pub fn waiting(&self, link: LinkId) -> usize {
        self.links.get(&link).map_or(0, |lane| lane.outbox.waiting)
    }

    /// Takes a letter; it goes out with the next [`Mail::pump`]. Dropped where there is no link.
    /// # Errors  [`TooSlow`]: the letter was not taken.
    pub fn post(&mut self, link: LinkId, letter: Letter) -> Result<(), TooSlow> {
        let Some(lane) = self.links.get_mut(&link) else { return Ok(()) };
        let bytes = letter.bytes();
        let outbox = &mut lane.outbox;
        let full = outbox.waiting + bytes > OUTBOX_BYTES_MAX && outbox.waiting > 0;
        if full || bytes > LETTER_BYTES_MAX || outbox.parts.len() >= OUTBOX_LETTERS_MAX {
            return Err(TooSlow);
        }
        let mut head = Vec::with_capacity(LENGTH_BYTES + letter.head.len());
        head.extend_from_slice(&(bytes as u32).to_le_bytes());
        head.extend_from_slice(&letter.head);
        outbox.waiting += bytes + LENGTH_BYTES;
        outbox.parts.push_back(head.into());
        outbox.parts.extend(letter.body.into_iter().filter(|part| !part.is_empty()));
        self.note_busy(link);
        Ok(())
    }

    fn note_busy(&mut self, link: LinkId) {
        if !self.busy.contains(&link) {
            self.busy.push(link);
        }
    }

    /// Writes as much as there is room for.
    pub fn pump(&mut self, fabric: &mut impl Fabric) {
        for link in std::mem::take(&mut self.busy) {
            let Some(lane) = self.links.get_mut(&link) else { continue };
            if lane.outbox.pump(fabric, link) == Err(Refused::Full) {
                self.busy.push(link);
            }
        }
    }

    /// Reads what a doorbell tells of, and hands out the letters that are complete with it.
    /// # Errors  [`Broken::Rules`] if the peer says what cannot be; the link is to be cut.
    pub fn rang(
        &mut self,
        fabric: &mut impl Fabric,
        link: LinkId,
        word: u32,
        letters: &mut Vec<Bytes>,
    ) -> Result<(), Broken> {
        let Some(lane) = self.links.get_mut(&link) else { return Ok(()) };
        if word & CREDIT != 0 {
            let outbox = &mut lane.outbox;
            outbox.emptied = after(outbox.emptied, word, outbox.filled)?;
            if outbox.waiting > 0 {
                self.note_busy(link);
            }
            return Ok(());
        }
        let inbox = &mut lane.inbox;
        let filled = after(inbox.emptied, word, inbox.emptied + inbox.room)?;
        inbox.take(fabric, link, filled, letters)?;
        if inbox.emptied - inbox.told >= inbox.room / 4 {
            inbox.told = inbox.emptied;
            // A link that is gone needs no credit.
            let _ = fabric.ring(link, inbox.emptied as u32 | CREDIT);
        }
        Ok(())
    }
}

/// The counter of which a word has the low bits, at or after `last` and at most `most`.
fn after(last: u64, word: u32, most: u64) -> Result<u64, Broken> {
    let counter = last + u64::from(word.wrapping_sub(last as u32) & !CREDIT);
    if counter <= most { Ok(counter) } else { Err(Broken::Rules) }
}

impl Outbox {
    fn pump(&mut self, fabric: &mut impl Fabric, link: LinkId) -> Result<(), Refused> {
        let result = match self.sealer {
            None => self.pump_plain(fabric, link),
            Some(_) => self.pump_sealed(fabric, link),
        };
        let written = self.run.as_ref().map_or(self.filled, |(at, _)| *at);
        if written > self.rung {
            self.rung = written;
            fabric.ring(link, written as u32 & !CREDIT)?;
        }
        result
    }

    fn free(&self) -> usize {
        (self.room - (self.filled - self.emptied)) as usize
    }

    fn pump_plain(&mut self, fabric: &mut impl Fabric, link: LinkId) -> Result<(), Refused> {
        while self.waiting > 0 && self.free() > 0 {
            let at = (self.filled % self.room) as usize;
            let most = self.free().min(self.room as usize - at);
            let (parts, bytes) = self.leading(most);
            fabric.write(link, at as u32, &parts)?;
            self.advance(bytes);
            self.filled += bytes as u64;
        }
        Ok(())
    }

    /// The parts that come first, up to `most` bytes.
    fn leading(&self, most: usize) -> (Vec<&[u8]>, usize) {
        let (mut parts, mut bytes) = (Vec::new(), 0);
        for part in &self.parts {
            let fits = part.len().min(most - bytes);
            parts.push(part.get(..fits).unwrap_or_default());
            bytes += fits;
            if bytes == most {
                break;
            }
        }
        (parts, bytes)
    }

    fn advance(&mut self, mut bytes: usize) {
        self.waiting -= bytes;
        while bytes > 0
            && let Some(part) = self.parts.front_mut()
        {
            if part.len() > bytes {
                drop(part.split_to(bytes));
                return;
            }
            bytes -= part.len();
            self.parts.pop_front();
        }
    }

    /// Seals runs of what waits, as long as there is room for all of the run.
    fn pump_sealed(&mut self, fabric: &mut impl Fabric, link: LinkId) -> Result<(), Refused> {
        const EXTRA: usize = LENGTH_BYTES + TAG_BYTES;
        self.write_run(fabric, link)?;
        while self.waiting > 0 && self.free() > EXTRA {
            let most = RUN_BYTES_MAX.min(self.free() - EXTRA);
            let (parts, bytes) = self.leading(most);
            let mut run = Vec::with_capacity(bytes + EXTRA);
            run.extend_from_slice(&((bytes + TAG_BYTES) as u32).to_le_bytes());
            parts.iter().for_each(|part| run.extend_from_slice(part));
            let Some(sealer) = &mut self.sealer else { return Ok(()) };
            sealer.seal(&mut run, LENGTH_BYTES);
            let at = self.filled;
            self.filled += run.len() as u64;
            self.run = Some((at, run));
            self.advance(bytes);
            self.write_run(fabric, link)?;
        }
        Ok(())
    }

    fn write_run(&mut self, fabric: &mut impl Fabric, link: LinkId) -> Result<(), Refused> {
        while let Some((at, run)) = &mut self.run {
            let offset = (*at % self.room) as usize;
            let now = run.len().min(self.room as usize - offset);
            fabric.write(link, offset as u32, &[run.get(..now).unwrap_or_default()])?;
            run.drain(..now);
            *at += now as u64;
            if run.is_empty() {
                self.run = None;
            }
        }
        Ok(())
    }
}

impl Inbox {
    fn take(
        &mut self,
        fabric: &impl Fabric,
        link: LinkId,
        filled: u64,
        letters: &mut Vec<Bytes>,
    ) -> Result<(), Broken> {
        while self.emptied < filled {
            let at = (self.emptied % self.room) as usize;
            let most = ((filled - self.emptied) as usize).min(self.room as usize - at);
            let sealed = self.opener.is_some();
            let partial = if sealed { &mut self.run } else { &mut self.letter };
            let bound = if sealed { RUN_BYTES_MAX + TAG_BYTES } else { LETTER_BYTES_MAX };
            let read = |place: Place<'_>| {
                let read = match place {
                    Place::Length(into) => fabric.read(link, at as u32, into),
                    Place::End(onto, count) => fabric.read_onto(link, at as u32, count, onto),
                };
                read.map_err(|_| Broken::Rules)
            };
            self.emptied += partial.fill(most, bound, read)? as u64;
            if let Some(whole) = partial.take_if_whole() {
                match &mut self.opener {
                    None => letters.push(whole.into()),
                    Some(opener) => {
                        let run = opener.open(whole).ok_or(Broken::Rules)?;
                        self.letter.feed(&run, letters)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Partial {
    fn wanted(&self) -> Option<usize> {
        let whole = self.have >= LENGTH_BYTES;
        whole.then(|| u32::from_le_bytes(self.length) as usize)
    }

    /// Reads what is lacking, up to `most` bytes and not beyond the end of it; how many those were.
    fn fill(
        &mut self,
        most: usize,
        bound: usize,
        read: impl FnOnce(Place<'_>) -> Result<(), Broken>,
    ) -> Result<usize, Broken> {
        let Some(length) = self.wanted() else {
            let count = most.min(LENGTH_BYTES - self.have);
            let place = self.length.get_mut(self.have..self.have + count).unwrap_or_default();
            read(Place::Length(place))?;
            self.have += count;
            return Ok(count);
        };
        if length > bound {
            return Err(Broken::Rules);
        }
        let begin = self.bytes.len();
        let count = most.min(length - begin);
        if begin == 0 {
            // All at once, since to grow is to copy; but of what is very long no more than has come
            // pays for, and a first part.
            self.bytes.reserve_exact(length.min(count.max(RESERVED_BYTES_MAX)));
        }
        read(Place::End(&mut self.bytes, count))?;
        Ok(count)
    }

    fn take_if_whole(&mut self) -> Option<Vec<u8>> {
        let whole = self.wanted() == Some(self.bytes.len());
        whole.then(|| {
            self.have = 0;
            std::mem::take(&mut self.bytes)
        })
    }

    /// The same from bytes at hand.
    fn feed(&mut self, mut run: &[u8], letters: &mut Vec<Bytes>) -> Result<(), Broken> {
        while !run.is_empty() {
            let count = self.fill(run.len(), LETTER_BYTES_MAX, |place| {
                match place {
                    Place::Length(into) => {
                        let (now, _) = run.split_at(into.len().min(run.len()));
                        into.copy_from_slice(now);
                    }
                    Place::End(onto, count) => {
                        onto.extend_from_slice(run.get(..count).unwrap_or_default());
                    }
                }
                Ok(())
            })?;
            run = run.get(count..).unwrap_or_default();
            if let Some(letter) = self.take_if_whole() {
                letters.push(letter.into());
            }
        }
        Ok(())
    }
}
