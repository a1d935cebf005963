//! What two ends tell each other: once over the connection on which they prove who they are, and
//! then beside what they write.
//!
//! ```text
//! card:     version u8 · region bytes u32 · base u64 · key u64 · token u64 · secret 32 bytes ·
//!           address length u8 · address · hello length u16 · hello
//! message:  token u64 · count u64 · kind u32 · word u32
//! ```
//!
//! Numbers are little-endian. A token is what the end that receives a message chose for the link.

use ring::hkdf::{HKDF_SHA256, KeyType, Salt};

use super::raw::{ADDRESS_BYTES_MAX, MESSAGE_BYTES, Message, Target};
use crate::LinkKeys;
use crate::limits::{HELLO_BYTES_MAX, REGION_BYTES_MAX, REGION_BYTES_MIN};

const VERSION: u8 = 1;

/// What an end has to tell before there is a link.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) room: u32,
    pub(super) region: Target,
    pub(super) token: u64,
    pub(super) secret: [u8; 32],
    pub(super) address: Vec<u8>,
    pub(super) hello: Vec<u8>,
}

impl Card {
    pub(super) fn written(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.room.to_le_bytes());
        for number in [self.region.base, self.region.key, self.token] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.secret);
        bytes.push(self.address.len() as u8);
        bytes.extend_from_slice(&self.address);
        bytes.extend_from_slice(&(self.hello.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&self.hello);
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let [version] = take(&mut rest)?;
        let room = u32::from_le_bytes(take(&mut rest)?);
        let mut number = || Some(u64::from_le_bytes(take(&mut rest)?));
        let (base, key, token) = (number()?, number()?, number()?);
        let secret = take(&mut rest)?;
        let [length] = take(&mut rest)?;
        let (address, mut rest) = rest.split_at_checked(usize::from(length))?;
        let length = usize::from(u16::from_le_bytes(take(&mut rest)?));
        let allowed = version == VERSION
            && (REGION_BYTES_MIN..=REGION_BYTES_MAX).contains(&room)
            && (1..=ADDRESS_BYTES_MAX).contains(&address.len())
            && length <= HELLO_BYTES_MAX
            && length == rest.len();
        let (address, hello) = (address.to_vec(), rest.to_vec());
        let region = Target { key, base };
        allowed.then_some(Self { room, region, token, secret, address, hello })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, later) = rest.split_first_chunk()?;
    *rest = later;
    Some(*first)
}

/// The keys of a link, of which each end has made one half.
pub(super) fn keys(dialled: bool, own: &[u8; 32], theirs: &[u8; 32]) -> Option<LinkKeys> {
    let (first, second) = if dialled { (own, theirs) } else { (theirs, own) };
    let prk =
        Salt::new(HKDF_SHA256, b"notrace libfabric link").extract(&[*first, *second].concat());
    let key = |of: &[u8]| {
        let mut key = [0; 32];
        prk.expand(&[of], Bytes32).and_then(|it| it.fill(&mut key)).ok().map(|()| key)
    };
    let (forth, back) = (key(b"dialling end writes")?, key(b"dialled end writes")?);
    let (send, receive) = if dialled { (forth, back) } else { (back, forth) };
    Some(LinkKeys { send, receive })
}

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

/// What a message is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The first one: this end is ready.
    Hello,
    /// A ring of the doorbell.
    Ring(u32),
}

/// A message and which link it is for; rings are counted from one.
pub(super) fn message(token: u64, count: u64, kind: Kind) -> Message {
    let (kind, word) = match kind {
        Kind::Hello => (1_u32, 0),
        Kind::Ring(word) => (2, word),
    };
    let mut message = [0; MESSAGE_BYTES];
    let bytes = token.to_le_bytes().into_iter().chain(count.to_le_bytes());
    let bytes = bytes.chain(kind.to_le_bytes()).chain(word.to_le_bytes());
    message.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    message
}

pub(super) fn understood(message: &Message) -> Option<(u64, u64, Kind)> {
    let mut rest = message.as_slice();
    let token = u64::from_le_bytes(take(&mut rest)?);
    let count = u64::from_le_bytes(take(&mut rest)?);
    let kind = u32::from_le_bytes(take(&mut rest)?);
    let word = u32::from_le_bytes(take(&mut rest)?);
    let kind = match kind {
        1 => Kind::Hello,
        2 => Kind::Ring(word),
        _ => return None,
    };
    Some((token, count, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Card {
        Card {
            room: 4096,
            region: Target { key: 7, base: u64::MAX },
            token: 1 << 63,
            secret: [9; 32],
            address: b"where".to_vec(),
            hello: b"who".to_vec(),
        }
    }

    #[test]
    fn a_card_is_read_as_it_was_written() {
        assert!(Card::read(&card().written()).unwrap() == card());
        let longest =
            Card { address: vec![1; ADDRESS_BYTES_MAX], hello: vec![2; HELLO_BYTES_MAX], ..card() };
        assert!(Card::read(&longest.written()).unwrap() == longest);
        assert!(
            longest.written().len() <= REGION_BYTES_MIN as usize,
            "it fits where it is written"
        );
    }

    #[test]
    fn a_card_that_breaks_the_rules_is_none() {
        let whole = card().written();
        for length in 0..whole.len() {
            assert!(Card::read(&whole[..length]).is_none());
        }
        let more = [&whole[..], b"!"].concat();
        let older = [&[0], &whole[1..]].concat();
        let small = Card { room: REGION_BYTES_MIN - 1, ..card() }.written();
        let nowhere = Card { address: Vec::new(), ..card() }.written();
        let chatty = Card { hello: vec![0; HELLO_BYTES_MAX + 1], ..card() }.written();
        for wrong in [more, older, small, nowhere, chatty] {
            assert!(Card::read(&wrong).is_none());
        }
    }

    #[test]
    fn a_message_is_understood_as_it_was_meant() {
        for kind in [Kind::Hello, Kind::Ring(0), Kind::Ring(u32::MAX)] {
            assert_eq!(understood(&message(5, 6, kind)), Some((5, 6, kind)));
        }
        assert_eq!(understood(&[0; MESSAGE_BYTES]), None);
    }

    #[test]
    fn the_ends_have_the_same_keys_and_each_way_has_its_own() {
        let (one, other) = ([1; 32], [2; 32]);
        let here = keys(true, &one, &other).unwrap();
        let there = keys(false, &other, &one).unwrap();
        assert!(here.send == there.receive && here.receive == there.send);
        assert!(here.send != here.receive);
        // Either half changes both.
        let again = keys(true, &one, &[3; 32]).unwrap();
        assert!(again.send != here.send && again.receive != here.receive);
        let again = keys(true, &[3; 32], &other).unwrap();
        assert!(again.send != here.send && again.receive != here.receive);
    }
}
