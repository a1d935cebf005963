//! The end of a link, and what has to stay a little longer.
//!
//! What a peer has begun to write may still be on its way when a link ends. So its region is freed
//! only once the peer has said farewell, which it does when all that it wrote has arrived. Who does
//! not say so in time may still write, to a place that nobody ever uses again: see
//! [`super::raw::Device::leave`]. An end that says farewell is answered with another one.

use std::time::Instant;

use super::lane::Lane;
use super::link::Stage;
use super::raw::MemoryId;
use super::{Libfabric, Over};
use crate::limits::{PARTED_MAX, PARTING_MAX};
use crate::{Broken, Event, Fabric, LinkId};

/// A link that has ended, as far as libfabric may still know of it.
pub(super) struct Parted {
    pub(super) lane: Lane,
    region: MemoryId,
    token: u64,
    address: Vec<u8>,
    /// The peer has said that it writes no more.
    left: bool,
    /// This end has said so.
    said: bool,
    until: Option<Instant>,
}

impl Libfabric {
    /// Ends a link; what is to be told of it waits for [`Libfabric::hand_out`]. With a farewell if
    /// the peer may be there to hear it.
    pub(super) fn fail(&mut self, number: u64, why: Broken, farewell: bool) {
        if let Some(parted) = self.parted.get_mut(&number) {
            // There is nobody to say farewell to.
            parted.lane.end(&mut self.device, false);
            return;
        }
        let Some(link) = self.links.get_mut(&number) else { return };
        match link.stage {
            Stage::Down => {}
            Stage::Up => {
                link.stage = Stage::Down;
                link.said = farewell;
                if let Some(lane) = &mut link.lane {
                    lane.end(&mut self.device, farewell);
                }
                self.note_sending(number);
                self.control.cut(LinkId(number));
                self.over.push(Over::Down(number, why));
            }
            Stage::Meeting => {
                if link.dialled {
                    self.over.push(Over::Failed(number, why));
                }
                self.part(number, farewell);
            }
        }
    }

    /// Takes leave of a link.
    pub(super) fn part(&mut self, number: u64, farewell: bool) {
        self.control.cut(LinkId(number));
        let Some(mut link) = self.links.remove(&number) else { return };
        let Some(mut lane) = link.lane.take() else {
            // Nobody was told that he may write.
            self.device.release(link.region);
            self.tokens.remove(&link.card.token);
            return;
        };
        if link.stage != Stage::Down {
            link.said = farewell;
            lane.end(&mut self.device, farewell);
        }
        let address = link.address.map(|(name, _)| name).unwrap_or_default();
        let (region, token, left) = (link.region, link.card.token, link.left);
        let (said, until) = (link.said, None);
        self.parted.insert(number, Parted { lane, region, token, address, left, said, until });
        self.note_sending(number);
        if self.parted.len() > PARTED_MAX
            && let Some((first, _)) = self.parted.first_key_value()
        {
            self.forget(*first);
        }
    }

    /// The peer writes no more.
    pub(super) fn hear_farewell(&mut self, number: u64) {
        if let Some(link) = self.links.get_mut(&number) {
            link.left = true;
            self.fail(number, Broken::Gone, true);
        } else if let Some(parted) = self.parted.get_mut(&number) {
            if !parted.said {
                parted.lane.end(&mut self.device, true);
            }
            (parted.left, parted.said) = (true, true);
            self.note_sending(number);
        }
    }

    /// Forgets what has stayed long enough.
    pub(super) fn forget_parted(&mut self, now: Instant) {
        let mut over = Vec::new();
        for (number, parted) in &mut self.parted {
            let until = *parted.until.get_or_insert(now + PARTING_MAX);
            if now >= until || parted.left && parted.lane.is_idle() {
                over.push(*number);
            }
        }
        over.into_iter().for_each(|number| self.forget(number));
    }

    fn forget(&mut self, number: u64) {
        let Some(mut parted) = self.parted.remove(&number) else { return };
        parted.lane.end(&mut self.device, false);
        if parted.left {
            self.device.release(parted.region);
        } else {
            self.device.leave(parted.region);
        }
        self.device.give_up(number);
        self.tokens.remove(&parted.token);
        self.unknow(&parted.address);
    }

    /// A link goes down in a poll that told nothing of it to be read.
    pub(super) fn hand_out(&mut self, events: &mut Vec<Event>) {
        for over in std::mem::take(&mut self.over) {
            match over {
                Over::Failed(number, why) => {
                    events.push(Event::Failed { dial: crate::DialId(number), why });
                }
                Over::Down(number, why) => {
                    let Some(link) = self.links.get(&number) else { continue };
                    if link.told_in == self.turn {
                        self.over.push(over);
                        continue;
                    }
                    self.part(number, true);
                    events.push(Event::Down { link: LinkId(number), why });
                }
            }
        }
    }
}
