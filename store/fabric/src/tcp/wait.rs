//! Waiting for sockets, and being woken from it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll};

use crate::limits::LINKS_MAX;

/// The alarm's number among the sockets'.
const ALARM: u64 = u64::MAX;
/// The numbers of what is waited for and is none of ours, and of that of it which is rare.
const OTHER: u64 = u64::MAX - 1;
/// See [`OTHER`].
const RARE: u64 = u64::MAX - 2;

/// Sockets by number.
pub(super) struct Poller {
    epoll: OwnedFd,
    alarm: Arc<Alarm>,
}

/// What ends a wait from another thread.
pub(super) struct Alarm {
    counter: OwnedFd,
    woken: AtomicBool,
}

impl Alarm {
    /// Ends the wait within a poll, but not the poll.
    pub(super) fn knock(&self) {
        // Fails only when the counter is full, and then the wait ends as well.
        let _ = rustix::io::write(&self.counter, &1_u64.to_ne_bytes());
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.knock();
        }
    }
}

/// Whom a wait found ready, and whether the waker ended it, or what is none of ours, and whether
/// that is rare.
#[derive(Default)]
pub(super) struct Found {
    pub(super) numbers: Vec<u64>,
    pub(super) woken: bool,
    pub(super) other: bool,
    pub(super) rare: bool,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &counter, epoll::EventData::new_u64(ALARM), epoll::EventFlags::IN)?;
        let alarm = Arc::new(Alarm { counter, woken: AtomicBool::new(false) });
        Ok(Self { epoll, alarm })
    }

    pub(super) fn alarm(&self) -> &Arc<Alarm> {
        &self.alarm
    }

    pub(super) fn add(&self, socket: impl AsFd, number: u64, wish: Wish) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(number), wish.flags())?)
    }

    /// Waits for something else as well.
    #[cfg(feature = "libfabric")]
    pub(super) fn add_other(&self, other: impl AsFd, rare: bool) -> io::Result<()> {
        self.add(other, if rare { RARE } else { OTHER }, Wish::Receive)
    }

    pub(super) fn change(&self, socket: impl AsFd, number: u64, wish: Wish) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(number), wish.flags())?)
    }

    /// Waits for up to `wait`. A socket that is closed leaves by itself.
    pub(super) fn wait(&self, wait: Duration, found: &mut Found) {
        found.numbers.clear();
        (found.woken, found.other, found.rare) = (false, false, false);
        let wait = wait.min(Duration::from_secs(3600));
        // Below a millisecond, and only there, the kernel's finer wait is worth a second call: this
        // one rounds.
        let whole = Duration::from_millis(wait.as_millis() as u64);
        if wait.is_zero() || !whole.is_zero() {
            self.gather(whole, found);
            return;
        }
        self.gather(Duration::ZERO, found);
        if found.numbers.is_empty() && !found.woken && !found.other {
            let wait = timespec(wait);
            // Whatever it says, the sockets are asked.
            let _ = poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(&wait));
            self.gather(Duration::ZERO, found);
        }
    }

    fn gather(&self, wait: Duration, found: &mut Found) {
        // The alarm, the listener and the other besides.
        let mut ready = [const { MaybeUninit::<epoll::Event>::uninit() }; LINKS_MAX + 3];
        // Interrupted: whoever waits looks at the time and waits again.
        let waited = epoll::wait(&self.epoll, &mut ready, Some(&timespec(wait)));
        for event in waited.map(|(ready, _)| ready).unwrap_or_default() {
            let number = event.data.u64();
            match number {
                ALARM => found.woken = self.quiet(),
                OTHER => found.other = true,
                RARE => (found.other, found.rare) = (true, true),
                number => found.numbers.push(number),
            }
        }
    }

    /// The counter first: who wakes in between is merged with the one who did before.
    fn quiet(&self) -> bool {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.alarm.counter, &mut count);
        self.alarm.woken.swap(false, Ordering::AcqRel)
    }
}

/// What a socket is watched for. That it broke is told in any case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Receive,
    Send,
    Both,
}

impl Wish {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Wish::Nothing => epoll::EventFlags::empty(),
            Wish::Receive => epoll::EventFlags::IN,
            Wish::Send => epoll::EventFlags::OUT,
            Wish::Both => epoll::EventFlags::IN | epoll::EventFlags::OUT,
        }
    }
}

fn timespec(wait: Duration) -> Timespec {
    Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) }
}
