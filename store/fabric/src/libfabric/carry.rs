//! What libfabric tells.

use std::time::Instant;

use super::Libfabric;
use super::card::{Kind, understood};
use super::link::Stage;
use super::raw::{Done, Message};
use crate::{Broken, Event, LinkId};

/// How often completions are taken before others have their turn.
const ROUNDS: usize = 16;

impl Libfabric {
    /// Lets libfabric carry on, and takes what was completed. Whether there was anything.
    pub(super) fn carry_on(&mut self, now: Instant, events: &mut Vec<Event>) -> bool {
        let mut done = std::mem::take(&mut self.done);
        let mut any = false;
        for _ in 0..ROUNDS {
            let more = self.device.progress(&mut done);
            any |= !done.is_empty();
            for done in done.drain(..) {
                self.take_note(done, now, events);
            }
            if !more {
                break;
            }
        }
        self.done = done;
        any
    }

    fn take_note(&mut self, done: Done, now: Instant, events: &mut Vec<Event>) {
        match done {
            Done::Said(number, message) => self.listen(number, &message, events),
            Done::Rung(number, word) => self.hear_ring(number, None, word, events),
            Done::Written(number, bytes) => {
                if let Some(lane) = self.links.get_mut(&number).and_then(|it| it.lane.as_mut()) {
                    lane.written(&mut self.device, bytes, now);
                    self.note_sending(number);
                }
            }
            Done::Lost(number) => self.fail(number, Broken::Gone),
        }
    }

    /// A message from the peer, or from somebody who found the endpoint and does not know what the
    /// peer calls the link.
    fn listen(&mut self, number: u64, message: &Message, events: &mut Vec<Event>) {
        let Some((token, count, kind)) = understood(message) else { return };
        let Some(link) = self.links.get_mut(&number) else { return };
        if token != link.card.token || link.stage == Stage::Down {
            return;
        }
        match kind {
            Kind::Hello => {
                link.greeted = true;
                self.come_up(number, events);
            }
            Kind::Ring(word) => self.hear_ring(number, Some(count), word, events),
        }
    }

    fn hear_ring(&mut self, number: u64, count: Option<u64>, word: u32, events: &mut Vec<Event>) {
        let link = self.links.get_mut(&number).filter(|link| link.stage != Stage::Down);
        let Some(link) = link else { return };
        match link.hear(count) {
            Ok(()) => {
                link.told_in = self.turn;
                events.push(Event::Bell { link: LinkId(number), word });
            }
            Err(why) => self.fail(number, why),
        }
    }
}
