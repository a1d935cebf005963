//! Refusals as responses.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{ALLOW, CONTENT_TYPE, ETAG, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{HeaderMap, StatusCode};
use notrace_platform_node::leave::Denied;
use notrace_platform_node::sealed::SealError;
use notrace_platform_node::{Refusal, task};
use notrace_policy_promise::name::BadName;
use notrace_sdk_wire::code::Code;
use notrace_sdk_wire::problem::{MEDIA_TYPE, Problem};

use crate::body::BadBody;
use crate::query::BadQuery;
use crate::translate;

/// A refusal on its way out: the problem and what goes beside it.
pub(crate) struct Refused {
    pub(crate) problem: Problem,
    pub(crate) headers: HeaderMap,
}

pub(crate) type Answer<T = Response> = Result<T, Box<Refused>>;

/// A refusal of this code with this sentence.
pub(crate) fn refuse(code: Code, detail: impl Into<String>) -> Box<Refused> {
    Box::new(Refused { problem: Problem::new(code, detail), headers: HeaderMap::new() })
}

/// A refusal that a library below us made, spelt as ours are.
pub(crate) fn spelt_out(response: Response) -> Response {
    let status = response.status();
    let ours = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == MEDIA_TYPE);
    if ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let is_json =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    match status {
        StatusCode::BAD_REQUEST => {
            refuse(Code::NameMalformed, "a part of the path is not percent-encoded UTF-8")
                .into_response()
        }
        // A node that is not serving says so in its own words.
        _ if is_json => response,
        _ => refuse(Code::Internal, "the node could not answer this request").into_response(),
    }
}

impl IntoResponse for Box<Refused> {
    fn into_response(self) -> Response {
        let Refused { problem, mut headers } = *self;
        if let Some(millis) = problem.retry_after_ms {
            headers.insert(RETRY_AFTER, HeaderValue::from(millis.div_ceil(1000).max(1)));
        }
        if problem.code == Code::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(version) = problem.current_version
            && let Ok(etag) = HeaderValue::from_str(&version.to_etag())
        {
            headers.insert(ETAG, etag);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        let status = StatusCode::from_u16(problem.status);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = headers;
        response
    }
}

impl From<BadName> for Box<Refused> {
    fn from(bad: BadName) -> Self {
        refuse(Code::NameMalformed, bad.to_string())
    }
}

impl From<BadQuery> for Box<Refused> {
    fn from(bad: BadQuery) -> Self {
        match bad {
            BadQuery::Unknown { nearest } => unknown_field("query parameter", nearest),
            BadQuery::Repeated { name } => refuse(
                Code::ParameterMalformed,
                format!("the query parameter `{name}` may stand once"),
            ),
            BadQuery::TooLong => refuse(Code::ParameterMalformed, "the query string is too long"),
        }
    }
}

/// A refusal of a parameter or field that is not known, naming the nearest that is.
pub(crate) fn unknown_field(what: &str, nearest: Option<&'static str>) -> Box<Refused> {
    let detail = match nearest {
        Some(nearest) => format!("a {what} is not known here; did you mean `{nearest}`?"),
        None => format!("a {what} is not known here; `GET /v1/openapi.json` lists those that are"),
    };
    let mut refused = refuse(Code::ParameterUnknown, detail);
    refused.problem.nearest = nearest.map(str::to_owned);
    refused
}

/// A refusal of a body that did not arrive. `too_large` is this path's code for too much.
pub(crate) fn bad_body(bad: BadBody, too_large: Code, bytes_max: usize) -> Box<Refused> {
    match bad {
        BadBody::TooLarge => {
            let detail = format!("the body may be at most {bytes_max} bytes");
            let mut refused = refuse(too_large, detail);
            refused.problem.limit = Some(bytes_max as u64);
            refused
        }
        BadBody::Incomplete => {
            refuse(Code::RequestTimeout, "the body ended or paused before it was complete")
        }
        BadBody::NoRoom => {
            let detail = "the node holds as many request bodies as it will; try again in a moment";
            let mut refused = refuse(Code::Busy, detail);
            refused.problem.retry_after_ms = Some(1000);
            refused
        }
    }
}

/// A refusal of a verb that the path does not take.
pub(crate) fn method_not_allowed(allowed: &'static str) -> Box<Refused> {
    let mut refused = refuse(Code::MethodNotAllowed, format!("this path takes {allowed}"));
    refused.headers.insert(ALLOW, HeaderValue::from_static(allowed));
    refused
}

impl From<Denied> for Box<Refused> {
    fn from(denied: Denied) -> Self {
        let code = match denied {
            Denied::Unauthenticated => Code::Unauthenticated,
            Denied::SealedRequired => Code::SealedRequired,
            Denied::TooManyObjects => Code::TooMany,
            Denied::LabelForbids => Code::LabelForbids,
            Denied::NothingPermits | Denied::Forbidden { .. } | Denied::RuleFailed { .. } => {
                Code::NotPermitted
            }
        };
        refuse(code, denied.to_string())
    }
}

impl From<Refusal> for Box<Refused> {
    fn from(refusal: Refusal) -> Self {
        let sentence = refusal.to_string();
        let mut refused = refuse(code_of(&refusal), sentence);
        let problem = &mut refused.problem;
        match refusal {
            Refusal::Denied(denied) => return denied.into(),
            Refusal::VersionMismatch { current, index } => {
                problem.current_version = current.map(translate::version);
                problem.index = index;
            }
            Refusal::WrittenTwice { index } => problem.index = Some(index),
            Refusal::Busy { retry_after } | Refusal::SealKeySpent { retry_after } => {
                problem.retry_after_ms = Some(retry_after.as_millis() as u64);
            }
            Refusal::TaskCompiling
            | Refusal::Unavailable
            | Refusal::Stopping
            | Refusal::OutcomeUnknown
            | Refusal::NoMajority => problem.retry_after_ms = Some(1000),
            Refusal::TooMuch { most, .. } => problem.limit = Some(most),
            Refusal::Module(why) => translate::module_refusal(why, problem),
            Refusal::TaskFailed { message, exit, sealed } => {
                problem.exit_status = exit;
                problem.sealed = sealed.map(|sealed| STANDARD.encode(sealed));
                if let Some(message) = message {
                    // The requester's own task speaks to the requester.
                    message.reveal(|text| problem.detail.clone_from(text));
                }
            }
            Refusal::TaskTrapped { kind, frames, sealed } => {
                problem.sealed = sealed.map(|sealed| STANDARD.encode(sealed));
                problem.trap = Some(task::trap(kind).to_owned());
                if let Some(frames) = frames {
                    // The requester's own code, to the requester.
                    problem.frames =
                        frames.reveal(|text| text.lines().map(str::to_owned).collect());
                }
            }
            Refusal::TaskExhausted { resource, limit, used } => {
                problem.exhausted = Some(translate::exhausted(resource));
                problem.limit = Some(limit);
                problem.used = used;
            }
            _ => {}
        }
        refused
    }
}

fn code_of(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::Denied(_) => Code::NotPermitted,
        Refusal::RulesMalformed { .. } | Refusal::LockedOut(_) => Code::RulesMalformed,
        Refusal::PoolUnknown => Code::PoolUnknown,
        Refusal::PoolExists => Code::PoolExists,
        Refusal::PoolsFull | Refusal::TasksFull | Refusal::TooMuch { .. } => Code::TooMany,
        Refusal::ObjectUnknown => Code::ObjectUnknown,
        Refusal::ObjectShredded => Code::ObjectShredded,
        Refusal::HistoryTrimmed => Code::HistoryTrimmed,
        Refusal::VersionMismatch { .. } => Code::VersionMismatch,
        Refusal::WrittenTwice { .. } => Code::BodyMalformed,
        Refusal::NotTogether => Code::NotTogether,
        Refusal::IdempotencyMismatch => Code::IdempotencyMismatch,
        Refusal::OutOfSpace => Code::OutOfSpace,
        Refusal::Busy { .. } => Code::Busy,
        Refusal::TaskUnknown => Code::TaskUnknown,
        Refusal::TaskCompiling => Code::TaskCompiling,
        Refusal::Module(why) => translate::module_code(why),
        Refusal::CompileLimit => Code::ModuleUncompilable,
        Refusal::TaskFailed { .. } => Code::TaskFailed,
        Refusal::TaskTrapped { .. } => Code::TaskTrapped,
        Refusal::TaskExhausted { .. } => Code::TaskExhausted,
        Refusal::TaskKilled => Code::TaskKilled,
        Refusal::SealMalformed(SealError::TooLarge) => Code::InputTooLarge,
        Refusal::SealMalformed(_) => Code::SealMalformed,
        Refusal::SealBroken => Code::SealBroken,
        Refusal::SealKeyUnknown => Code::SealKeyUnknown,
        Refusal::SealReplayed => Code::SealReplayed,
        Refusal::SealKeySpent { .. } => Code::SealKeySpent,
        Refusal::ReceiptUnknown => Code::ReceiptUnknown,
        Refusal::Unavailable => Code::Unavailable,
        Refusal::Stopping => Code::Stopping,
        Refusal::OutcomeUnknown => Code::OutcomeUnknown,
        Refusal::NoMajority => Code::NoMajority,
        Refusal::InviteUnknown => Code::InviteUnknown,
        Refusal::NotACluster => Code::NotACluster,
        Refusal::LastMember => Code::LastMember,
        Refusal::PostureLost(_) => Code::PostureLost,
        Refusal::NodeUnknown => Code::NodeUnknown,
        Refusal::MemberPresent => Code::MemberPresent,
        Refusal::AddressTaken => Code::AddressTaken,
        Refusal::AddressMalformed => Code::AddressMalformed,
        Refusal::Internal(_) => Code::Internal,
    }
}
