//! Pools: create, look, shred.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use notrace_platform_node::leave::{Need, OnPool};
use notrace_policy_promise::name::PoolName;
use notrace_sdk_wire::object::ShredReceipt;
use notrace_sdk_wire::pool::{Pool, PoolList, PoolSpec};
use notrace_sdk_wire::{Code, Problem};

use crate::limits::JSON_BYTES_MAX;
use crate::problem::{Answer, bad_body, method_not_allowed, refuse};
use crate::query::Query;
use crate::routes::Front;
use crate::{auth, headers, translate};

pub(super) async fn verbs() -> Response {
    method_not_allowed("GET, HEAD, PUT, DELETE").into_response()
}

const FIELDS: [&str; 9] = [
    "retain",
    "durability",
    "consistency",
    "transport",
    "label",
    "release",
    "sizes",
    "times",
    "failures",
];

/// `PUT /v1/pools/{pool}`
#[utoipa::path(
    put,
    path = "/v1/pools/{pool}",
    tag = "pools",
    summary = "Creates a pool",
    params(
        ("pool" = String, Path, description = "The pool"),
        ("Idempotency-Key" = Option<String>, Header,
         description = "Repeats of the same request under the same key take effect once")
    ),
    request_body(content = PoolSpec),
    responses(
        (status = 201, description = "Created", body = Pool),
        (status = 200, description = "There already, with these settings", body = Pool),
        (status = 400, description = "Malformed", body = Problem),
        (status = 409, description = "There already, with other settings", body = Problem)
    ),
)]
pub(super) async fn create(
    State(front): State<Front>,
    Path(pool): Path<String>,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let who = auth::somebody(&front.node, &parts)?;
    Query::parse(parts.uri.query(), &[])?;
    let pool: PoolName = pool.parse()?;
    let session = headers::session(&parts.headers, &who)?;
    let arrived = front.room.collect(&parts.headers, body, JSON_BYTES_MAX).await;
    let arrived = arrived.map_err(|bad| bad_body(bad, Code::BodyTooLarge, JSON_BYTES_MAX))?;
    let spec: PoolSpec = arrived.bytes.reveal(|bytes| translate::json(bytes, &FIELDS))?;
    let spec = translate::pool_spec(spec, front.node.usual_release());
    front.node.permit(&who, Need::MakePool(&pool, &spec))?;
    let created = front.node.create_pool(&pool, spec, session).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let pool = translate::pool(front.node.pool(&pool).await?);
    Ok((status, Json(pool)).into_response())
}

/// `GET /v1/pools/{pool}`
#[utoipa::path(
    get,
    path = "/v1/pools/{pool}",
    tag = "pools",
    summary = "One pool",
    params(
        ("pool" = String, Path, description = "The pool")
    ),
    responses(
        (status = 200, description = "The pool", body = Pool),
        (status = 404, description = "No such pool", body = Problem)
    ),
)]
pub(super) async fn show(
    State(front): State<Front>,
    Path(pool): Path<String>,
    request: Request,
) -> Answer {
    let (parts, _) = request.into_parts();
    let who = auth::somebody(&front.node, &parts)?;
    Query::parse(parts.uri.query(), &[])?;
    let pool: PoolName = pool.parse()?;
    front.node.permit(&who, Need::Prefix(OnPool::List, &pool, ""))?;
    Ok(Json(translate::pool(front.node.pool(&pool).await?)).into_response())
}

/// `GET /v1/pools`
#[utoipa::path(
    get,
    path = "/v1/pools",
    tag = "pools",
    summary = "All pools",
    responses(
        (status = 200, description = "The pools", body = PoolList)
    ),
)]
pub(super) async fn list(State(front): State<Front>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let who = auth::somebody(&front.node, &parts)?;
    Query::parse(parts.uri.query(), &[])?;
    let mut pools = front.node.pools().await?;
    // Whoever may not list a pool does not learn that it is there.
    pools
        .retain(|pool| front.node.permit(&who, Need::Prefix(OnPool::List, &pool.name, "")).is_ok());
    let pools = pools.into_iter().map(translate::pool).collect();
    Ok(Json(PoolList { pools }).into_response())
}

/// `DELETE /v1/pools/{pool}?shred=true`: there is no other way to remove a pool.
#[utoipa::path(
    delete,
    path = "/v1/pools/{pool}",
    tag = "pools",
    summary = "Destroys the key of a pool and all in it",
    params(
        ("pool" = String, Path, description = "The pool"),
        ("shred" = bool, Query, description = "Must be `true`")
    ),
    responses(
        (status = 200, description = "The keys are gone", body = ShredReceipt),
        (status = 404, description = "No such pool", body = Problem)
    ),
)]
pub(super) async fn shred(
    State(front): State<Front>,
    Path(pool): Path<String>,
    request: Request,
) -> Answer {
    let (parts, _) = request.into_parts();
    let who = auth::somebody(&front.node, &parts)?;
    let query = Query::parse(parts.uri.query(), &["shred"])?;
    if query.value("shred") != Some("true") {
        let detail = "a pool is removed by shredding it: `?shred=true`";
        return Err(refuse(Code::ParameterMalformed, detail));
    }
    let pool: PoolName = pool.parse()?;
    front.node.permit(&who, Need::ShredPool(&pool))?;
    let shredded = front.node.shred_pool(&pool).await?;
    Ok(Json(translate::shred_receipt(pool, None, shredded)).into_response())
}
