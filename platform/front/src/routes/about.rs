//! What a node says of itself, to anyone.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use notrace_sdk_wire::node::{Health, HealthState, NodeDescription, SignedPromise};

use crate::problem::{Answer, method_not_allowed};
use crate::query::Query;
use crate::routes::Front;
use crate::translate;
use crate::{auth, openapi};
use notrace_platform_node::leave::OnNode;

pub(super) async fn get_only() -> Response {
    method_not_allowed("GET, HEAD").into_response()
}

/// `GET /v1/health`
#[utoipa::path(
    get,
    path = "/v1/health",
    tag = "node",
    summary = "Whether the node serves",
    responses(
        (status = 200, description = "It serves", body = Health),
        (status = 503, description = "It does not", body = Health)
    ),
)]
pub(super) async fn health(State(front): State<Front>, request: Request) -> Answer {
    Query::parse(request.uri().query(), &[])?;
    let state = match (front.node.is_draining(), front.node.is_serving()) {
        (true, _) => HealthState::Draining,
        (false, true) => HealthState::Serving,
        (false, false) => HealthState::Unable,
    };
    let status = match state {
        HealthState::Serving => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let health = Health { state, workers_ready: front.node.workers_ready() };
    Ok((status, Json(health)).into_response())
}

/// `GET /v1/node`
#[utoipa::path(
    get,
    path = "/v1/node",
    tag = "node",
    summary = "Evidence, keys and posture",
    responses(
        (status = 200, description = "The node", body = NodeDescription)
    ),
)]
pub(super) async fn node(State(front): State<Front>, request: Request) -> Answer {
    Query::parse(request.uri().query(), &[])?;
    let node = &front.node;
    let description = NodeDescription {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        members: node.members(),
        trust_level: node.trust_level(),
        promise: node.promise().digest(),
        certificate_sha256: front.shown.fingerprint(),
        ledger_origin: node.ledger_origin().to_owned(),
        ledger_vkey: node.ledger_vkey().to_owned(),
        request_key: node.request_key().ok().map(translate::announced_key),
        posture: node.posture().iter().map(translate::mitigation).collect(),
    };
    Ok(Json(description).into_response())
}

/// `GET /v1/metrics`
#[utoipa::path(
    get,
    path = "/v1/metrics",
    tag = "node",
    summary = "Counts of what the node did, in which no request shows",
    responses(
        (status = 200, description = "Prometheus text", body = String, content_type = "text/plain")
    ),
)]
pub(super) async fn metrics(State(front): State<Front>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    auth::permit(&front.node, &parts, OnNode::ManageNode)?;
    Query::parse(parts.uri.query(), &[])?;
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"))];
    Ok((headers, front.node.counts()).into_response())
}

/// `GET /v1/promise`
#[utoipa::path(
    get,
    path = "/v1/promise",
    tag = "node",
    summary = "What is promised, signed",
    responses(
        (status = 200, description = "The promise", body = SignedPromise)
    ),
)]
pub(super) async fn promise(State(front): State<Front>, request: Request) -> Answer {
    Query::parse(request.uri().query(), &[])?;
    let promise = front.node.promise();
    let signed = SignedPromise {
        digest: promise.digest(),
        text: promise.text().to_owned(),
        signature: promise.signature().to_owned(),
    };
    Ok(Json(signed).into_response())
}

/// `GET /v1/openapi.json`
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    tag = "node",
    summary = "This document",
    responses(
        (status = 200, description = "OpenAPI 3.1")
    ),
)]
pub(super) async fn openapi(request: Request) -> Answer {
    Query::parse(request.uri().query(), &[])?;
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((headers, openapi::document()).into_response())
}
