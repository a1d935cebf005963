//! One link, from the moment at which each end knows who the other is.

use std::time::Instant;

use super::card::Card;
use super::lane::Lane;
use super::raw::MemoryId;
use crate::limits::{CONNECT_MAX, SILENCE_MAX};
use crate::{Broken, Peer, Secrecy};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Until both ends have the other's card, and have heard each other over libfabric.
    Meeting,
    Up,
    /// Broken, and not handed out yet.
    Down,
}

pub(super) struct Link {
    pub(super) stage: Stage,
    /// Whether this end began.
    pub(super) dialled: bool,
    /// The name that the peer has proved, and by which key.
    pub(super) who: (String, Option<[u8; 32]>),
    /// What this end has told.
    pub(super) card: Card,
    pub(super) region: MemoryId,
    /// What the peer has told.
    pub(super) peer: Option<Peer>,
    /// What this end writes, once it knows where.
    pub(super) lane: Option<Lane>,
    /// The peer has said hello.
    pub(super) greeted: bool,
    /// The last poll that handed out what is to be read before the link may go.
    pub(super) told_in: u64,
    began: Instant,
    /// How many rings were heard.
    heard: u64,
}

impl Link {
    pub(super) fn new(
        dialled: bool,
        who: (String, Option<[u8; 32]>),
        card: Card,
        region: MemoryId,
        began: Instant,
    ) -> Self {
        Self {
            stage: Stage::Meeting,
            dialled,
            who,
            card,
            region,
            peer: None,
            lane: None,
            greeted: false,
            told_in: 0,
            began,
            heard: 0,
        }
    }

    /// Takes what the peer has told.
    /// # Errors  [`Broken`]
    pub(super) fn meet(&mut self, card: Card, mut lane: Lane) -> Result<(), Broken> {
        let keys = super::card::keys(self.dialled, &self.card.secret, &card.secret);
        let (name, key) = std::mem::take(&mut self.who);
        self.peer = Some(Peer {
            name,
            key,
            hello: card.hello,
            room: card.room,
            secrecy: Secrecy::Open(keys.ok_or(Broken::Rules)?),
        });
        if self.dialled {
            lane.greet();
        }
        self.lane = Some(lane);
        Ok(())
    }

    /// Who is there, once the link can come up. The end that dialled says hello first, and thereby
    /// connects the two; if both did, libfabric would have to choose between two connections.
    pub(super) fn come_up(&mut self) -> Option<Peer> {
        let ready = self.stage == Stage::Meeting && self.greeted;
        let peer = self.peer.take_if(|_| ready)?;
        self.stage = Stage::Up;
        if let Some(lane) = self.lane.as_mut().filter(|_| !self.dialled) {
            lane.greet();
        }
        Some(peer)
    }

    /// Takes note of a ring.
    /// # Errors  [`Broken`] if it is none that can come now: one before it was lost. One that came
    /// with a write is not counted; it cannot get lost alone.
    pub(super) fn hear(&mut self, count: Option<u64>) -> Result<(), Broken> {
        if self.stage != Stage::Up {
            return Err(Broken::Rules);
        }
        let next = self.heard + 1;
        if count.is_some_and(|count| count != next) {
            return Err(Broken::Gone);
        }
        self.heard = next;
        Ok(())
    }

    /// Whether everything happened in time.
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), Broken> {
        match self.stage {
            Stage::Down => return Ok(()),
            Stage::Meeting if now >= self.began + CONNECT_MAX => return Err(Broken::Silent),
            _ => {}
        }
        let waits = self.lane.as_ref().and_then(Lane::waits_since);
        if waits.is_some_and(|since| now >= since + SILENCE_MAX) {
            return Err(Broken::Silent);
        }
        Ok(())
    }
}
