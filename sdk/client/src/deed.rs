//! What a client asks for, and whether it may be asked for twice: decided here, and nowhere else.

/// Everything that a client asks a node for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Deed {
    /// Something that the group knows.
    Read,
    /// Something that one node says of itself.
    Look,
    /// A value is stored.
    Put,
    /// A tombstone is put.
    Delete,
    /// Several of both are done as one version.
    Transact,
    /// A pool is made.
    CreatePool,
    /// A module is uploaded, perhaps under a name that is free.
    Push,
    /// A module is uploaded, and a name moved to it from another.
    PushOver,
    /// A task is removed.
    RemoveTask,
    /// Rules are put in force.
    PushRules,
    /// Rules are put in force in place of others that the client saw.
    PushRulesOver,
    /// A task runs.
    Run,
    /// Keys of an object or a pool are destroyed.
    Shred,
    /// A token is drawn with which a node can join.
    Invite,
    /// A node leaves its group for good.
    Leave,
    /// A node that will not come back is forgotten.
    Forget,
}

/// What sending a request twice does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Repeat {
    /// Nothing: it changes nothing.
    Nothing,
    /// Nothing: the request carries an idempotency key, which the group's own order remembers.
    Keyed,
    /// Nothing: what it asks for is a state, not a change.
    Same,
    /// Perhaps harm. It is sent again only if it certainly was not acted on.
    Harm,
}

/// Which member is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whom {
    /// Whoever answers.
    Anyone,
    /// The one that the credentials name, and no other.
    Named,
}

impl Deed {
    /// What doing it twice does.
    pub(crate) const fn repeat(self) -> Repeat {
        match self {
            Deed::Read | Deed::Look => Repeat::Nothing,
            Deed::Put | Deed::Delete | Deed::Transact => Repeat::Keyed,
            // A pool that is there with the same settings is answered as if it had been made, and
            // so is a module that is known.
            Deed::CreatePool | Deed::Push => Repeat::Same,
            // The same rules twice are the same rules.
            Deed::PushRules => Repeat::Same,
            // A second move of a name meets the version that the first one made.
            Deed::PushOver | Deed::PushRulesOver => Repeat::Harm,
            // A task or a pool of the same name may have been made since.
            Deed::RemoveTask | Deed::Shred => Repeat::Harm,
            // Its answer is kept nowhere, so there is nothing to repeat it from.
            Deed::Run => Repeat::Harm,
            // Each is another token.
            Deed::Invite => Repeat::Harm,
            Deed::Leave => Repeat::Harm,
            // No number is given twice.
            Deed::Forget => Repeat::Same,
        }
    }

    /// Who is asked for it.
    pub(crate) const fn whom(self) -> Whom {
        match self {
            Deed::Look | Deed::Leave => Whom::Named,
            _ => Whom::Anyone,
        }
    }
}

#[cfg(test)]
mod a_deed {
    use super::*;

    #[test]
    fn is_done_twice_only_where_that_does_no_harm() {
        use Repeat::{Harm, Keyed, Nothing, Same};
        use Whom::{Anyone, Named};
        let table = [
            (Deed::Read, Nothing, Anyone),
            (Deed::Look, Nothing, Named),
            (Deed::Put, Keyed, Anyone),
            (Deed::Delete, Keyed, Anyone),
            (Deed::Transact, Keyed, Anyone),
            (Deed::CreatePool, Same, Anyone),
            (Deed::Push, Same, Anyone),
            (Deed::PushOver, Harm, Anyone),
            (Deed::PushRules, Same, Anyone),
            (Deed::PushRulesOver, Harm, Anyone),
            (Deed::RemoveTask, Harm, Anyone),
            (Deed::Run, Harm, Anyone),
            (Deed::Shred, Harm, Anyone),
            (Deed::Invite, Harm, Anyone),
            (Deed::Leave, Harm, Named),
            (Deed::Forget, Same, Anyone),
        ];
        for (deed, repeat, whom) in table {
            assert_eq!((deed.repeat(), deed.whom()), (repeat, whom), "{deed:?}");
        }
    }
}
