//! Objects: store, read, list, look back, delete, shred.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::response::IntoResponse;
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, StatusCode};
use notrace_platform_node::leave::{Need, OnPool};
use notrace_platform_node::store::At;
use notrace_platform_node::{Got, Place};
use notrace_policy_promise::limits::{LIST_ENTRIES_MAX, OBJECT_BYTES_MAX};
use notrace_policy_promise::name::{ObjectKey, ObjectName, PoolName};
use notrace_sdk_wire::object::{History, ObjectEntry, ObjectList, ShredReceipt, Stored};
use notrace_sdk_wire::{Code, Problem, header};

use crate::problem::{Answer, bad_body, method_not_allowed, refuse};
use crate::query::Query;
use crate::routes::Front;
use crate::{auth, headers, translate};

pub(super) async fn verbs() -> impl IntoResponse {
    method_not_allowed("GET, HEAD, PUT, DELETE")
}

/// `PUT /v1/objects/{pool}/{key}`
#[utoipa::path(
    put,
    path = "/v1/objects/{pool}/{key}",
    tag = "objects",
    summary = "Stores a value",
    params(
        ("pool" = String, Path, description = "The pool"),
        ("key" = String, Path, description = "The key within the pool; slashes stay slashes"),
        ("If-Match" = Option<String>, Header, description = "The current version in quotes"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is none"),
        ("Idempotency-Key" = Option<String>, Header,
         description = "Repeats of the same request under the same key take effect once")
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "A new object", body = Stored),
        (status = 200, description = "Its next version", body = Stored),
        (status = 404, description = "No such pool", body = Problem),
        (status = 412, description = "Not at that version", body = Problem),
        (status = 413, description = "Too large", body = Problem),
        (status = 507, description = "Out of space", body = Problem)
    ),
)]
pub(super) async fn put(
    State(front): State<Front>,
    Path((pool, key)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let who = auth::somebody(&front.node, &parts)?;
    Query::parse(parts.uri.query(), &[])?;
    let name = object_name(&pool, &key)?;
    let condition = headers::condition(&parts.headers)?;
    let session = headers::session(&parts.headers, &who)?;
    front.node.permit(&who, Need::Object(OnPool::Write, &name))?;
    let arrived = front.room.collect(&parts.headers, body, OBJECT_BYTES_MAX).await;
    let arrived = arrived.map_err(|bad| bad_body(bad, Code::ObjectTooLarge, OBJECT_BYTES_MAX))?;
    let size_bytes = arrived.bytes.reveal(Vec::len) as u64;
    let stored = front.node.put(&name, arrived.bytes, condition, session).await?;
    let status = if stored.created { StatusCode::CREATED } else { StatusCode::OK };
    let body = Stored {
        version: translate::version(stored.place.version),
        time: translate::time(stored.place.time),
        size_bytes,
    };
    Ok((status, place_headers(stored.place), Json(body)).into_response())
}

/// `GET` and `HEAD /v1/objects/{pool}/{key}`
#[utoipa::path(
    get,
    path = "/v1/objects/{pool}/{key}",
    tag = "objects",
    summary = "Reads a value, or its history",
    params(
        ("pool" = String, Path, description = "The pool"),
        ("key" = String, Path, description = "The key within the pool; slashes stay slashes"),
        ("version" = Option<String>, Query, description = "As of this version"),
        ("at" = Option<String>, Query, description = "As of this time, RFC 3339"),
        ("history" = Option<String>, Query, description = "List the versions instead"),
        ("before" = Option<String>, Query, description = "Only versions before this one"),
        ("limit" = Option<u32>, Query, description = "1 to 1000"),
        ("Range" = Option<String>, Header, description = "One range of bytes")
    ),
    responses(
        (status = 200,
         description = "The value", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206,
         description = "A part of it", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, description = "No such object", body = Problem),
        (status = 410, description = "Shredded, or no longer kept", body = Problem),
        (status = 416, description = "Beyond its end", body = Problem)
    ),
)]
pub(super) async fn get(
    State(front): State<Front>,
    Path((pool, key)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let (parts, _) = request.into_parts();
    let who = auth::somebody(&front.node, &parts)?;
    let name = object_name(&pool, &key)?;
    front.node.permit(&who, Need::Object(OnPool::Read, &name))?;
    let known = &["version", "at", "history", "before", "limit"];
    let query = Query::parse(parts.uri.query(), known)?;
    if query.value("history").is_some() {
        return history(&front, &name, &query).await;
    }
    let at = read_at(&query)?;
    if parts.method == Method::HEAD {
        let (place, length) = front.node.head(&name, at).await?;
        let mut headers = value_headers(place);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        return Ok(headers.into_response());
    }
    let got = front.node.get(&name, at).await?;
    value_response(&parts, got)
}

fn value_response(parts: &Parts, got: Got) -> Answer {
    let mut answer_headers = value_headers(got.place);
    let length = got.value.reveal(Vec::len) as u64;
    let etag = answer_headers.get(ETAG);
    let range = match headers::is_of_this_version(&parts.headers, etag) {
        true => headers::range(&parts.headers, length)?,
        false => None,
    };
    let (status, (first, end)) = match range {
        Some(range) => (StatusCode::PARTIAL_CONTENT, range),
        None => (StatusCode::OK, (0, length)),
    };
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{length}", end - 1);
        answer_headers.extend(HeaderValue::try_from(range).map(|value| (CONTENT_RANGE, value)));
    }
    let body = match (first, end) {
        (0, end) if end == length => translate::private_body(got.value),
        (first, end) => got.value.reveal(|value| {
            let part = value.get(first as usize..end as usize).unwrap_or_default();
            Body::from(Bytes::copy_from_slice(part))
        }),
    };
    Ok((status, answer_headers, body).into_response())
}

async fn history(front: &Front, name: &ObjectName, query: &Query) -> Answer {
    for name in ["version", "at"] {
        if query.value(name).is_some() {
            let detail = format!("`{name}` and `history` exclude each other");
            return Err(refuse(Code::ParameterMalformed, detail));
        }
    }
    let before = query.value("before").map(translate::parse_version).transpose()?;
    let limit = limit(query)?;
    let mut versions = front.node.history(name, before, limit + 1).await?;
    let more = versions.len() > limit;
    versions.truncate(limit);
    let versions = versions.into_iter().map(translate::history_entry).collect();
    Ok(Json(History { versions, more }).into_response())
}

/// `GET /v1/objects/{pool}`
#[utoipa::path(
    get,
    path = "/v1/objects/{pool}",
    tag = "objects",
    summary = "Lists keys",
    params(
        ("pool" = String, Path, description = "The pool"),
        ("prefix" = Option<String>, Query, description = "Only keys that begin so"),
        ("after" = Option<String>, Query, description = "The last key of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 1000")
    ),
    responses(
        (status = 200, description = "The objects", body = ObjectList),
        (status = 404, description = "No such pool", body = Problem)
    ),
)]
pub(super) async fn list(
    State(front): State<Front>,
    Path(pool): Path<String>,
    request: Request,
) -> Answer {
    let (parts, _) = request.into_parts();
    let who = auth::somebody(&front.node, &parts)?;
    let query = Query::parse(parts.uri.query(), &["prefix", "limit", "after"])?;
    let pool: PoolName = pool.parse()?;
    let after = query.value("after").map(str::parse::<ObjectKey>).transpose()?;
    let prefix = query.value("prefix").unwrap_or_default();
    front.node.permit(&who, Need::Prefix(OnPool::List, &pool, prefix))?;
    let (entries, more) = front.node.list(&pool, prefix, after.as_ref(), limit(&query)?).await?;
    let objects = entries
        .into_iter()
        .map(|entry| ObjectEntry {
            key: entry.key,
            version: translate::version(entry.version),
            time: translate::time(entry.time),
            size_bytes: entry.plain_len,
        })
        .collect();
    Ok(Json(ObjectList { objects, more }).into_response())
}

/// `DELETE /v1/objects/{pool}/{key}`, with `?shred=true` for good
#[utoipa::path(
    delete,
    path = "/v1/objects/{pool}/{key}",
    tag = "objects",
    summary = "Puts a tombstone, or destroys the keys of all versions",
    params(
        ("pool" = String, Path, description = "The pool"),
        ("key" = String, Path, description = "The key within the pool; slashes stay slashes"),
        ("shred" = Option<bool>, Query, description = "Destroy the keys"),
        ("If-Match" = Option<String>, Header, description = "The current version in quotes"),
        ("Idempotency-Key" = Option<String>, Header,
         description = "Repeats of the same request under the same key take effect once")
    ),
    responses(
        (status = 204, description = "A tombstone stands"),
        (status = 200, description = "The keys are gone", body = ShredReceipt),
        (status = 404, description = "No such object", body = Problem),
        (status = 412, description = "Not at that version", body = Problem)
    ),
)]
pub(super) async fn delete(
    State(front): State<Front>,
    Path((pool, key)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let (parts, _) = request.into_parts();
    let who = auth::somebody(&front.node, &parts)?;
    let name = object_name(&pool, &key)?;
    let query = Query::parse(parts.uri.query(), &["shred"])?;
    let condition = headers::condition(&parts.headers)?;
    let session = headers::session(&parts.headers, &who)?;
    match query.value("shred") {
        None | Some("false") => {
            front.node.permit(&who, Need::Object(OnPool::Write, &name))?;
            let place = front.node.delete(&name, condition, session).await?;
            Ok((StatusCode::NO_CONTENT, place_headers(place)).into_response())
        }
        Some("true") => {
            front.node.permit(&who, Need::Object(OnPool::Shred, &name))?;
            let shredded = front.node.shred(&name, condition).await?;
            Ok(Json(translate::shred_receipt(name.pool, Some(name.key), shredded)).into_response())
        }
        Some(_) => Err(refuse(Code::ParameterMalformed, "`shred` is `true` or `false`")),
    }
}

pub(super) fn limit(query: &Query) -> Answer<usize> {
    let Some(text) = query.value("limit") else { return Ok(LIST_ENTRIES_MAX) };
    match text.parse() {
        Ok(limit @ 1..=LIST_ENTRIES_MAX) => Ok(limit),
        _ => {
            let detail = format!("`limit` is a whole number from 1 to {LIST_ENTRIES_MAX}");
            Err(refuse(Code::ParameterMalformed, detail))
        }
    }
}

fn object_name(pool: &str, key: &str) -> Answer<ObjectName> {
    Ok(ObjectName { pool: pool.parse()?, key: key.parse()? })
}

fn read_at(query: &Query) -> Answer<At> {
    match (query.value("version"), query.value("at")) {
        (None, None) => Ok(At::Latest),
        (Some(version), None) => translate::parse_version(version).map(At::Version),
        (None, Some(time)) => translate::parse_time(time).map(At::Time),
        (Some(_), Some(_)) => {
            Err(refuse(Code::ParameterMalformed, "`version` and `at` exclude each other"))
        }
    }
}

fn place_headers(place: Place) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let etag = translate::version(place.version).to_etag();
    headers.extend(HeaderValue::try_from(etag).map(|value| (ETAG, value)));
    if let Ok(time) = HeaderValue::try_from(place.time.to_string()) {
        headers.insert(header::TIME, time);
    }
    headers
}

fn value_headers(place: Place) -> HeaderMap {
    let mut headers = place_headers(place);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers
}
