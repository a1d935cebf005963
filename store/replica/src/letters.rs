//! What one node says to another over a link, as bytes.
//!
//! ```text
//! kind u8, then
//!   greeting   node u32 · life u32 · boot u64, then nothing, or what was last heard of you:
//!              life u32 · boot u64 · linked u8
//!   write      length u32 · the protocol's write · the bytes that go with it
//!   ask        view u32 · round u64                   "is this still the view?"
//!   vouch      view u32 · round u64                   "it is, as far as I have agreed"
//!   call       number u64 · bytes
//!   answer     number u64 · 1 · bytes, or 0           "as many of your calls are open as may"
//! ```
//!
//! With frames go the bytes of their updates, one after the other; with a tail its updates, each as
//! version u64, time u64, length u32, bytes; with a chunk its bytes.

use bytes::{BufMut, Bytes};
use notrace_store_fabric::mail::Letter;
use notrace_store_protocol::codec;
use notrace_store_protocol::effect::Slot;
use notrace_store_protocol::ids::{Life, NodeId, Version, ViewId};
use notrace_store_protocol::machine::Place;
use notrace_store_protocol::message::{Peer, Write};
use notrace_store_protocol::row::{Content, Frames};
use notrace_store_protocol::time::Hlc;

use crate::member::BootId;

/// Who is at the other end, and what it has heard of this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Greeting {
    pub(crate) peer: Peer,
    pub(crate) boot: BootId,
    pub(crate) yours: Option<Heard>,
}

/// What was last heard of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Heard {
    pub(crate) life: Life,
    pub(crate) boot: BootId,
    /// There is a link to it.
    pub(crate) linked: bool,
}

/// What came in a letter.
pub(crate) enum Word {
    Greeting(Greeting),
    Write(Box<Write>, Bytes),
    Ask { view: ViewId, round: u64 },
    Vouch { view: ViewId, round: u64 },
    Call { number: u64, bytes: Bytes },
    Answer { number: u64, bytes: Option<Bytes> },
}

const GREETING: u8 = 1;
const WRITE: u8 = 2;
const ASK: u8 = 3;
const VOUCH: u8 = 4;
const CALL: u8 = 5;
const ANSWER: u8 = 6;

pub(crate) fn greeting(greeting: &Greeting) -> Letter {
    let Greeting { peer, boot, yours } = greeting;
    let mut head = vec![GREETING];
    head.put_u32_le(peer.node.number());
    head.put_u32_le(peer.life.0);
    head.put_u64_le(boot.0);
    if let Some(Heard { life, boot, linked }) = yours {
        head.put_u32_le(life.0);
        head.put_u64_le(boot.0);
        head.put_u8(u8::from(*linked));
    }
    Letter { head, body: Vec::new() }
}

/// A write whose bytes are made once, for however many peers it goes to.
pub(crate) fn write(write: &Write) -> Vec<u8> {
    let mut head = vec![WRITE, 0, 0, 0, 0];
    codec::encode(write, &mut head);
    let length = (head.len() - 5) as u32;
    if let Some(place) = head.get_mut(1..5) {
        place.copy_from_slice(&length.to_le_bytes());
    }
    head
}

pub(crate) fn ask(view: ViewId, round: u64) -> Letter {
    Letter { head: round_head(ASK, view, round), body: Vec::new() }
}

pub(crate) fn vouch(view: ViewId, round: u64) -> Letter {
    Letter { head: round_head(VOUCH, view, round), body: Vec::new() }
}

fn round_head(kind: u8, view: ViewId, round: u64) -> Vec<u8> {
    let mut head = vec![kind];
    head.put_u32_le(view.number());
    head.put_u64_le(round);
    head
}

pub(crate) fn call(number: u64, bytes: Bytes) -> Letter {
    let mut head = vec![CALL];
    head.put_u64_le(number);
    Letter { head, body: vec![bytes] }
}

pub(crate) fn answer(number: u64, bytes: Option<Bytes>) -> Letter {
    let mut head = vec![ANSWER];
    head.put_u64_le(number);
    head.put_u8(u8::from(bytes.is_some()));
    Letter { head, body: bytes.into_iter().collect() }
}

/// What a letter says; nothing if no node of this version writes such letters.
pub(crate) fn read(mut letter: Bytes) -> Option<Word> {
    let kind = take(&mut letter, 1)?.first().copied()?;
    Some(match kind {
        GREETING => {
            let (node, life) = (NodeId::new(number32(&mut letter)?)?, number32(&mut letter)?);
            let (peer, boot) = (Peer { node, life: Life(life) }, BootId(number64(&mut letter)?));
            let yours = match letter.is_empty() {
                true => None,
                false => Some(Heard {
                    life: Life(number32(&mut letter)?),
                    boot: BootId(number64(&mut letter)?),
                    linked: take(&mut letter, 1)?.first() == Some(&1),
                }),
            };
            Word::Greeting(Greeting { peer, boot, yours })
        }
        WRITE => {
            let length = number32(&mut letter)?;
            let write = codec::decode(&take(&mut letter, length as usize)?).ok()?;
            return Some(Word::Write(Box::new(write), letter));
        }
        ASK | VOUCH => {
            let view = ViewId::new(number32(&mut letter)?)?;
            let round = number64(&mut letter)?;
            if kind == ASK { Word::Ask { view, round } } else { Word::Vouch { view, round } }
        }
        CALL => return Some(Word::Call { number: number64(&mut letter)?, bytes: letter }),
        ANSWER => {
            let number = number64(&mut letter)?;
            let answered = take(&mut letter, 1)?.first() == Some(&1);
            let bytes = answered.then_some(letter);
            return Some(Word::Answer { number, bytes });
        }
        _ => return None,
    })
}

fn take(from: &mut Bytes, count: usize) -> Option<Bytes> {
    (from.len() >= count).then(|| from.split_to(count))
}

fn number32(from: &mut Bytes) -> Option<u32> {
    Some(u32::from_le_bytes(*take(from, 4)?.first_chunk()?))
}

fn number64(from: &mut Bytes) -> Option<u64> {
    Some(u64::from_le_bytes(*take(from, 8)?.first_chunk()?))
}

/// The slots of the updates among frames.
pub(crate) fn slots(frames: &Frames) -> impl Iterator<Item = Slot> + '_ {
    frames.frames.iter().filter_map(|frame| match frame.content {
        Content::Update { offset, bytes, .. } => Some(Slot {
            shard: frames.shard,
            since: frames.since,
            index: frame.index,
            offset,
            bytes,
        }),
        Content::Nulls { .. } => None,
    })
}

/// The updates among frames with the bytes that came with them; nothing if those do not fit.
pub(crate) fn split(frames: &Frames, mut bytes: Bytes) -> Option<Vec<(Slot, Bytes)>> {
    let parts = slots(frames).map(|slot| Some((slot, take(&mut bytes, slot.bytes as usize)?)));
    let parts: Option<Vec<_>> = parts.collect();
    parts.filter(|_| bytes.is_empty())
}

/// Updates of a tail, as bytes.
pub(crate) fn tail(updates: &[(Place, Bytes)]) -> Vec<Bytes> {
    let parts = updates.iter().flat_map(|(place, bytes)| {
        let mut head = Vec::with_capacity(20);
        head.put_u64_le(place.version.to_wire());
        head.put_u64_le(place.time.to_wire());
        head.put_u32_le(bytes.len() as u32);
        [Bytes::from(head), bytes.clone()]
    });
    parts.collect()
}

/// The updates of a tail; nothing if the bytes are none.
pub(crate) fn read_tail(mut bytes: Bytes) -> Option<Vec<(Place, Bytes)>> {
    let mut updates: Vec<(Place, Bytes)> = Vec::new();
    while !bytes.is_empty() {
        let version = Version::from_wire(number64(&mut bytes)?);
        let time = Hlc::from_wire(number64(&mut bytes)?);
        let length = number32(&mut bytes)?;
        let place = Place { version, time };
        let rises =
            updates.last().is_none_or(|(last, _)| last.version < version && last.time < time);
        if !rises {
            return None;
        }
        updates.push((place, take(&mut bytes, length as usize)?));
    }
    Some(updates)
}
