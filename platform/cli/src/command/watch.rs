//! `notrace watch`.

use crate::args::Watch;
use crate::exit::Done;
use crate::say;
use crate::session::Session;

pub(super) async fn watch(session: &Session, watch: Watch) -> Done {
    let Watch { within, from } = watch;
    let changes = session.client.watch(&within.pool, within.prefix.as_deref(), from).await;
    let mut changes = changes.map_err(|error| session.fail(error))?;
    loop {
        let change = changes.next().await.map_err(|error| session.fail(error))?;
        say::json(&change)?;
    }
}
