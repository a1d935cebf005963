//! Two endpoints, and what one of them may not do to the other.

use super::*;
use crate::libfabric::clock;

const ROOM: usize = 4096;
/// More than anything here takes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

struct Pair {
    here: Device,
    there: Device,
    done: Vec<Done>,
    done_there: Vec<Done>,
}

impl Pair {
    fn new(provider: Provider) -> Self {
        let at = provider.connects().then_some(std::net::Ipv4Addr::LOCALHOST.into());
        let mut here = Device::open(provider, at).unwrap();
        let mut there = Device::open(provider, at).unwrap();
        Self::connect((&mut here, 5), (&mut there, 6));
        Self { here, there, done: Vec::new(), done_there: Vec::new() }
    }

    fn connect(one: (&mut Device, u64), other: (&mut Device, u64)) {
        let (token, token_there) = (one.1 << 32, other.1 << 32);
        let here = one.0.begin(one.1, token).unwrap();
        let there = other.0.begin(other.1, token_there).unwrap();
        one.0.meet(one.1, &there, Some(token_there)).unwrap();
        other.0.meet(other.1, &here, None).unwrap();
    }

    fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let end = clock() + PATIENCE;
        while !done(self) {
            assert!(clock() < end, "it never happens: {:?} {:?}", self.done, self.done_there);
            self.here.progress(&mut self.done);
            self.there.progress(&mut self.done_there);
        }
    }

    /// Writes these bytes and waits for the end of it: whether they arrived.
    fn write(&mut self, link: u64, to: Target, offset: u32, bytes: &[u8]) -> bool {
        let chunk = self.here.chunk().unwrap();
        assert!(self.here.put(chunk, 0, bytes));
        let mut piece = self.here.piece(chunk, 0, bytes.len() as u32);
        self.here.release(chunk);
        self.done.clear();
        self.until(|pair| {
            if let Some(now) = piece.take() {
                match pair.here.write(link, now, (&to, offset), None) {
                    Ok(()) => {}
                    Err((later, Unposted::Later)) => piece = Some(later),
                    Err((_, Unposted::Never)) => panic!("it is refused at once"),
                }
            }
            !pair.done.is_empty()
        });
        let written = Done::Written(link, bytes.len() as u32);
        assert!(self.done == [written] || self.done == [Done::Lost(link)]);
        self.done == [written]
    }

    /// Waits until a region begins with these bytes.
    fn until_landed(&mut self, lent: &Lent, bytes: &[u8]) {
        self.until(|pair| pair.holds(lent).starts_with(bytes));
    }

    fn holds(&self, lent: &Lent) -> Vec<u8> {
        let mut bytes = vec![0; ROOM];
        assert!(self.there.get(lent.memory, 0, &mut bytes));
        bytes
    }
}

fn a_write_lands_where_it_should(provider: Provider) {
    let mut pair = Pair::new(provider);
    let lent = pair.there.lend(6, ROOM, 77).unwrap();
    assert!(pair.write(5, lent.at, ROOM as u32 - 3, b"abc"));
    let mut expected = vec![0; ROOM];
    expected[ROOM - 3..].copy_from_slice(b"abc");
    pair.until(|pair| pair.holds(&lent) == expected);
}

/// Writes what may not be, and waits for the end of it where that comes.
fn offend(pair: &mut Pair, provider: Provider, to: Target, offset: u32) {
    pair.done.clear();
    let chunk = pair.here.chunk().unwrap();
    assert!(pair.here.put(chunk, 0, b"abc"));
    let piece = pair.here.piece(chunk, 0, 3).unwrap();
    let _ = pair.here.write(5, piece, (&to, offset), None);
    if provider.connects() {
        // Whoever does this is cut off.
        pair.until(|pair| pair.done.contains(&Done::Lost(5)));
        pair.until(|pair| pair.done_there.contains(&Done::Lost(6)));
        return;
    }
    // This version of `shm` neither does it nor says so, and does nothing on this endpoint again.
    for _ in 0..1000 {
        pair.here.progress(&mut pair.done);
        pair.there.progress(&mut pair.done_there);
    }
    assert!(!pair.done.contains(&Done::Written(5, 3)), "it was let in");
}

fn who_breaks_the_rules_harms_nobody_else(provider: Provider) {
    let room = ROOM as u32;
    for (wrong, base, offset) in [(5, 0, 0), (0, 0, room), (0, 0, room - 2), (0, u64::MAX, 0)] {
        let mut pair = Pair::new(provider);
        Pair::connect((&mut pair.here, 7), (&mut pair.there, 8));
        let lent = pair.there.lend(6, ROOM, 77).unwrap();
        let other = pair.there.lend(8, ROOM, 78).unwrap();
        assert!(pair.write(5, lent.at, 0, &[0; 8]) && pair.write(7, other.at, 0, b"abc"));
        let Target { key, base: begin } = lent.at;
        let to = Target { key: key + wrong, base: begin.wrapping_add(base) };
        offend(&mut pair, provider, to, offset);
        assert!(pair.holds(&lent) == vec![0; ROOM]);
        assert!(pair.write(7, other.at, 3, b"def"), "another link goes on");
        pair.until_landed(&other, b"abcdef\0");
        // The two that have nothing to say to each other any more make room for others.
        pair.here.end(5);
        pair.there.end(6);
        Pair::connect((&mut pair.here, 5), (&mut pair.there, 6));
        let again = pair.there.lend(6, ROOM, 79).unwrap();
        assert!(pair.write(5, again.at, 0, b"abc") && pair.write(7, other.at, 6, b"ghi"));
        pair.until_landed(&other, b"abcdefghi\0");
        pair.until_landed(&again, b"abc\0");
    }
}

fn nothing_is_written_once_an_endpoint_is_closed(provider: Provider) {
    let mut pair = Pair::new(provider);
    let lent = pair.there.lend(6, ROOM, 77).unwrap();
    assert!(pair.write(5, lent.at, 0, b"abc"));
    pair.until_landed(&lent, b"abc");
    let chunk = pair.here.chunk().unwrap();
    // More than what is under way at once; how much of it arrives is left open.
    for _ in 0..1000 {
        let piece = pair.here.piece(chunk, 0, CHUNK_BYTES as u32).unwrap();
        if let Err((piece, _)) = pair.here.write(5, piece, (&lent.at, 0), None) {
            pair.here.forget(&piece);
        }
    }
    pair.there.end(6);
    assert!(!pair.there.get(lent.memory, 0, &mut [0]));
    pair.there.begin(8, 9).unwrap();
    let newer = pair.there.lend(8, ROOM, 77).unwrap();
    pair.until(|pair| pair.done.contains(&Done::Lost(5)));
    assert!(pair.holds(&newer) == vec![0; ROOM]);
    pair.here.end(5);
    pair.here.release(chunk);
    assert_eq!(pair.here.chunk(), Some(chunk), "all pieces of it were given back");
}

fn messages_arrive_in_order(provider: Provider) {
    let mut pair = Pair::new(provider);
    let count = 3 * RECEIVES;
    let said: Vec<Message> = (0..count).map(|it| [(it % 251) as u8; MESSAGE_BYTES]).collect();
    let mut next = 0;
    pair.until(|pair| {
        while next < count && pair.here.say(5, &said[next]).is_ok() {
            next += 1;
        }
        pair.done_there.len() == count
    });
    let heard: Vec<Done> = said.into_iter().map(|it| Done::Said(6, it)).collect();
    assert!(pair.done_there == heard);
}

/// More often than there are places for messages, in case the words use those up.
fn words_come_with_writes_and_messages_between_them(provider: Provider) {
    let mut pair = Pair::new(provider);
    assert!(pair.here.is_ordered());
    let lent = pair.there.lend(6, ROOM, 77).unwrap();
    let mut expected = Vec::new();
    let mut last = 0;
    for word in 0..2 * RECEIVES as u32 {
        let chunk = pair.here.chunk().unwrap();
        assert!(pair.here.put(chunk, 0, &word.to_le_bytes()));
        let piece = pair.here.piece(chunk, 0, 4).unwrap();
        pair.here.release(chunk);
        pair.until(|pair| pair.here.say(5, &[word as u8; MESSAGE_BYTES]).is_ok());
        assert!(pair.here.write(5, piece, (&lent.at, 0), Some(u32::MAX - word)).is_ok());
        expected.push(Done::Said(6, [word as u8; MESSAGE_BYTES]));
        expected.push(Done::Rung(6, u32::MAX - word));
        pair.until(|pair| pair.done_there.len() == expected.len());
        let now = u32::from_le_bytes(*pair.holds(&lent).first_chunk().unwrap());
        assert!(now == word && now >= last, "the word came before its write");
        last = now;
    }
    assert!(pair.done_there == expected);
}

fn memory_stays_while_it_is_used(provider: Provider) {
    let mut device = Pair::new(provider).here;
    let chunk = device.chunk().unwrap();
    let (one, other) = (device.piece(chunk, 0, 5).unwrap(), device.piece(chunk, 5, 5).unwrap());
    assert!(device.piece(chunk, CHUNK_BYTES as u32 - 1, 2).is_none());
    device.release(chunk);
    device.forget(&one);
    let another = device.chunk().unwrap();
    assert_ne!(another, chunk, "a piece of it is left");
    device.forget(&other);
    assert_eq!(device.chunk(), Some(chunk), "nothing of it is left, so it is the next one");
}

macro_rules! with {
    ($provider:expr => $($test:ident),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                super::$test($provider);
            }
        )+
    };
}

mod tcp {
    use super::Provider;

    with! { Provider::Tcp =>
        a_write_lands_where_it_should,
        who_breaks_the_rules_harms_nobody_else,
        nothing_is_written_once_an_endpoint_is_closed,
        messages_arrive_in_order,
        words_come_with_writes_and_messages_between_them,
        memory_stays_while_it_is_used,
    }
}

mod shm {
    use super::Provider;

    with! { Provider::Shm =>
        a_write_lands_where_it_should,
        who_breaks_the_rules_harms_nobody_else,
        messages_arrive_in_order,
        memory_stays_while_it_is_used,
    }
}
