//! The ledger, as the static files that C2SP tlog-tiles describes.

use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use notrace_sdk_wire::{Code, Problem};

use crate::problem::{Answer, refuse};
use crate::query::Query;
use crate::routes::Front;

/// `GET /v1/ledger/checkpoint`
#[utoipa::path(
    get,
    path = "/v1/ledger/checkpoint",
    tag = "ledger",
    summary = "The latest checkpoint (C2SP tlog-checkpoint)",
    responses(
        (status = 200, description = "A signed note", body = String, content_type = "text/plain")
    ),
)]
pub(super) async fn checkpoint(State(front): State<Front>, request: Request) -> Answer {
    Query::parse(request.uri().query(), &[])?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Ok((headers, front.node.checkpoint().await).into_response())
}

/// `GET /v1/ledger/tile/{level}/{index}` and `…/tile/entries/{index}`
#[utoipa::path(
    get,
    path = "/v1/ledger/tile/{path}",
    tag = "ledger",
    summary = "A tile (C2SP tlog-tiles)",
    params(
        ("path" = String, Path, description = "Level and index, or `entries` and index")
    ),
    responses(
        (status = 200,
         description = "The tile", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, description = "No such tile", body = Problem)
    ),
)]
pub(super) async fn tile(
    State(front): State<Front>,
    Path(path): Path<String>,
    request: Request,
) -> Answer {
    Query::parse(request.uri().query(), &[])?;
    let Some(bytes) = front.node.tile(&path) else {
        return Err(refuse(Code::NotFound, "the ledger has no such tile"));
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=604800, immutable")),
    ];
    Ok((headers, bytes).into_response())
}
