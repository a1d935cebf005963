//! A wire between whoever dials it and one end: it can hold back what goes one way, and break
//! after any byte.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread;

use super::HERE;

pub(crate) struct Cable {
    address: SocketAddr,
    /// From who dials to the end.
    pub(crate) forth: Way,
    /// And from the end to who dialled.
    pub(crate) back: Way,
    target: Arc<OnceLock<SocketAddr>>,
}

/// One direction. A clone is the same one.
#[derive(Clone, Default)]
pub(crate) struct Way(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    held: bool,
    /// Where the connections come from that are not severed, and how many there were.
    sources: Vec<TcpStream>,
    count: usize,
    /// Connections up to this one break, and how much of each still lands.
    severed: usize,
    landing: usize,
}

impl Cable {
    /// A wire to this end. Its threads end with the process.
    pub(crate) fn to(target: SocketAddr) -> Self {
        let cable = Self::loose();
        cable.plug(target);
        cable
    }

    /// A wire to an end that is not there before the wire is.
    pub(crate) fn loose() -> Self {
        let listener = TcpListener::bind(HERE).unwrap();
        let (forth, back, target) = (Way::default(), Way::default(), Arc::new(OnceLock::new()));
        let cable = Self { address: listener.local_addr().unwrap(), forth, back, target };
        let (forth, back) = (cable.forth.clone(), cable.back.clone());
        let target = Arc::clone(&cable.target);
        thread::spawn(move || {
            for dialler in listener.incoming() {
                let (dialler, target) = (dialler.unwrap(), target.wait());
                let end = TcpStream::connect(target).unwrap();
                dialler.set_nodelay(true).unwrap();
                end.set_nodelay(true).unwrap();
                forth.carry(dialler.try_clone().unwrap(), end.try_clone().unwrap());
                back.carry(end, dialler);
            }
        });
        cable
    }

    /// Where a loose wire leads.
    pub(crate) fn plug(&self, target: SocketAddr) {
        self.target.set(target).unwrap();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Way {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.0.1.notify_all();
    }

    /// How many connections there ever were.
    pub(crate) fn count(&self) -> usize {
        self.state().count
    }

    pub(crate) fn hold(&self) {
        self.change(|state| state.held = true);
    }

    pub(crate) fn release(&self) {
        self.change(|state| state.held = false);
    }

    /// Every connection there is now breaks, once so many bytes of what is under way have landed.
    pub(crate) fn sever_after(&self, landing: usize) {
        self.change(|state| {
            (state.held, state.severed, state.landing) = (false, state.count, landing);
            for source in state.sources.drain(..) {
                // What has come is still read, and then the end.
                let _ = source.shutdown(Shutdown::Read);
            }
        });
    }

    fn carry(&self, mut source: TcpStream, mut target: TcpStream) {
        let mine = {
            let mut state = self.state();
            state.sources.push(source.try_clone().unwrap());
            state.count += 1;
            state.count
        };
        let way = self.clone();
        thread::spawn(move || {
            let (mut buffer, mut landed) = (vec![0; 64 << 10], 0);
            loop {
                let count = source.read(&mut buffer).unwrap_or(0);
                let state = way.0.1.wait_while(way.state(), |state| state.held).unwrap();
                let breaks = mine <= state.severed;
                let now = if breaks { count.min(state.landing - landed) } else { count };
                drop(state);
                landed += if breaks { now } else { 0 };
                if now == 0 || target.write_all(&buffer[..now]).is_err() {
                    break;
                }
            }
            let _ = target.shutdown(Shutdown::Write);
            let _ = source.shutdown(Shutdown::Read);
        });
    }
}
