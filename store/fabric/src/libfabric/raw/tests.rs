//! Two endpoints, and what one of them may not do to the other.

use super::*;
use crate::libfabric::clock;

const ROOM: usize = 4096;
/// More than anything here takes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

struct Pair {
    here: Device,
    there: Device,
    to: Address,
    done: Vec<Done>,
    done_there: Vec<Done>,
}

impl Pair {
    fn new(provider: Provider) -> Self {
        let at = provider.has_addresses().then_some(std::net::Ipv4Addr::LOCALHOST.into());
        let mut here = Device::open(provider, at).unwrap();
        let there = Device::open(provider, at).unwrap();
        let to = here.know(&there.name().unwrap()).unwrap();
        Self { here, there, to, done: Vec::new(), done_there: Vec::new() }
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
    fn write(&mut self, key: u64, base: u64, offset: u32, bytes: &[u8]) -> bool {
        let chunk = self.here.chunk().unwrap();
        assert!(self.here.put(chunk, 0, bytes));
        let mut piece = self.here.piece(chunk, 0, bytes.len() as u32);
        self.here.release(chunk);
        let to = Target { address: self.to, key, base };
        self.done.clear();
        self.until(|pair| {
            if let Some(now) = piece.take() {
                match pair.here.write(now, &to, offset, 5) {
                    Ok(()) => {}
                    Err((later, Unposted::Later)) => piece = Some(later),
                    Err((_, Unposted::Never)) => panic!("it is refused at once"),
                }
            }
            !pair.done.is_empty()
        });
        let written = Done::Written { link: 5, bytes: bytes.len() as u32 };
        assert!(self.done == [written] || self.done == [Done::Lost { link: 5 }]);
        self.done == [written]
    }

    fn holds(&self, lent: &Lent) -> Vec<u8> {
        let mut bytes = vec![0; ROOM];
        assert!(self.there.get(lent.memory, 0, &mut bytes));
        bytes
    }
}

fn a_write_lands_where_it_should(provider: Provider) {
    let mut pair = Pair::new(provider);
    let lent = pair.there.lend(ROOM, 77).unwrap();
    assert!(pair.write(lent.key, lent.base, ROOM as u32 - 3, b"abc"));
    let mut expected = vec![0; ROOM];
    expected[ROOM - 3..].copy_from_slice(b"abc");
    assert!(pair.holds(&lent) == expected);
}

/// Writes what may not be, and waits for the end of it where that comes.
fn offend(pair: &mut Pair, provider: Provider, key: u64, base: u64, offset: u32) {
    if provider == Provider::Tcp {
        assert!(!pair.write(key, base, offset, b"abc"), "it was let in");
        return;
    }
    pair.done.clear();
    // This version of `shm` neither does it nor says so, and does nothing more after that.
    let chunk = pair.here.chunk().unwrap();
    assert!(pair.here.put(chunk, 0, b"abc"));
    let piece = pair.here.piece(chunk, 0, 3).unwrap();
    let _ = pair.here.write(piece, &Target { address: pair.to, key, base }, offset, 5);
    for _ in 0..1000 {
        pair.here.progress(&mut pair.done);
        pair.there.progress(&mut pair.done_there);
    }
    assert!(!pair.done.contains(&Done::Written { link: 5, bytes: 3 }), "it was let in");
}

fn nobody_writes_without_the_key_or_outside_the_region(provider: Provider) {
    let room = ROOM as u32;
    for (wrong, base, offset) in [(5, 0, 0), (0, 0, room), (0, 0, room - 2), (0, u64::MAX, 0)] {
        let mut pair = Pair::new(provider);
        let (lent, other) =
            (pair.there.lend(ROOM, 77).unwrap(), pair.there.lend(ROOM, 78).unwrap());
        assert!(pair.write(lent.key, lent.base, 0, &[0; 8]));
        offend(&mut pair, provider, lent.key + wrong, lent.base.wrapping_add(base), offset);
        assert!(pair.holds(&lent) == vec![0; ROOM] && pair.holds(&other) == vec![0; ROOM]);
    }
}

fn nobody_writes_once_a_region_is_released(provider: Provider) {
    let mut pair = Pair::new(provider);
    let lent = pair.there.lend(ROOM, 77).unwrap();
    assert!(pair.write(lent.key, lent.base, 0, b"abc"));
    pair.there.release(lent.memory);
    assert!(!pair.there.get(lent.memory, 0, &mut [0]));
    let newer = pair.there.lend(ROOM, 78).unwrap();
    offend(&mut pair, provider, lent.key, lent.base, 0);
    assert!(pair.holds(&newer) == vec![0; ROOM]);
}

fn who_writes_to_what_was_left_does_no_harm(provider: Provider) {
    let mut pair = Pair::new(provider);
    let lent = pair.there.lend(ROOM, 77).unwrap();
    assert!(pair.write(lent.key, lent.base, 0, b"abc"));
    pair.there.leave(lent.memory);
    assert!(pair.holds(&lent) == vec![0; ROOM], "the memory is given back");
    let newer = pair.there.lend(ROOM, 78).unwrap();
    assert!(pair.write(lent.key, lent.base, 0, b"abc"));
    assert!(pair.holds(&newer) == vec![0; ROOM]);
    assert!(pair.write(newer.key, newer.base, 0, b"abc"), "others are not disturbed");
    assert_eq!(&pair.holds(&newer)[..3], b"abc");
}

fn messages_arrive_in_order(provider: Provider) {
    let mut pair = Pair::new(provider);
    let count = 3 * RECEIVES;
    let said: Vec<Message> = (0..count).map(|it| [(it % 251) as u8; MESSAGE_BYTES]).collect();
    let mut next = 0;
    pair.until(|pair| {
        while next < count && pair.here.say(pair.to, &said[next]).is_ok() {
            next += 1;
        }
        pair.done_there.len() == count
    });
    let heard: Vec<Done> = said.into_iter().map(Done::Said).collect();
    assert!(pair.done_there == heard);
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
        nobody_writes_without_the_key_or_outside_the_region,
        nobody_writes_once_a_region_is_released,
        who_writes_to_what_was_left_does_no_harm,
        messages_arrive_in_order,
        memory_stays_while_it_is_used,
    }
}

mod shm {
    use super::Provider;

    with! { Provider::Shm =>
        a_write_lands_where_it_should,
        nobody_writes_without_the_key_or_outside_the_region,
        nobody_writes_once_a_region_is_released,
        who_writes_to_what_was_left_does_no_harm,
        messages_arrive_in_order,
        memory_stays_while_it_is_used,
    }
}
