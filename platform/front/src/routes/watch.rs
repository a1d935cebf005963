//! Watches: server-sent events that can be taken up again where they broke off.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream;
use notrace_platform_node::leave::{Need, OnPool};
use notrace_platform_node::{Changed, Watching};
use notrace_policy_promise::name::PoolName;
use notrace_sdk_wire::watch::WatchEvent;
use notrace_sdk_wire::{Code, Problem, watch};
use tokio::sync::OwnedSemaphorePermit;

use crate::limits::WATCH_HEARTBEAT;
use crate::problem::{Answer, refuse};
use crate::query::Query;
use crate::routes::Front;
use crate::{auth, translate};

/// One open watch.
struct Watch {
    watching: Watching,
    ready: VecDeque<Changed>,
    _place: OwnedSemaphorePermit,
}

/// `GET /v1/watch/{pool}?prefix=&from=`
///
/// Without `from` or `Last-Event-ID` it begins with the next change; with one of them, with the
/// first change after that version. Where a pool is kept in several shards, that is a version for
/// each of them, with commas in between, as the events' ids are.
#[utoipa::path(
    get,
    path = "/v1/watch/{pool}",
    tag = "objects",
    summary = "Follows changes; resumable",
    params(
        ("pool" = String, Path, description = "The pool"),
        ("prefix" = Option<String>, Query, description = "Only keys that begin so"),
        ("from" = Option<String>, Query,
         description = "Begin after this version, or after an event of this id; `0:0`: all"),
        ("Last-Event-ID" = Option<String>, Header, description = "Begin after this event")
    ),
    responses(
        (status = 200,
         description = "Server-sent events", body = WatchEvent, content_type = "text/event-stream"),
        (status = 410, description = "Some of them are no longer kept", body = Problem)
    ),
)]
pub(super) async fn watch(
    State(front): State<Front>,
    Path(pool): Path<String>,
    request: Request,
) -> Answer {
    let (parts, _) = request.into_parts();
    let who = auth::somebody(&front.node, &parts)?;
    let query = Query::parse(parts.uri.query(), &["prefix", "from"])?;
    let pool: PoolName = pool.parse()?;
    let prefix = query.value("prefix").unwrap_or_default();
    front.node.permit(&who, Need::Prefix(OnPool::List, &pool, prefix))?;
    let last = parts.headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let from = last.or(query.value("from")).map(translate::parse_mark).transpose()?;
    let place = front.watches.clone().try_acquire_owned().map_err(|_| {
        let mut refused = refuse(Code::Busy, "as many watches are open as the node allows");
        refused.problem.retry_after_ms = Some(5000);
        refused
    })?;
    let watching = front.node.watch(&pool, prefix, from).await?;
    // First where it begins, so that it can be taken up there before anything was seen.
    let begin = Changed { change: None, mark: Some(watching.mark()) };
    let watch = Watch { watching, ready: VecDeque::from([begin]), _place: place };
    let events = stream::unfold(watch, |mut watch| async move {
        let changed = watch.next().await?;
        Some((Ok::<_, Infallible>(event(&changed)), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(WATCH_HEARTBEAT)).into_response())
}

impl Watch {
    /// The next change; `None` ends the stream, when the reader fell behind what is kept or the
    /// node drains. The client takes it up again and is told which.
    async fn next(&mut self) -> Option<Changed> {
        loop {
            if let Some(changed) = self.ready.pop_front() {
                return Some(changed);
            }
            self.ready.extend(self.watching.next().await?);
        }
    }
}

fn event(changed: &Changed) -> Event {
    let event = match &changed.change {
        Some(change) => {
            let change = translate::watch_event(change);
            let data = serde_json::to_string(&change).unwrap_or_default();
            Event::default().event(watch::EVENT).data(data)
        }
        // An id without data is no event to anybody, and remembered all the same.
        None => Event::default(),
    };
    match &changed.mark {
        Some(mark) => event.id(translate::mark(mark)),
        None => event,
    }
}
