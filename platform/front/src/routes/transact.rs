//! Several conditional puts and deletes as one version.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use notrace_platform_node::TransactOp;
use notrace_platform_node::leave::{Need, OnPool};
use notrace_platform_node::store::Condition;
use notrace_policy_promise::limits::{OBJECT_BYTES_MAX, TRANSACT_OPS_MAX};
use notrace_policy_promise::name::{ObjectKey, ObjectName, PoolName};
use notrace_policy_promise::private::Private;
use notrace_sdk_wire::transact::{Transact, TransactOp as WireOp, Transacted};
use notrace_sdk_wire::{Code, Problem, Version};
use zeroize::Zeroize as _;

use crate::limits::TRANSACT_BYTES_MAX;
use crate::problem::{Answer, bad_body, method_not_allowed, refuse};
use crate::query::Query;
use crate::routes::Front;
use crate::{auth, headers, translate};

pub(super) async fn verbs() -> Response {
    method_not_allowed("GET, HEAD, and POST with :transact").into_response()
}

/// `POST /v1/objects/{pool}:transact`
#[utoipa::path(
    post,
    path = "/v1/objects/{pool}:transact",
    tag = "objects",
    summary = "Several operations as one version, or none",
    params(
        ("pool" = String, Path, description = "The pool"),
        ("Idempotency-Key" = Option<String>, Header,
         description = "Repeats of the same request under the same key take effect once")
    ),
    request_body(content = Transact),
    responses(
        (status = 200, description = "Done", body = Transacted),
        (status = 400, description = "Malformed", body = Problem),
        (status = 412, description = "A condition did not hold; `index` says which", body = Problem)
    ),
)]
pub(super) async fn transact(
    State(front): State<Front>,
    Path(target): Path<String>,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let who = auth::somebody(&front.node, &parts)?;
    Query::parse(parts.uri.query(), &[])?;
    let Some(pool) = target.strip_suffix(":transact") else {
        return Ok(verbs().await);
    };
    let pool: PoolName = pool.parse()?;
    let session = headers::session(&parts.headers, &who)?;
    let arrived = front.room.collect(&parts.headers, body, TRANSACT_BYTES_MAX).await;
    let arrived = arrived.map_err(|bad| bad_body(bad, Code::BodyTooLarge, TRANSACT_BYTES_MAX))?;
    let body: Transact = arrived.bytes.reveal(|bytes| translate::json(bytes, &FIELDS))?;
    if body.ops.is_empty() {
        return Err(refuse(Code::BodyMalformed, "a transaction has at least one operation"));
    }
    if body.ops.len() > TRANSACT_OPS_MAX {
        let detail = format!("a transaction has at most {TRANSACT_OPS_MAX} operations");
        let mut refused = refuse(Code::TooMany, detail);
        refused.problem.limit = Some(TRANSACT_OPS_MAX as u64);
        return Err(refused);
    }
    let ops =
        (0..).zip(body.ops).map(|(index, op)| parse(index, op)).collect::<Answer<Vec<_>>>()?;
    for (what, key) in ops.iter().map(touched) {
        let name = ObjectName { pool: pool.clone(), key: key.clone() };
        front.node.permit(&who, Need::Object(what, &name))?;
    }
    let place = front.node.transact(&pool, ops, session).await?;
    let body = Transacted {
        version: translate::version(place.version),
        time: translate::time(place.time),
    };
    Ok(Json(body).into_response())
}

/// What an operation does, and to what.
fn touched(op: &TransactOp) -> (OnPool, &ObjectKey) {
    match op {
        TransactOp::Put { key, .. } | TransactOp::Delete { key, .. } => (OnPool::Write, key),
        // Whether a condition holds tells as much as reading the version.
        TransactOp::Check { key, .. } => (OnPool::Read, key),
    }
}

/// The fields that the body and its operations know, for naming the nearest.
const FIELDS: [&str; 6] = ["ops", "op", "key", "value", "if_version", "if_absent"];

fn parse(index: u32, op: WireOp) -> Answer<TransactOp> {
    match op {
        WireOp::Put { key, mut value, if_version, if_absent } => {
            let condition = match (if_version, if_absent) {
                (Some(_), true) => {
                    return Err(at(index, "`if_version` and `if_absent` exclude each other"));
                }
                (_, true) => Condition::Absent,
                (version, false) => required(version, Condition::Always),
            };
            let bytes = STANDARD.decode(value.as_bytes());
            value.zeroize();
            let bytes = bytes.map_err(|_| at(index, "`value` is base64 as RFC 4648 §4 has it"))?;
            if bytes.len() > OBJECT_BYTES_MAX {
                return Err(at(index, "a value is larger than one object may be"));
            }
            Ok(TransactOp::Put { key, value: Private::new(bytes), condition })
        }
        WireOp::Delete { key, if_version } => {
            Ok(TransactOp::Delete { key, condition: required(if_version, Condition::Always) })
        }
        WireOp::Check { key, if_version } => {
            Ok(TransactOp::Check { key, condition: required(if_version, Condition::Absent) })
        }
    }
}

fn required(version: Option<Version>, otherwise: Condition) -> Condition {
    version.map_or(otherwise, |version| Condition::VersionIs(translate::stored_version(version)))
}

fn at(index: u32, detail: &str) -> Box<crate::problem::Refused> {
    let mut refused = refuse(Code::BodyMalformed, detail);
    refused.problem.index = Some(index);
    refused
}
