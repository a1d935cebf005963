//! One link, from the moment at which each end knows who the other is.

use std::time::Instant;

use super::card::Card;
use super::lane::Lane;
use super::raw::{Address, MemoryId};
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
    /// The name that the peer has proved.
    pub(super) name: String,
    /// What this end has told.
    pub(super) card: Card,
    pub(super) region: MemoryId,
    /// What the peer has told.
    pub(super) peer: Option<Peer>,
    /// What this end writes, once it knows where.
    pub(super) lane: Option<Lane>,
    /// The peer's endpoint, and how it is known.
    pub(super) address: Option<(Vec<u8>, Address)>,
    /// The peer has said hello.
    pub(super) greeted: bool,
    /// The peer has said that it writes no more,
    pub(super) left: bool,
    /// and this end says so.
    pub(super) said: bool,
    /// The last poll that handed out what is to be read before the link may go.
    pub(super) told_in: u64,
    began: Instant,
    /// How many rings were heard.
    heard: u64,
    /// How many the peer says there were, and until when they have to be heard.
    owed: Option<(u32, Instant)>,
    /// How many rings the peer was told of.
    attested: u64,
}

impl Link {
    pub(super) fn new(
        dialled: bool,
        name: String,
        card: Card,
        region: MemoryId,
        began: Instant,
    ) -> Self {
        Self {
            stage: Stage::Meeting,
            dialled,
            name,
            card,
            region,
            peer: None,
            lane: None,
            address: None,
            greeted: false,
            left: false,
            said: false,
            told_in: 0,
            began,
            heard: 0,
            owed: None,
            attested: 0,
        }
    }

    /// Takes what the peer has told.
    /// # Errors  [`Broken`]
    pub(super) fn meet(&mut self, card: Card, lane: Lane) -> Result<(), Broken> {
        let keys = super::card::keys(self.dialled, &self.card.secret, &card.secret);
        self.peer = Some(Peer {
            name: std::mem::take(&mut self.name),
            hello: card.hello,
            room: card.room,
            secrecy: Secrecy::Open(keys.ok_or(Broken::Rules)?),
        });
        self.lane = Some(lane);
        Ok(())
    }

    /// Who is there, once the link can come up.
    pub(super) fn come_up(&mut self) -> Option<Peer> {
        let ready = self.stage == Stage::Meeting && self.greeted;
        let peer = self.peer.take_if(|_| ready)?;
        self.stage = Stage::Up;
        Some(peer)
    }

    /// Takes note of a ring.
    /// # Errors  [`Broken`] if it is none that can come now: one before it was lost.
    pub(super) fn hear(&mut self, count: u64) -> Result<(), Broken> {
        if self.stage != Stage::Up {
            return Err(Broken::Rules);
        }
        if count != self.heard + 1 {
            return Err(Broken::Gone);
        }
        self.heard = count;
        Ok(())
    }

    /// The peer says how many rings there were: of a count, the low bits.
    pub(super) fn owe(&mut self, count: u32, now: Instant) {
        self.owed = Some((count, now + SILENCE_MAX));
    }

    /// How many rings the peer is to be told of over the other way, because those on this one may
    /// have been lost without a sign: once nothing is under way, and if it does not know.
    pub(super) fn attest(&mut self) -> Option<u32> {
        let lane = self.lane.as_ref().filter(|lane| self.stage == Stage::Up && lane.is_idle())?;
        let rings = lane.rings();
        (rings != self.attested).then(|| self.attested = rings)?;
        Some(rings as u32)
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
        if let Some((count, end)) = self.owed {
            let heard = self.heard as u32;
            if count.wrapping_sub(heard) as i32 <= 0 {
                self.owed = None;
            } else if now >= end {
                return Err(Broken::Gone);
            }
        }
        Ok(())
    }
}
