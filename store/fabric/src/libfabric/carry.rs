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
            Done::Said(message) => self.listen(&message, events),
            Done::Written { link, bytes } => {
                let parted = self.parted.get_mut(&link).map(|parted| &mut parted.lane);
                let lane = self.links.get_mut(&link).and_then(|link| link.lane.as_mut());
                if let Some(lane) = lane.or(parted) {
                    lane.written(&mut self.device, bytes, now);
                    self.note_sending(link);
                }
            }
            Done::Lost { link } => self.lose(link, now),
            Done::Broken => {
                let numbers: Vec<u64> = self.links.keys().copied().collect();
                numbers.into_iter().for_each(|number| self.fail(number, Broken::Gone, false));
            }
        }
    }

    fn lose(&mut self, number: u64, now: Instant) {
        if let Some(parted) = self.parted.get_mut(&number) {
            parted.lane.lose(&mut self.device, now);
        } else {
            if let Some(lane) = self.links.get_mut(&number).and_then(|link| link.lane.as_mut()) {
                lane.lose(&mut self.device, now);
            }
            self.fail(number, Broken::Gone, true);
        }
    }

    /// A message, for a link that may be gone, or from somebody who has no link.
    fn listen(&mut self, message: &Message, events: &mut Vec<Event>) {
        let Some((token, count, kind)) = understood(message) else { return };
        let Some(number) = self.tokens.get(&token).copied() else { return };
        if kind == Kind::Farewell {
            self.hear_farewell(number);
            return;
        }
        let Some(link) = self.links.get_mut(&number) else { return };
        match kind {
            _ if link.stage == Stage::Down => {}
            Kind::Ring(word) => match link.hear(count) {
                Ok(()) => {
                    link.told_in = self.turn;
                    events.push(Event::Bell { link: LinkId(number), word });
                }
                Err(why) => self.fail(number, why, true),
            },
            _ => {
                link.greeted = true;
                self.come_up(number, events);
            }
        }
    }
}
