//! What holds between any two commands.

use notrace_store_protocol::ids::Version;

use crate::limits::{CHANGES_MAX, HISTORY_VERSIONS_MAX, SESSIONS_MAX};
use crate::object::{Content, Object};
use crate::objects::Objects;
use crate::pools::PoolState;

impl Objects {
    /// The cheap part, after each command, in release too: a wrong replica must stop. Tests count
    /// everything.
    pub(crate) fn check(&self) {
        let last = self.changes.0.back();
        assert!(
            last.is_none_or(|(_, change)| change.version <= self.version),
            "a change is newer than the last command"
        );
        assert!(self.changes.0.len() <= CHANGES_MAX, "the ring of changes outgrew its bound");
        assert!(
            self.sessions.by_id.len() == self.sessions.by_age.len()
                && self.sessions.by_age.len() <= SESSIONS_MAX,
            "the session table and its order differ"
        );
        // Short tests look at everything each time; long ones do at their end.
        if cfg!(test) && self.changes.0.len() < 256 {
            assert!(self.is_consistent(), "the state contradicts itself");
        }
    }

    /// Everything that must hold, counted anew. Of a snapshot this is a question, not an assertion:
    /// its bytes come from a disk.
    pub(crate) fn is_consistent(&self) -> bool {
        let ring = &self.changes.0;
        let ordered = ring
            .iter()
            .zip(ring.iter().skip(1))
            .all(|(one, next)| one.1.version <= next.1.version && one.1.time <= next.1.time);
        let named = ring.iter().all(|(pool, _)| self.pools.contains_key(pool));
        let within = ring.back().is_none_or(|(_, change)| change.version <= self.version);
        let bounded = ring.len() <= CHANGES_MAX && self.sessions.by_age.len() <= SESSIONS_MAX;
        let pools = self.pools.values().all(|pool| pool.is_consistent(self.version));
        ordered && named && within && bounded && pools && self.sessions_agree()
    }

    fn sessions_agree(&self) -> bool {
        let sessions = &self.sessions;
        let times = sessions.by_age.iter().map(|id| sessions.by_id.get(id).map(|kept| kept.time));
        let known = times.clone().all(|time| time.is_some());
        known && times.is_sorted() && sessions.by_id.len() == sessions.by_age.len()
    }
}

impl PoolState {
    fn is_consistent(&self, last: Version) -> bool {
        let objects =
            self.objects.values().all(|object| object.is_consistent(self.key_epoch, last));
        objects && self.created.version <= last && self.sums == self.count()
    }
}

impl Object {
    fn is_consistent(&self, key_epoch: u32, last: Version) -> bool {
        let entries = &self.entries;
        let rising = entries
            .iter()
            .zip(entries.iter().skip(1))
            .all(|(one, next)| one.version < next.version && one.time < next.time);
        let sealed = entries.iter().all(|entry| match &entry.content {
            Content::Value(value) => value.key_epoch == key_epoch,
            Content::Tombstone | Content::Shredded => true,
        });
        let marks = entries.iter().skip(1).all(|entry| entry.content != Content::Shredded);
        let newest = entries.back().is_some_and(|entry| entry.version <= last);
        rising && sealed && marks && newest && entries.len() <= HISTORY_VERSIONS_MAX
    }
}
