//! Names of hosts. The system's resolver blocks, so each question has a short-lived thread.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;

use super::wait::Alarm;
use crate::limits::{ADDRESSES_MAX, RESOLVERS_MAX};

pub(super) struct Resolver {
    alarm: Arc<Alarm>,
    answer: Sender<(u64, Vec<SocketAddr>)>,
    answers: Receiver<(u64, Vec<SocketAddr>)>,
    /// Each thread holds one more.
    busy: Arc<()>,
}

impl Resolver {
    pub(super) fn new(alarm: Arc<Alarm>) -> Self {
        let (answer, answers) = channel();
        Self { alarm, answer, answers, busy: Arc::new(()) }
    }

    /// Asks for a host's addresses. Whether there was a thread left to ask.
    pub(super) fn ask(&self, number: u64, host: String, port: u16) -> bool {
        if Arc::strong_count(&self.busy) > RESOLVERS_MAX {
            return false;
        }
        let (answer, alarm) = (self.answer.clone(), self.alarm.clone());
        let busy = self.busy.clone();
        let ask = move || {
            let addresses = (host.as_str(), port).to_socket_addrs();
            let addresses = addresses.map(|found| found.take(ADDRESSES_MAX).collect());
            // Nobody is there any more to be told: also fine.
            let _ = answer.send((number, addresses.unwrap_or_default()));
            drop(busy);
            alarm.knock();
        };
        Builder::new().name("resolve".to_owned()).spawn(ask).is_ok()
    }

    /// What was found out since; nothing for a host that has no address.
    pub(super) fn answer(&self) -> Option<(u64, Vec<SocketAddr>)> {
        self.answers.try_recv().ok()
    }
}
