//! From a control connection to a link.

use std::time::Instant;

use ring::rand::SecureRandom;

use super::card::Card;
use super::lane::Lane;
use super::link::{Link, Stage};
use super::raw::{Address, Target};
use super::{Libfabric, Over, clock};
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
            Event::Down { link, why } => self.fail(link.0, why, false),
        }
    }

    /// Both ends are who they should be: lends a region and tells the peer of it.
    fn begin(&mut self, number: u64, dialled: bool, peer: Peer) {
        let now = clock();
        let begun = match peer.hello == self.kind {
            true => self.introduce(number, dialled, peer.name, now),
            // It has another kind of network.
            false => Err(Broken::Stranger),
        };
        if let Err(why) = begun {
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
        name: String,
        now: Instant,
    ) -> Result<(), Broken> {
        if self.device.is_littered() {
            return Err(Broken::Gone);
        }
        // Who does not know the key and the token cannot write or ring, from wherever he sends.
        let (key, token) = (self.number()?, self.number()?);
        let mut secret = [0; 32];
        self.random.fill(&mut secret).map_err(|_| Broken::Gone)?;
        let lent = self.device.lend(self.lends as usize, key).ok_or(Broken::Gone)?;
        let (address, hello) = (self.name.clone(), self.hello.clone());
        let (base, key, room) = (lent.base, lent.key, self.lends);
        let card = Card { room, base, key, token, secret, address, hello };
        // If the connection is gone already, that is told next.
        let _ = self.control.write(LinkId(number), 0, &[&card.written()]);
        let _ = self.control.ring(LinkId(number), card.written().len() as u32);
        self.tokens.insert(token, number);
        self.links.insert(number, Link::new(dialled, name, card, lent.memory, now));
        Ok(())
    }

    fn number(&self) -> Result<u64, Broken> {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes).map_err(|_| Broken::Gone)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// First the peer's card, then how often it rang.
    fn hear_bell(&mut self, link: LinkId, word: u32, events: &mut Vec<Event>) {
        let Some(it) = self.links.get_mut(&link.0) else { return };
        if it.lane.is_some() {
            it.owe(word, clock());
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
            Err(why) => self.fail(link.0, why, true),
        }
    }

    fn meet(&mut self, number: u64, card: Card) -> Result<(), Broken> {
        let address = self.know(&card.address)?;
        let Some(link) = self.links.get_mut(&number) else { return Ok(()) };
        link.address = Some((card.address.clone(), address));
        let to = Target { address, key: card.key, base: card.base };
        let lane = Lane::new(number, to, card.room, card.token);
        link.meet(card, lane)?;
        self.note_sending(number);
        Ok(())
    }

    fn know(&mut self, name: &[u8]) -> Result<Address, Broken> {
        if let Some((address, links)) = self.addresses.get_mut(name) {
            *links += 1;
            return Ok(*address);
        }
        let address = self.device.know(name).ok_or(Broken::Address)?;
        self.addresses.insert(name.to_vec(), (address, 1));
        Ok(address)
    }

    /// Forgets a peer's endpoint with the last link to it.
    pub(super) fn unknow(&mut self, name: &[u8]) {
        let Some((address, links)) = self.addresses.get_mut(name) else { return };
        *links -= 1;
        if *links == 0 {
            self.device.unknow(*address);
            self.addresses.remove(name);
        }
    }

    /// The link comes up if nothing is lacking any more.
    pub(super) fn come_up(&mut self, number: u64, events: &mut Vec<Event>) {
        let Some(link) = self.links.get_mut(&number) else { return };
        if let Some(peer) = link.come_up() {
            debug_assert!(link.stage == Stage::Up, "a link that came up is up");
            let dialled = link.dialled.then_some(DialId(number));
            events.push(Event::Up { link: LinkId(number), dialled, peer });
        }
    }
}
