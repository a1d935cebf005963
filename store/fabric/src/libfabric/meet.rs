//! From a control connection to a link.

use std::time::Instant;

use ring::rand::SecureRandom;

use super::card::Card;
use super::lane::Lane;
use super::link::Link;
use super::{Libfabric, Over, address, clock};
use crate::limits::REGION_BYTES_MIN;
use crate::{Broken, DialId, Event, Fabric, LinkId, Peer};

impl Libfabric {
    /// What happened to a control connection.
    pub(super) fn hear_control(&mut self, event: Event, events: &mut Vec<Event>) {
        match event {
            Event::Up { link, dialled, peer } => self.begin(link.0, dialled.is_some(), peer),
            Event::Failed { dial, why } => self.over.push(Over::Failed(dial.0, why)),
            Event::Bell { link, word } => self.hear_bell(link, word, events),
            Event::Sent { .. } => {}
            Event::Down { link, why } => {
                // What came over libfabric before, and nobody looked at, still counts.
                self.carry_on(clock(), events);
                self.fail(link.0, why);
            }
        }
    }

    /// Both ends are who they should be: lends a region and tells the peer of it.
    fn begin(&mut self, number: u64, dialled: bool, peer: Peer) {
        let now = clock();
        let begun = match peer.hello == self.kind {
            true => self.introduce(number, dialled, (peer.name, peer.key), now),
            // It has another kind of network.
            false => Err(Broken::Stranger),
        };
        if let Err(why) = begun {
            self.device.end(number);
            self.control.cut(LinkId(number));
            if dialled {
                self.over.push(Over::Failed(number, why));
            }
        }
    }

    fn introduce(
        &mut self,
        number: u64,
        dialled: bool,
        who: (String, Option<[u8; 32]>),
        now: Instant,
    ) -> Result<(), Broken> {
        // Who does not know the key and the token cannot write or ring, from wherever he sends.
        let (key, token) = (self.number()?, self.number()?);
        let mut secret = [0; 32];
        self.random.fill(&mut secret).map_err(|_| Broken::Gone)?;
        let opened = self.device.begin(number, token).map_err(|_| Broken::Gone)?;
        let address = self.reached_at.map_or(opened, address::written);
        if let Some(completions) = self.device.descriptor(number) {
            self.control.watch(completions, false).map_err(|_| Broken::Gone)?;
        }
        if let Some(connection) = self.device.connection(Some(number)) {
            self.control.watch(connection, true).map_err(|_| Broken::Gone)?;
        }
        let lent = self.device.lend(number, self.lends as usize, key).ok_or(Broken::Gone)?;
        let (room, region, hello) = (self.lends, lent.at, self.hello.clone());
        let card = Card { room, region, token, secret, address, hello };
        // If the connection is gone already, that is told next.
        let _ = self.control.write(LinkId(number), 0, &[&card.written()]);
        let _ = self.control.ring(LinkId(number), card.written().len() as u32);
        self.links.insert(number, Link::new(dialled, who, card, lent.memory, now));
        Ok(())
    }

    fn number(&self) -> Result<u64, Broken> {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes).map_err(|_| Broken::Gone)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// The peer's card is there.
    fn hear_bell(&mut self, link: LinkId, word: u32, events: &mut Vec<Event>) {
        if self.links.get(&link.0).is_none_or(|it| it.lane.is_some()) {
            return;
        }
        let mut bytes = vec![0; word.min(REGION_BYTES_MIN) as usize];
        let read = self.control.read(link, 0, &mut bytes);
        let met = match Card::read(&bytes).filter(|_| read.is_ok()) {
            Some(card) => self.meet(link.0, card),
            None => Err(Broken::Stranger),
        };
        match met {
            Ok(()) => self.come_up(link.0, events),
            Err(why) => self.fail(link.0, why),
        }
    }

    fn meet(&mut self, number: u64, card: Card) -> Result<(), Broken> {
        let Some(link) = self.links.get_mut(&number) else { return Ok(()) };
        if !address::is_one(self.provider, &card.address) {
            return Err(Broken::Address);
        }
        let asks = link.dialled.then_some(card.token);
        self.device.meet(number, &card.address, asks).map_err(|_| Broken::Address)?;
        let lane = Lane::new(number, card.region, card.room, card.token);
        link.meet(card, lane)?;
        self.note_sending(number);
        Ok(())
    }

    /// The link comes up if nothing is lacking any more.
    pub(super) fn come_up(&mut self, number: u64, events: &mut Vec<Event>) {
        let Some(link) = self.links.get_mut(&number) else { return };
        if let Some(peer) = link.come_up() {
            let dialled = link.dialled.then_some(DialId(number));
            self.note_sending(number);
            events.push(Event::Up { link: LinkId(number), dialled, peer });
        }
    }
}
