//! Connections, from their beginning until they are links.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use super::dial::{Attempt, Progress, Target};
use super::link::{Link, Stage};
use super::session::Session;
use super::wait::Wish;
use super::{LISTENER, Over, Tcp};
use crate::Broken;
use crate::limits::{CONNECT_MAX, LINKS_MAX, STRANGERS_MAX};

/// How long nobody is accepted after the system had no socket left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Connections that are accepted before others have their turn.
const ACCEPTED_AT_ONCE: usize = 16;

impl Tcp {
    fn is_full(&self) -> bool {
        self.links.len() + self.attempts.len() >= LINKS_MAX
    }

    /// Begins to connect. [`Tcp::fail`] tells if that fails later.
    /// # Errors  [`Broken`], and there is no attempt.
    pub(super) fn reach(&mut self, number: u64, address: &str, now: Instant) -> Result<(), Broken> {
        let target = Target::parse(address).ok_or(Broken::Address)?;
        self.make_room();
        if self.is_full() {
            return Err(Broken::Gone);
        }
        let mut attempt = Attempt::new(now);
        let begun = match target {
            Target::Known(address) => attempt.try_all([address], &self.poller, number),
            Target::Named(host, port) => self.resolver.ask(number, host, port),
        };
        if !begun {
            return Err(Broken::Gone);
        }
        self.attempts.insert(number, attempt);
        self.due = self.due.min(now + CONNECT_MAX);
        Ok(())
    }

    pub(super) fn accept(&mut self, now: Instant) {
        // Few at a time: who dials much must not keep the others from being heard.
        for _ in 0..ACCEPTED_AT_ONCE {
            match self.listener.accept() {
                Ok((socket, _)) => {
                    self.make_room();
                    // Who is too much is hung up on.
                    if !self.is_full()
                        && let Ok(session) = Session::accept(&self.trust)
                    {
                        let number = self.next();
                        self.begin(number, socket, session, (now, now));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(_) => {
                    // The system has no socket left, and would say so until it has.
                    let pause = self.poller.change(&self.listener, LISTENER, Wish::Nothing);
                    self.paused = pause.is_ok().then(|| now + ACCEPT_PAUSE);
                    self.due = self.due.min(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    pub(super) fn listen_again(&mut self, now: Instant) {
        let Some(mut end) = self.paused else { return };
        if now >= end {
            end = now + ACCEPT_PAUSE;
            let change = self.poller.change(&self.listener, LISTENER, Wish::Receive);
            self.paused = change.is_err().then_some(end);
        }
        self.due = self.due.min(end);
    }

    /// Those who dialled and did not prove themselves yet are few. Where there is no room for
    /// another, one of those goes who came from where most of them came from: nobody who is about
    /// to prove itself goes for what others do elsewhere.
    fn make_room(&mut self) {
        let strangers = self.links.iter().filter(|(_, link)| {
            !link.dialled && matches!(link.stage, Stage::Proving | Stage::Greeting)
        });
        let strangers: Vec<_> = strangers.map(|(number, link)| (*number, link.source)).collect();
        let is_crowded = strangers.len() >= STRANGERS_MAX || self.is_full();
        if let Some(first) = first_of_most(&strangers).filter(|_| is_crowded) {
            self.links.remove(&first);
        }
    }

    pub(super) fn proceed(&mut self, number: u64, now: Instant) {
        let Some(attempt) = self.attempts.get_mut(&number) else { return };
        match attempt.proceed(&self.poller, number) {
            Progress::Waits => {}
            Progress::Failed => self.fail(number, Broken::Gone),
            Progress::Connected(socket) => {
                let began = attempt.began;
                self.attempts.remove(&number);
                match Session::dial(&self.trust) {
                    Ok(session) => self.begin(number, socket, session, (began, now)),
                    Err(_) => self.over.push(Over::Failed(number, Broken::Stranger)),
                }
            }
        }
    }

    fn begin(
        &mut self,
        number: u64,
        socket: TcpStream,
        session: Session,
        (began, now): (Instant, Instant),
    ) {
        let dialled = session.is_dialled();
        let watched = match dialled {
            true => self.poller.change(&socket, number, Wish::Receive),
            false => socket
                .set_nonblocking(true)
                .and_then(|()| self.poller.add(&socket, number, Wish::Receive)),
        };
        if watched.and_then(|()| socket.set_nodelay(true)).is_err() {
            if dialled {
                self.over.push(Over::Failed(number, Broken::Gone));
            }
            return;
        }
        self.links.insert(number, Link::new(socket, session, self.lends, (began, now)));
        self.due = self.due.min(began + CONNECT_MAX);
        // The one who dialled speaks first, without having been asked.
        let link = self.links.get_mut(&number).map(Link::begin);
        match link {
            Some(Err(why)) => self.fail(number, why),
            _ => self.note_sending(number),
        }
    }
}

/// The first who came from where most came from; of two such places, from where the first came.
fn first_of_most(strangers: &[(u64, Option<IpAddr>)]) -> Option<u64> {
    let mut places: BTreeMap<Option<IpAddr>, (usize, Reverse<u64>)> = BTreeMap::new();
    for (number, source) in strangers {
        places.entry(*source).or_insert((0, Reverse(*number))).0 += 1;
    }
    places.into_values().max().map(|(_, Reverse(first))| first)
}

#[cfg(test)]
mod who_has_to_go {
    use std::net::Ipv4Addr;

    use super::*;

    fn from(last: u8) -> Option<IpAddr> {
        Some(Ipv4Addr::new(192, 0, 2, last).into())
    }

    #[test]
    fn is_the_first_from_where_most_came() {
        let strangers = [(3, from(1)), (4, from(2)), (5, from(2)), (6, from(3)), (7, from(2))];
        assert_eq!(first_of_most(&strangers), Some(4));
    }

    #[test]
    fn is_the_first_of_all_where_as_many_came_from_everywhere() {
        assert_eq!(first_of_most(&[(3, from(9)), (4, from(2)), (5, None)]), Some(3));
        assert_eq!(first_of_most(&[]), None);
    }
}
