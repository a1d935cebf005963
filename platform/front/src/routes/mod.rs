//! The surface: which path does what.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, delete, get, post, put};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Method, StatusCode, Version};
use notrace_platform_node::{Answered, Node, Refusal, Route, planted};
use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::name::TaskName;
use notrace_sdk_wire::{Code, path};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::body::BodyRoom;
use crate::limits::{READY_WAIT, VIEW_WAIT, WATCHES_MAX};
use crate::problem::{Answer, Refused, refuse};
use crate::query::nearest_of;
use crate::shown::Shown;
use crate::{headers, translate};

pub(crate) mod about;
pub(crate) mod cluster;
pub(crate) mod ledger;
pub(crate) mod objects;
pub(crate) mod pools;
pub(crate) mod rules;
pub(crate) mod runs;
pub(crate) mod tasks;
pub(crate) mod transact;
pub(crate) mod watch;

/// What every handler has at hand.
#[derive(Clone)]
pub(crate) struct Front {
    pub(crate) node: Node,
    pub(crate) room: BodyRoom,
    pub(crate) watches: Arc<Semaphore>,
    /// The certificate that TLS shows.
    pub(crate) shown: Arc<Shown>,
    /// Where the owner's credentials are, if they are still there.
    pub(crate) credentials: Arc<Path>,
}

/// The digest of the task that a path names. A name that is unknown is answered with the nearest
/// that is.
async fn resolve(node: &Node, text: &str) -> Answer<Digest> {
    node.resolve(&translate::task_ref(text)?).await.map_err(|refusal| {
        let is_unknown = matches!(refusal, Refusal::TaskUnknown);
        let mut refused = Box::<Refused>::from(refusal);
        let names = if is_unknown { node.task_names() } else { Vec::new() };
        if let Some(near) = nearest_of(text, names.iter().map(TaskName::as_str)) {
            refused.problem.detail = format!("there is no such task; did you mean `{near}`?");
            refused.problem.nearest = Some(near.to_owned());
        }
        refused
    })
}

/// All paths, served from `node`.
pub(crate) fn router(node: Node, shown: Arc<Shown>, credentials: Arc<Path>) -> Router {
    let front = Front {
        node,
        room: BodyRoom::new(),
        watches: Arc::new(Semaphore::new(WATCHES_MAX)),
        shown,
        credentials,
    };
    let router = Router::new();
    #[cfg(feature = "planted-leaks")]
    let router = crate::leak::doors(router);
    router
        .route("/v1/health", get(about::health).fallback(about::get_only))
        .route("/v1/node", get(about::node).fallback(about::get_only))
        .route("/v1/cluster", get(cluster::status).fallback(about::get_only))
        .route("/v1/cluster/invites", post(cluster::invite).fallback(cluster::post_only))
        .route("/v1/cluster/join", post(cluster::join).fallback(cluster::post_only))
        .route("/v1/cluster/leave", post(cluster::leave).fallback(cluster::post_only))
        .route("/v1/cluster/nodes/{node}", delete(cluster::forget).fallback(cluster::delete_only))
        .route("/v1/metrics", get(about::metrics).fallback(about::get_only))
        .route("/v1/rules", get(rules::show).put(rules::push).fallback(rules::verbs))
        .route("/v1/promise", get(about::promise).fallback(about::get_only))
        .route("/v1/openapi.json", get(about::openapi).fallback(about::get_only))
        .route("/v1/ledger/checkpoint", get(ledger::checkpoint).fallback(about::get_only))
        .route("/v1/ledger/tile/{*path}", get(ledger::tile).fallback(about::get_only))
        .route("/v1/tasks", put(tasks::upload).get(tasks::list).fallback(tasks::all_verbs))
        .route("/v1/tasks/{task}", get(tasks::show).delete(tasks::remove).fallback(tasks::verbs))
        .route("/v1/tasks/{task}/events", get(tasks::events).fallback(about::get_only))
        .route("/v1/tasks/{task}/run", post(runs::run).fallback(runs::post_only))
        .route("/v1/receipts/{id}", get(runs::receipt).fallback(about::get_only))
        .route("/v1/pools", get(pools::list).fallback(about::get_only))
        .route(
            "/v1/pools/{pool}",
            put(pools::create).get(pools::show).delete(pools::shred).fallback(pools::verbs),
        )
        .route(
            "/v1/objects/{pool}",
            get(objects::list).post(transact::transact).fallback(transact::verbs),
        )
        .route(
            "/v1/objects/{pool}/{*key}",
            get(objects::get).put(objects::put).delete(objects::delete).fallback(objects::verbs),
        )
        .route("/v1/watch/{pool}", get(watch::watch).fallback(about::get_only))
        .fallback(any(|| async {
            refuse(Code::NotFound, "there is nothing at this path; see /v1/openapi.json")
        }))
        .layer(middleware::from_fn_with_state(front.clone(), in_view))
        .layer(middleware::from_fn_with_state(front.clone(), once_ready))
        .layer(middleware::from_fn_with_state(front.clone(), counted))
        .with_state(front)
}

/// Counts a request once it is answered; of one that is answered bit by bit, once that begins.
async fn counted(State(front): State<Front>, request: Request, next: Next) -> Response {
    let (route, began) = (route_of(&request), Instant::now());
    let response = next.run(request).await;
    let answered = match response.status() {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Answered::Later,
        status if status.is_server_error() => Answered::Failed,
        status if status.is_client_error() => Answered::Refused,
        _ => Answered::Done,
    };
    front.node.count(route, answered, began.elapsed());
    response
}

fn route_of(request: &Request) -> Route {
    let path = request.uri().path();
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let mut parts = path.split('/').skip(2);
    match parts.next() {
        Some("tasks") if path.ends_with("/run") => Route::Run,
        Some("tasks") => Route::Tasks,
        Some("objects" | "pools") if changes => Route::Write,
        Some("objects" | "pools") => Route::Read,
        Some("watch") => Route::Watch,
        Some("cluster") => Route::Cluster,
        _ => Route::Look,
    }
}

/// Lets a request wait for a node that has only just started. One that still waits for others of
/// its group serves nobody but those who ask how it is, and one that stops takes nothing new.
async fn once_ready(State(front): State<Front>, request: Request, next: Next) -> Response {
    if front.node.is_draining() && request.uri().path() != path::HEALTH {
        return stopping(request.version());
    }
    let ready = front.node.is_ready_within(READY_WAIT).await;
    let asked = request.uri().path();
    let is_below = |open: &str| {
        asked.strip_prefix(open).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if ready || ANSWERED_BEFORE.iter().any(|open| is_below(open)) {
        return next.run(request).await;
    }
    let detail = "the node waits for others of its group; bring them back or try again later";
    refuse(Code::Unavailable, detail).into_response()
}

/// Lets a request wait for the view that its client has seen, and says in which it was answered.
async fn in_view(State(front): State<Front>, request: Request, next: Next) -> Response {
    let seen = match headers::view(request.headers()) {
        Ok(seen) => seen,
        Err(refused) => return refused.into_response(),
    };
    if let Some(seen) = seen
        && !front.node.has_reached(seen, VIEW_WAIT).await
    {
        let detail = "the node is behind what the client has seen; ask another, or this one later";
        return refuse(Code::Unavailable, detail).into_response();
    }
    planted!(43, crate::leak::trace(&request));
    let mut response = next.run(request).await;
    planted!(43, crate::leak::tell_trace(&mut response));
    response.headers_mut().insert(headers::VIEW, HeaderValue::from(front.node.view()));
    response
}

/// Who stops says so, and that the connection is of no more use. HTTP/2 says the latter by itself.
fn stopping(version: Version) -> Response {
    let mut refused = Box::<Refused>::from(Refusal::Stopping);
    if version < Version::HTTP_2 {
        refused.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    refused.into_response()
}

/// What a node answers that is no member of a group that works.
const ANSWERED_BEFORE: [&str; 6] =
    ["/v1/health", "/v1/node", "/v1/promise", "/v1/ledger", "/v1/openapi.json", "/v1/cluster"];
