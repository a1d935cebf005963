//! This member's own row, and its way to the others.

use std::sync::Arc;

use crate::effect::Effect;
use crate::ids::NodeId;
use crate::membership::{Local, Membership};
use crate::message::{Message, Write};
use crate::row::{MemberGuard, MemberRow};

impl Membership {
    pub(super) fn guard(&self) -> Option<MemberGuard> {
        let generation = self.table.row(self.me)?.generation;
        let (view, life) = (self.view.id, self.peer.life);
        Some(MemberGuard { view, life, generation, beat: self.beat })
    }

    pub(super) fn row_now(&self, local: &Local) -> MemberRow {
        let promised = self.acceptor.promise_to_tell();
        // A call is heard only together with the promise that keeps its ballot ours for ever.
        let call = self.call.clone().filter(|call| promised >= Some(call.ballot));
        MemberRow {
            view: self.view.id,
            life: self.peer.life,
            generation: self.table.row(self.me).map_or(0, |row| row.generation),
            suspected: self.suspected,
            stopped: !self.is_serving(),
            leaving: self.leaving,
            call,
            held: local.held.clone(),
            learned: local.learned.clone(),
            promised,
            proposal: self.proposal.clone(),
            echo: self.acceptor.echo_to_tell().cloned(),
        }
    }

    /// Writes this member's row to everybody if it has changed: data first, guard last.
    pub(super) fn push(&mut self, local: &Local, out: &mut Vec<Effect>) -> bool {
        let mut row = self.row_now(local);
        if self.table.row(self.me).is_some_and(|old| **old == row) {
            return false;
        }
        row.generation += 1;
        let row = Arc::new(row);
        self.table.publish(self.me, row.clone());
        if row.generation == 1 {
            for node in &self.former {
                out.push(Effect::Write { to: *node, write: Write::Member(row.clone()) });
            }
        }
        self.tell_all(&Write::Member(row), out);
        if let Some(guard) = self.guard() {
            self.tell_all(&Write::Guard(guard), out);
        }
        true
    }

    /// Writes it to one, who may have missed it.
    pub(crate) fn repeat_to(&self, node: NodeId, out: &mut Vec<Effect>) {
        let known = self.view.rank_of(node).is_some() || self.former.contains(&node);
        let known = known && node != self.peer.node;
        if let (true, Some(row), Some(guard)) = (known, self.table.row(self.me), self.guard()) {
            out.push(Effect::Write { to: node, write: Write::Member(row.clone()) });
            out.push(Effect::Write { to: node, write: Write::Guard(guard) });
        }
    }

    pub(super) fn tell_all(&self, write: &Write, out: &mut Vec<Effect>) {
        for member in &self.view.members {
            if member.node != self.peer.node {
                out.push(Effect::Write { to: member.node, write: write.clone() });
            }
        }
    }

    /// Tells somebody which view is the latest.
    pub(crate) fn tell_decided(&self, to: NodeId, out: &mut Vec<Effect>) {
        let write = Write::Message(Message::Decided(self.view.clone()));
        out.push(Effect::Write { to, write });
    }
}
