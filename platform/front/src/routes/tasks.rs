//! Tasks: upload, look, remove, follow the compiling.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use notrace_platform_node::leave::OnNode;
use notrace_platform_node::{TaskState, Upload};
use notrace_policy_promise::limits::{LIST_ENTRIES_MAX, MODULE_BYTES_MAX};
use notrace_policy_promise::name::TaskName;
use notrace_sdk_wire::task::{self, Task, TaskAccepted, TaskEvent, TaskList};
use notrace_sdk_wire::{Code, Problem, path};

use crate::problem::{Answer, Refused, bad_body, method_not_allowed, refuse};
use crate::query::Query;
use crate::routes::Front;
use crate::{auth, headers, translate};

/// How long an upload waits for its compiling before it is answered with 202.
const COMPILE_WAIT: Duration = Duration::from_secs(1);
/// How often a silent event stream sends a comment.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) async fn all_verbs() -> Response {
    method_not_allowed("GET, HEAD, PUT").into_response()
}

pub(super) async fn verbs() -> Response {
    method_not_allowed("GET, HEAD, DELETE").into_response()
}

/// `PUT /v1/tasks`
#[utoipa::path(
    put,
    path = "/v1/tasks",
    tag = "tasks",
    summary = "Uploads a task; idempotent by digest",
    params(
        ("name" = Option<String>, Query, description = "A name for the task"),
        ("If-Match" = Option<String>, Header, description = "The current version in quotes"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is none")
    ),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses(
        (status = 201, description = "Registered", body = TaskAccepted),
        (status = 200, description = "Known already", body = TaskAccepted),
        (status = 202, description = "Still compiling; see `Location`", body = TaskAccepted),
        (status = 400, description = "Not a module", body = Problem),
        (status = 412, description = "The name is taken", body = Problem),
        (status = 413, description = "Too large", body = Problem),
        (status = 422, description = "An import is refused", body = Problem)
    ),
)]
pub(super) async fn upload(State(front): State<Front>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    auth::permit(&front.node, &parts, OnNode::PushTask)?;
    let query = Query::parse(parts.uri.query(), &["name"])?;
    let name = query.value("name").map(str::parse::<TaskName>).transpose()?;
    let condition = headers::condition(&parts.headers)?;
    if parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind != "application/wasm") {
        let detail = "a task is uploaded as `Content-Type: application/wasm`";
        return Err(refuse(Code::MediaTypeUnknown, detail));
    }
    let arrived = front.room.collect(&parts.headers, body, MODULE_BYTES_MAX).await;
    let arrived = arrived.map_err(|bad| bad_body(bad, Code::ModuleTooLarge, MODULE_BYTES_MAX))?;
    let upload = Upload { module: arrived.bytes, name, condition };
    let task = front.node.upload(upload, COMPILE_WAIT).await?;
    let location = format!("{}/{}", path::TASKS, task.about.digest);
    let location = HeaderValue::try_from(location).map(|value| [(LOCATION, value)]);
    let headers = location.map_err(|_| refuse(Code::Internal, "the node failed in naming"))?;
    let status = match task.state {
        TaskState::Compiling => StatusCode::ACCEPTED,
        _ if task.new => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    Ok((status, headers, Json(translate::task_accepted(task.about, task.name))).into_response())
}

/// `GET /v1/tasks`
#[utoipa::path(
    get,
    path = "/v1/tasks",
    tag = "tasks",
    summary = "The tasks, by digest",
    params(
        ("after" = Option<String>, Query, description = "The last digest of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 1000")
    ),
    responses(
        (status = 200, description = "The tasks", body = TaskList)
    ),
)]
pub(super) async fn list(State(front): State<Front>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    auth::permit(&front.node, &parts, OnNode::SeeTasks)?;
    let query = Query::parse(parts.uri.query(), &["after", "limit"])?;
    let after = query.value("after").map(str::parse).transpose();
    let after = after.map_err(|_| refuse(Code::ParameterMalformed, "`after` is a digest"))?;
    let limit = super::objects::limit(&query)?.min(LIST_ENTRIES_MAX);
    let (tasks, more) = front.node.tasks(after, limit);
    let tasks = tasks.into_iter().map(translate::task).collect();
    Ok(Json(TaskList { tasks, more }).into_response())
}

/// `GET /v1/tasks/{digest or name}`
#[utoipa::path(
    get,
    path = "/v1/tasks/{task}",
    tag = "tasks",
    summary = "One task",
    params(
        ("task" = String, Path, description = "The digest, or a name given at upload")
    ),
    responses(
        (status = 200, description = "The task", body = Task),
        (status = 404, description = "No such task", body = Problem)
    ),
)]
pub(super) async fn show(
    State(front): State<Front>,
    Path(task): Path<String>,
    request: Request,
) -> Answer {
    let (parts, _) = request.into_parts();
    auth::permit(&front.node, &parts, OnNode::SeeTasks)?;
    Query::parse(parts.uri.query(), &[])?;
    let digest = super::resolve(&front.node, &task).await?;
    Ok(Json(translate::task(front.node.task(digest)?)).into_response())
}

/// `DELETE /v1/tasks/{digest or name}`: a digest removes the task, a name only the name.
#[utoipa::path(
    delete,
    path = "/v1/tasks/{task}",
    tag = "tasks",
    summary = "Removes a task, or a name",
    params(
        ("task" = String, Path, description = "The digest, or a name given at upload"),
        ("If-Match" = Option<String>, Header, description = "The current version in quotes")
    ),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "No such task", body = Problem)
    ),
)]
pub(super) async fn remove(
    State(front): State<Front>,
    Path(task): Path<String>,
    request: Request,
) -> Answer {
    let (parts, _) = request.into_parts();
    auth::permit(&front.node, &parts, OnNode::RemoveTask)?;
    Query::parse(parts.uri.query(), &[])?;
    let condition = headers::condition(&parts.headers)?;
    front.node.remove_task(&translate::task_ref(&task)?, condition).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /v1/tasks/{digest or name}/events`
#[utoipa::path(
    get,
    path = "/v1/tasks/{task}/events",
    tag = "tasks",
    summary = "Follows the compiling",
    params(
        ("task" = String, Path, description = "The digest, or a name given at upload")
    ),
    responses(
        (status = 200,
         description = "Server-sent events", body = TaskEvent, content_type = "text/event-stream"),
        (status = 404, description = "No such task", body = Problem)
    ),
)]
pub(super) async fn events(
    State(front): State<Front>,
    Path(task): Path<String>,
    request: Request,
) -> Answer {
    let (parts, _) = request.into_parts();
    auth::permit(&front.node, &parts, OnNode::SeeTasks)?;
    Query::parse(parts.uri.query(), &[])?;
    let digest = super::resolve(&front.node, &task).await?;
    let progress = front.node.progress(digest)?;
    let states = stream::unfold(Some(progress), |progress| async move {
        let mut progress = progress?;
        let state = progress.next().await;
        let after = (state == TaskState::Compiling).then_some(());
        let event = event(&state, progress.elapsed(), progress.failure().map(Into::into));
        Some((Ok::<_, Infallible>(event), after.map(|()| progress)))
    });
    let keep_alive = KeepAlive::new().interval(HEARTBEAT);
    Ok(Sse::new(states).keep_alive(keep_alive).into_response())
}

fn event(state: &TaskState, elapsed: Duration, failure: Option<Box<Refused>>) -> Event {
    let event = TaskEvent {
        state: translate::task_state(*state),
        elapsed_ms: elapsed.as_millis() as u64,
        problem: failure.map(|refused| refused.problem),
    };
    let data = serde_json::to_string(&event).unwrap_or_default();
    Event::default().event(task::EVENT).data(data)
}
