//! An attempt to connect, until there is a socket.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with, sockopt};

use super::wait::{Poller, Wish};
use crate::limits::HOST_BYTES_MAX;

/// Where an address leads.
pub(super) enum Target {
    Known(SocketAddr),
    Named(String, u16),
}

impl Target {
    /// Reads `HOST:PORT`.
    pub(super) fn parse(address: &str) -> Option<Self> {
        if let Ok(known) = address.parse::<SocketAddr>() {
            return (known.port() != 0).then_some(Target::Known(known));
        }
        let (host, port) = address.rsplit_once(':')?;
        let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let named = !host.is_empty() && host.len() <= HOST_BYTES_MAX && host.bytes().all(allowed);
        named.then(|| Target::Named(host.to_owned(), port))
    }
}

pub(super) struct Attempt {
    pub(super) began: Instant,
    /// Those not tried yet.
    addresses: VecDeque<SocketAddr>,
    socket: Option<OwnedFd>,
}

impl Attempt {
    pub(super) fn new(began: Instant) -> Self {
        Self { began, addresses: VecDeque::new(), socket: None }
    }

    /// Begins with the first of these addresses that takes it. Whether there was one.
    pub(super) fn try_all(
        &mut self,
        addresses: impl IntoIterator<Item = SocketAddr>,
        poller: &Poller,
        number: u64,
    ) -> bool {
        self.addresses.extend(addresses);
        self.try_next(poller, number)
    }

    fn try_next(&mut self, poller: &Poller, number: u64) -> bool {
        while let Some(address) = self.addresses.pop_front() {
            if let Ok(socket) = begin(address)
                && poller.add(&socket, number, Wish::Send).is_ok()
            {
                self.socket = Some(socket);
                return true;
            }
        }
        self.socket = None;
        false
    }

    /// After the socket had something to say.
    pub(super) fn proceed(&mut self, poller: &Poller, number: u64) -> Progress {
        let Some(socket) = self.socket.take() else { return Progress::Waits };
        if let Ok(Ok(())) = sockopt::socket_error(&socket) {
            return Progress::Connected(TcpStream::from(socket));
        }
        drop(socket);
        if self.try_next(poller, number) { Progress::Waits } else { Progress::Failed }
    }
}

pub(super) enum Progress {
    Waits,
    Connected(TcpStream),
    Failed,
}

fn begin(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    match connect(&socket, &address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS | rustix::io::Errno::INTR) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;
    use crate::tcp::wait::Found;

    /// Tries these addresses, to the end of it.
    #[expect(clippy::disallowed_methods, reason = "an attempt knows when it began")]
    fn tried(addresses: Vec<SocketAddr>) -> Option<TcpStream> {
        let poller = Poller::new().unwrap();
        let mut attempt = Attempt::new(Instant::now());
        let mut found = Found::default();
        let mut going = attempt.try_all(addresses, &poller, 7);
        while going {
            poller.wait(Duration::from_secs(10), &mut found);
            assert_eq!(found.numbers, [7]);
            match attempt.proceed(&poller, 7) {
                Progress::Waits => {}
                Progress::Connected(socket) => return Some(socket),
                Progress::Failed => going = false,
            }
        }
        None
    }

    #[test]
    fn all_addresses_of_a_host_are_tried() {
        let open = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let open = open.local_addr().map(|address| (address, open)).unwrap();
        let socket = tried(vec![closed, closed, open.0]).unwrap();
        assert_eq!(socket.peer_addr().unwrap(), open.0);
        assert!(tried(vec![closed, closed]).is_none());
        assert!(tried(vec![]).is_none());
    }
}
