//! Watches: server-sent events that can be taken up again where they broke off.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream;
use notrace_platform_node::Node;
use notrace_platform_node::rules::Action;
use notrace_platform_node::store::Change;
use notrace_platform_node::store::ids::Version;
use notrace_policy_promise::name::PoolName;
use notrace_sdk_wire::watch::WatchEvent;
use notrace_sdk_wire::{Code, Problem, watch};
use tokio::sync::OwnedSemaphorePermit;

use crate::limits::{WATCH_BATCH_MAX, WATCH_HEARTBEAT};
use crate::problem::{Answer, refuse};
use crate::query::Query;
use crate::routes::Front;
use crate::{auth, translate};

/// One open watch.
struct Watch {
    node: Node,
    pool: PoolName,
    prefix: String,
    /// Everything up to this version has been sent or is ready.
    seen: Version,
    ready: VecDeque<Change>,
    _place: OwnedSemaphorePermit,
}

/// `GET /v1/watch/{pool}?prefix=&from=`
///
/// Without `from` or `Last-Event-ID` it begins with the next change; with one of them, with the
/// first change after that version.
#[utoipa::path(
    get,
    path = "/v1/watch/{pool}",
    tag = "objects",
    summary = "Follows changes; resumable",
    params(
        ("pool" = String, Path, description = "The pool"),
        ("prefix" = Option<String>, Query, description = "Only keys that begin so"),
        ("from" = Option<String>, Query, description = "Begin after this version"),
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
    auth::permit(&front.node, &parts, Action::ReadObjects)?;
    let query = Query::parse(parts.uri.query(), &["prefix", "from"])?;
    let pool: PoolName = pool.parse()?;
    let last = parts.headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let seen = match last.or(query.value("from")) {
        Some(text) => translate::parse_version(text)?,
        None => front.node.frontier(),
    };
    let place = front.watches.clone().try_acquire_owned().map_err(|_| {
        let mut refused = refuse(Code::Busy, "as many watches are open as the node allows");
        refused.problem.retry_after_ms = Some(5000);
        refused
    })?;
    let prefix = query.value("prefix").unwrap_or_default().to_owned();
    let node = front.node.clone();
    let mut watch = Watch { node, pool, prefix, seen, ready: VecDeque::new(), _place: place };
    // Asked once before the stream begins, so that a trimmed history is a refusal, not a silence.
    watch.read().map_err(Box::<crate::problem::Refused>::from)?;
    let events = stream::unfold(watch, |mut watch| async move {
        let change = watch.next().await?;
        // A client resumes after the last id it saw, so a version's id comes with its last change.
        let more = watch.ready.front().is_some_and(|next| next.version == change.version);
        Some((Ok::<_, Infallible>(event(&change, !more)), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(WATCH_HEARTBEAT)).into_response())
}

impl Watch {
    fn read(&mut self) -> Result<(), notrace_platform_node::Refusal> {
        // The frontier first: what comes between the two reads is then read again, not lost.
        let frontier = self.node.frontier();
        let changes = self.node.changes(&self.pool, &self.prefix, self.seen, WATCH_BATCH_MAX)?;
        self.seen = match changes.last() {
            Some(last) => last.version,
            None => self.seen.max(frontier),
        };
        self.ready.extend(changes);
        Ok(())
    }

    /// The next change; `None` ends the stream, when the reader fell behind what is kept or the
    /// node drains. The client takes it up again and is told which.
    async fn next(&mut self) -> Option<Change> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Some(change);
            }
            self.read().ok()?;
            if self.ready.is_empty() && !self.node.advanced_past(self.seen).await {
                return None;
            }
        }
    }
}

fn event(change: &Change, is_last_of_version: bool) -> Event {
    let change = translate::watch_event(change);
    let data = serde_json::to_string(&change).unwrap_or_default();
    let event = Event::default().event(watch::EVENT).data(data);
    if is_last_of_version { event.id(change.version.to_string()) } else { event }
}
