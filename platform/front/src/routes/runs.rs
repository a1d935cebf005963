//! Runs and their receipts.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, StatusCode};
use notrace_platform_node::leave::Need;
use notrace_platform_node::sealed::SEALED_REQUEST_BYTES_MAX;
use notrace_platform_node::{Body, Call, ReceiptState};
use notrace_policy_promise::limits::INPUT_BYTES_MAX;
use notrace_sdk_wire::run::{PROOF_MEDIA_TYPE, ReceiptPending, SEALED_MEDIA_TYPE};
use notrace_sdk_wire::{Code, Problem, header, path};

use crate::limits::RECEIPT_WAIT_MAX;
use crate::problem::{Answer, Refused, bad_body, method_not_allowed, refuse};
use crate::query::Query;
use crate::routes::Front;
use crate::{auth, headers, translate};

pub(super) async fn post_only() -> Response {
    method_not_allowed("POST").into_response()
}

/// `POST /v1/tasks/{digest or name}/run`
#[utoipa::path(
    post,
    path = "/v1/tasks/{task}/run",
    tag = "runs",
    summary = "Runs a task once",
    params(
        ("task" = String, Path, description = "The digest, or a name given at upload"),
        ("Notrace-Object" = Option<String>, Header,
         description = "POOL/KEY, percent-encoded; repeatable"),
        ("Notrace-Arg" = Option<String>, Header,
         description = "An argument, percent-encoded; repeatable. Not with a sealed body, which \
                        has them inside"),
        ("Notrace-Timeout-Ms" = Option<u64>, Header, description = "Wall time the run may take")
    ),
    request_body(
        description = "The input; or input and arguments, sealed to the node's request key",
        content(
            (Vec<u8> = "application/octet-stream"),
            (Vec<u8> = "application/notrace-sealed")
        )
    ),
    responses(
        (status = 200,
         description = "The answer, sealed if the request was; `Notrace-Receipt` says where the \
                        receipt will be",
         content(
             (Vec<u8> = "application/octet-stream"),
             (Vec<u8> = "application/notrace-sealed")
         )),
        (status = 400, description = "Sealed for something else, or altered", body = Problem),
        (status = 403, description = "Not permitted", body = Problem),
        (status = 404, description = "No such task, pool or object", body = Problem),
        (status = 409, description = "Still compiling, or a sealed request came twice",
         body = Problem),
        (status = 413, description = "Too large", body = Problem),
        (status = 421, description = "Sealed to a key that this node does not have",
         body = Problem),
        (status = 422, description = "The task failed, trapped or used up a bound", body = Problem),
        (status = 429, description = "No worker free in time", body = Problem),
        (status = 451, description = "A label forbids", body = Problem)
    ),
)]
pub(super) async fn run(
    State(front): State<Front>,
    Path(task): Path<String>,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let principal = auth::somebody(&front.node, &parts)?;
    Query::parse(parts.uri.query(), &[])?;
    let task = super::resolve(&front.node, &task).await?;
    let objects = headers::objects(&parts.headers)?;
    let args = headers::arguments(&parts.headers)?;
    let timeout = headers::timeout(&parts.headers)?;
    let declassify = headers::declassify(&parts.headers)?;
    let sealed = parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == SEALED_MEDIA_TYPE);
    // Before the body: who may not run this gets no room for it.
    front.node.permit(&principal, Need::Run(task, sealed))?;
    if sealed && !args.is_empty() {
        let detail = "the arguments of a sealed request are inside it; leave Notrace-Arg out";
        return Err(refuse(Code::HeaderMalformed, detail));
    }
    let bytes_max = if sealed { SEALED_REQUEST_BYTES_MAX } else { INPUT_BYTES_MAX };
    let arrived = front.room.collect(&parts.headers, body, bytes_max).await;
    let mut arrived = arrived.map_err(|bad| bad_body(bad, Code::InputTooLarge, bytes_max))?;
    let body = match sealed {
        true => Body::Sealed(arrived.bytes.reveal_mut(std::mem::take)),
        false => Body::Plain { args, input: arrived.bytes },
    };
    let call = Call { principal, task, objects, declassify, body, timeout };
    let reply = front.node.run(call).await?;
    let mut headers = HeaderMap::new();
    let receipt = HeaderValue::try_from(format!("{}/{}", path::RECEIPTS, reply.receipt));
    headers.extend(receipt.map(|value| (header_name(), value)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match reply.answer {
        Ok(answer) => {
            let kind = if sealed { SEALED_MEDIA_TYPE } else { "application/octet-stream" };
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            Ok((headers, translate::private_body(answer)).into_response())
        }
        // The run took place and has its receipt, though it has no answer.
        Err(refusal) => {
            let mut refused: Box<Refused> = refusal.into();
            refused.headers.extend(headers);
            Err(refused)
        }
    }
}

/// `GET /v1/receipts/{id}`, with `?wait=true` to wait for its epoch
#[utoipa::path(
    get,
    path = "/v1/receipts/{id}",
    tag = "runs",
    summary = "The receipt of a run",
    params(
        ("id" = String, Path, description = "The id from `Notrace-Receipt`"),
        ("wait" = Option<bool>, Query, description = "Wait for the epoch to close")
    ),
    responses(
        (status = 200,
         description = "A C2SP tlog-proof", body = String, content_type = "text/plain"),
        (status = 202, description = "Not in the log yet", body = ReceiptPending),
        (status = 404, description = "No such receipt", body = Problem)
    ),
)]
pub(super) async fn receipt(
    State(front): State<Front>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    let (parts, _) = request.into_parts();
    // Who knows a receipt's id was told it with the answer, or by who was.
    auth::somebody(&front.node, &parts)?;
    let query = Query::parse(parts.uri.query(), &["wait"])?;
    let wait = match query.value("wait") {
        None | Some("false") => None,
        Some("true") => Some(RECEIPT_WAIT_MAX),
        Some(_) => {
            return Err(refuse(Code::ParameterMalformed, "`wait` is `true` or `false`"));
        }
    };
    match front.node.receipt(&id, wait).await? {
        ReceiptState::Ready(proof) => {
            Ok(([(CONTENT_TYPE, HeaderValue::from_static(PROOF_MEDIA_TYPE))], proof)
                .into_response())
        }
        ReceiptState::Pending { retry_after } => {
            let retry_after_ms = retry_after.as_millis() as u64;
            let seconds = HeaderValue::from(retry_after_ms.div_ceil(1000).max(1));
            let body = Json(ReceiptPending { retry_after_ms });
            Ok((StatusCode::ACCEPTED, [(RETRY_AFTER, seconds)], body).into_response())
        }
    }
}

fn header_name() -> hyper::header::HeaderName {
    static NAME: std::sync::LazyLock<hyper::header::HeaderName> = std::sync::LazyLock::new(|| {
        hyper::header::HeaderName::try_from(header::RECEIPT)
            .unwrap_or(hyper::header::HeaderName::from_static("notrace-receipt"))
    });
    NAME.clone()
}
