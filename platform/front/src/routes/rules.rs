//! The rules in force.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use notrace_platform_node::leave::{OnNode, RULES_BYTES_MAX, RulesNow};
use notrace_platform_node::store::At;
use notrace_sdk_wire::rules::Rules;
use notrace_sdk_wire::{Code, Problem};

use crate::problem::{Answer, bad_body, method_not_allowed, refuse};
use crate::query::Query;
use crate::routes::Front;
use crate::{auth, headers, translate};

pub(super) async fn verbs() -> Response {
    method_not_allowed("GET, HEAD, PUT").into_response()
}

/// `GET /v1/rules`
#[utoipa::path(
    get,
    path = "/v1/rules",
    tag = "rules",
    summary = "The rules in force, or at an earlier version",
    params(
        ("version" = Option<String>, Query, description = "As of this version")
    ),
    responses(
        (status = 200, description = "The rules", body = Rules),
        (status = 404, description = "No rules at this version", body = Problem)
    ),
)]
pub(super) async fn show(State(front): State<Front>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    auth::permit(&front.node, &parts, OnNode::ManageRules)?;
    let query = Query::parse(parts.uri.query(), &["version"])?;
    let version = query.value("version").map(translate::parse_version).transpose()?;
    Ok(told(front.node.rules_at(version.map_or(At::Latest, At::Version)).await?))
}

/// `PUT /v1/rules`
#[utoipa::path(
    put,
    path = "/v1/rules",
    tag = "rules",
    summary = "Puts rules in force",
    params(
        ("If-Match" = Option<String>, Header, description = "The current version in quotes"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if none were pushed")
    ),
    request_body(content = String, content_type = "text/plain"),
    responses(
        (status = 200, description = "In force", body = Rules),
        (status = 412, description = "Not at that version", body = Problem),
        (status = 413, description = "Too large", body = Problem),
        (status = 422, description = "Not rules that a node can follow", body = Problem)
    ),
)]
pub(super) async fn push(State(front): State<Front>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    auth::permit(&front.node, &parts, OnNode::ManageRules)?;
    Query::parse(parts.uri.query(), &[])?;
    let condition = headers::condition(&parts.headers)?;
    let kind = parts.headers.get(CONTENT_TYPE);
    if kind.is_some_and(|kind| *kind != HeaderValue::from_static("text/plain")) {
        let detail = "rules are sent as `Content-Type: text/plain`";
        return Err(refuse(Code::MediaTypeUnknown, detail));
    }
    let arrived = front.room.collect(&parts.headers, body, RULES_BYTES_MAX).await;
    let arrived = arrived.map_err(|bad| bad_body(bad, Code::BodyTooLarge, RULES_BYTES_MAX))?;
    let text = arrived.bytes.reveal(|bytes| String::from_utf8(bytes.clone()));
    let text = text.map_err(|_| refuse(Code::RulesMalformed, "rules are UTF-8"))?;
    Ok(told(front.node.push_rules(&text, condition).await?))
}

fn told(now: RulesNow) -> Response {
    let version = now.place.map(|place| translate::version(place.version));
    let rules = Rules { digest: now.rules.digest(), version, text: now.rules.text().to_owned() };
    Json(rules).into_response()
}
