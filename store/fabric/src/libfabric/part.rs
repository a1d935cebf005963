//! The end of a link.

use super::link::Stage;
use super::{Libfabric, Over};
use crate::{Broken, DialId, Event, Fabric, LinkId};

impl Libfabric {
    /// Ends a link; what is to be told of it waits for [`Libfabric::hand_out`].
    pub(super) fn fail(&mut self, number: u64, why: Broken) {
        let Some(link) = self.links.get_mut(&number) else { return };
        match link.stage {
            Stage::Down => {}
            Stage::Up => {
                // Its endpoint is closed only with it, because what was rung for is still read.
                link.stage = Stage::Down;
                self.control.cut(LinkId(number));
                self.over.push(Over::Down(number, why));
            }
            Stage::Meeting => {
                if link.dialled {
                    self.over.push(Over::Failed(number, why));
                }
                self.part(number);
            }
        }
    }

    /// Takes leave of a link. What is under way to it stops, because its endpoint is closed, and
    /// only then is its memory free: nothing that comes late finds another link's in its place.
    pub(super) fn part(&mut self, number: u64) {
        self.control.cut(LinkId(number));
        let Some(mut link) = self.links.remove(&number) else { return };
        if let Some(lane) = &mut link.lane {
            lane.end(&mut self.device);
        }
        self.device.end(number);
    }

    /// A link goes down in a poll that told nothing of it to be read.
    pub(super) fn hand_out(&mut self, events: &mut Vec<Event>) {
        for over in std::mem::take(&mut self.over) {
            match over {
                Over::Failed(number, why) => {
                    events.push(Event::Failed { dial: DialId(number), why });
                }
                Over::Down(number, why) => {
                    let Some(link) = self.links.get(&number) else { continue };
                    if link.told_in == self.turn {
                        self.over.push(over);
                        continue;
                    }
                    self.part(number);
                    events.push(Event::Down { link: LinkId(number), why });
                }
            }
        }
    }
}
