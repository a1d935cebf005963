//! The session table: what was answered to whom, so that a repeated request is not applied again.
//!
//! Only replies of commands that changed something are kept. One that changed nothing may as well
//! be judged again, and a client that never heard the first verdict cannot tell the difference.

use std::collections::{BTreeMap, VecDeque};

use notrace_store_protocol::time::Hlc;

use crate::command::{Reply, Session};
use crate::limits::{SESSION_MICROS_MAX, SESSIONS_MAX};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Remembered {
    pub(crate) request: [u8; 32],
    pub(crate) time: Hlc,
    pub(crate) reply: Reply,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sessions {
    pub(crate) by_id: BTreeMap<[u8; 32], Remembered>,
    /// The same, oldest first. An id is in it once, since it is kept only when it is new.
    pub(crate) by_age: VecDeque<[u8; 32]>,
}

impl Sessions {
    /// What was answered before, if the session is known.
    pub(crate) fn recall(&self, session: &Session) -> Option<Reply> {
        let known = self.by_id.get(&session.id)?;
        let same = known.request == session.request;
        Some(if same { known.reply.clone() } else { Reply::SessionMismatch })
    }

    /// Keeps the reply to a session that is not known yet.
    pub(crate) fn keep(&mut self, session: &Session, time: Hlc, reply: &Reply) {
        let remembered = Remembered { request: session.request, time, reply: reply.clone() };
        let before = self.by_id.insert(session.id, remembered);
        assert!(before.is_none(), "a session was answered twice");
        self.by_age.push_back(session.id);
        if self.by_age.len() > SESSIONS_MAX {
            self.drop_oldest();
        }
    }

    /// Lets go of what is too old. Asked before every lookup, so that age is judged by the order's
    /// time alone and all replicas agree.
    pub(crate) fn expire(&mut self, now: Hlc) {
        let oldest = now.unix_micros().saturating_sub(SESSION_MICROS_MAX);
        while let Some(id) = self.by_age.front()
            && self.by_id.get(id).is_none_or(|kept| kept.time.unix_micros() < oldest)
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(id) = self.by_age.pop_front() {
            self.by_id.remove(&id);
        }
    }
}
