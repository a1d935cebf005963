//! A machine that remembers what it was told, and what a test needs to wait for a future.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use notrace_store_protocol::ids::{NodeId, Version};
use notrace_store_protocol::layout::{Mode, Senders, ShardSpec};
use notrace_store_protocol::machine::{Machine, Malformed, Place};
use notrace_store_protocol::time::Hlc;

/// One update as it was applied: where, who sent it, and which of the sender's it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    pub(crate) place: Place,
    pub(crate) sender: u64,
    pub(crate) count: u64,
}

/// Remembers every update, but not its filling.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Lines(pub(crate) Vec<Line>);

/// A sender's update with a filling of `length` bytes that follows from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    pub(crate) sender: u64,
    pub(crate) count: u64,
    pub(crate) length: u64,
}

impl Told {
    fn filling(self) -> impl Iterator<Item = u8> {
        (0..self.length).map(move |index| (self.sender + 7 * self.count + index) as u8)
    }
}

fn numbers<const N: usize>(bytes: &[u8]) -> Result<[u64; N], Malformed> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let numbers: Vec<u64> = chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect();
    if rest.is_empty() { numbers.try_into().map_err(|_| Malformed) } else { Err(Malformed) }
}

impl Machine for Lines {
    type Command = Told;
    type Reply = usize;

    fn encode(told: &Told) -> Vec<u8> {
        let numbers = [told.sender, told.count, told.length].into_iter().flat_map(u64::to_le_bytes);
        numbers.chain(told.filling()).collect()
    }

    fn decode(bytes: &[u8]) -> Result<Told, Malformed> {
        let (head, filling) = bytes.split_at_checked(24).ok_or(Malformed)?;
        let [sender, count, length] = numbers(head)?;
        let told = Told { sender, count, length };
        if told.filling().eq(filling.iter().copied()) { Ok(told) } else { Err(Malformed) }
    }

    fn apply(&mut self, place: Place, told: Told) -> usize {
        let last = self.0.last().map(|line| line.place);
        assert!(last.is_none_or(|last| last.version < place.version && last.time < place.time));
        self.0.push(Line { place, sender: told.sender, count: told.count });
        self.0.len()
    }

    fn snapshot(&self) -> Vec<u8> {
        let numbers = self.0.iter().flat_map(|line| {
            [line.place.version.to_wire(), line.place.time.to_wire(), line.sender, line.count]
        });
        numbers.flat_map(u64::to_le_bytes).collect()
    }

    fn restore(bytes: &[u8]) -> Result<Self, Malformed> {
        let lines = bytes.chunks(32).map(|line| {
            let [version, time, sender, count] = numbers(line)?;
            let (version, time) = (Version::from_wire(version), Hlc::from_wire(time));
            Ok(Line { place: Place { version, time }, sender, count })
        });
        lines.collect::<Result<_, _>>().map(Self)
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

pub(crate) fn node(number: u32) -> NodeId {
    NodeId::new(number).unwrap()
}

pub(crate) fn spec(mode: Mode) -> ShardSpec {
    ShardSpec { min: 1, max: 3, senders: Senders::All, mode }
}
