//! A member that passes blocks on.

use core::fmt;

use super::Schedule;

/// What one member has of an object and has yet to send. It sends in the order of its steps, each
/// block once it is there, and waits for nobody else's steps. Links must keep their order, nothing
/// more is asked of them: it cannot deadlock, because the undone send of the lowest step among all
/// members is of a block whose own arrival belongs to a lower step, so it is done or under way.
///
/// Memory: one bit a block, and a cursor for each of the few members it receives from.
#[derive(Clone, Debug)]
pub struct Relay {
    schedule: Schedule,
    held: Vec<u64>,
    missing: u32,
    /// The step whose send is next, or the schedule's end.
    sending: u32,
    /// For each who has sent something: the step after the one that it was sent in.
    links: Vec<(u16, u32)>,
}

/// A block that the schedule does not say comes next from that member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unexpected;

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this block does not come next from this member")
    }
}

impl core::error::Error for Unexpected {}

impl Relay {
    /// A member at the beginning: the root has all blocks, the others none.
    #[must_use]
    pub fn new(schedule: Schedule) -> Self {
        let words = schedule.blocks().div_ceil(u64::BITS) as usize;
        let (word, missing) =
            if schedule.is_root() { (u64::MAX, 0) } else { (0, schedule.blocks()) };
        let held = vec![word; words];
        let mut relay = Self { schedule, held, missing, sending: 0, links: Vec::new() };
        relay.sending = relay.sends_from(0);
        relay
    }

    /// Takes note that this block has come from the member at position `from`.
    /// # Errors  [`Unexpected`] if another comes next on this link, or none: nothing has changed.
    pub fn arrived(&mut self, from: u16, block: u32) -> Result<(), Unexpected> {
        let link = self.links.iter().position(|(member, _)| *member == from);
        let seen = link.and_then(|link| self.links.get(link)).map_or(0, |(_, seen)| *seen);
        let of_link = |step: &u32| {
            self.schedule.step(*step).receive.is_some_and(|(member, _)| member == from)
        };
        let step = (seen..self.schedule.steps()).find(of_link).ok_or(Unexpected)?;
        if self.schedule.step(step).receive != Some((from, block)) {
            return Err(Unexpected);
        }
        match link.and_then(|link| self.links.get_mut(link)) {
            Some((_, seen)) => *seen = step + 1,
            None => self.links.push((from, step + 1)),
        }
        if let Some(word) = self.held.get_mut((block / u64::BITS) as usize) {
            *word |= 1 << (block % u64::BITS);
            self.missing -= 1;
        }
        Ok(())
    }

    /// To whom which block goes next, if it is there. Says so until [`Relay::sent`] is called.
    #[must_use]
    pub fn next(&self) -> Option<(u16, u32)> {
        self.schedule.step(self.sending).send.filter(|(_, block)| self.holds(*block))
    }

    /// Takes note that what [`Relay::next`] says has been given to its link.
    pub fn sent(&mut self) {
        assert!(self.next().is_some(), "sent what was not there to be sent");
        self.sending = self.sends_from(self.sending + 1);
    }

    /// Whether this block is here.
    #[must_use]
    pub fn holds(&self, block: u32) -> bool {
        let word = self.held.get((block / u64::BITS) as usize);
        block < self.schedule.blocks()
            && word.is_some_and(|word| word >> (block % u64::BITS) & 1 == 1)
    }

    /// Whether all blocks are here. There may still be some to pass on.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Whether all blocks are here and passed on: nobody needs this relay any more.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.missing == 0 && self.sending == self.schedule.steps()
    }

    /// The first step from this one on in which this member sends.
    fn sends_from(&self, step: u32) -> u32 {
        let end = self.schedule.steps();
        (step..end).find(|step| self.schedule.step(*step).send.is_some()).unwrap_or(end)
    }
}
