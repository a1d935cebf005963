//! The group: its state, invitations, joining, leaving.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use notrace_platform_node::group::{Asked, GroupStatus, Other, Welcomed};
use notrace_platform_node::leave::OnNode;
use notrace_sdk_wire::cluster::{
    AbsentStatus, ClusterStatus, Invite, InviteAsk, JoinAsk, MemberAddress, MemberStatus,
    ShardStatus, Welcome,
};
use notrace_sdk_wire::{Code, Problem};

use crate::limits::JSON_BYTES_MAX;
use crate::problem::{Answer, bad_body, method_not_allowed, refuse};
use crate::query::Query;
use crate::routes::Front;
use crate::translate;
use crate::{auth, credentials};

pub(super) async fn post_only() -> Response {
    method_not_allowed("POST").into_response()
}

/// `GET /v1/cluster`
#[utoipa::path(
    get,
    path = "/v1/cluster",
    tag = "cluster",
    summary = "The group, as this member knows it",
    responses((status = 200, description = "The group", body = ClusterStatus)),
)]
pub(super) async fn status(State(front): State<Front>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    auth::permit(&front.node, &parts, OnNode::ManageNode)?;
    Query::parse(parts.uri.query(), &[])?;
    Ok(Json(told(front.node.group_status())).into_response())
}

/// `POST /v1/cluster/invites`
#[utoipa::path(
    post,
    path = "/v1/cluster/invites",
    tag = "cluster",
    summary = "Makes a one-time token with which a node can join",
    request_body(content = InviteAsk),
    responses(
        (status = 201, description = "The token", body = Invite),
        (status = 409, description = "This node keeps its store alone", body = Problem)
    ),
)]
pub(super) async fn invite(State(front): State<Front>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    auth::permit(&front.node, &parts, OnNode::ManageNode)?;
    Query::parse(parts.uri.query(), &[])?;
    let arrived = front.room.collect(&parts.headers, body, JSON_BYTES_MAX).await;
    let arrived = arrived.map_err(|bad| bad_body(bad, Code::BodyTooLarge, JSON_BYTES_MAX))?;
    let ask: InviteAsk = arrived.bytes.reveal(|bytes| translate::json(bytes, &["seconds"]))?;
    let (token, expires_unix_s) = front.node.invite(Duration::from_secs(ask.seconds)).await?;
    let invite = Invite { token: URL_SAFE_NO_PAD.encode(*token), expires_unix_s };
    Ok((StatusCode::CREATED, Json(invite)).into_response())
}

const JOIN_FIELDS: [&str; 6] = ["invite", "nonce", "proof", "key", "address", "url"];

/// `POST /v1/cluster/join`
#[utoipa::path(
    post,
    path = "/v1/cluster/join",
    tag = "cluster",
    summary = "Lets a node in that proves a token",
    request_body(content = JoinAsk),
    responses(
        (status = 200, description = "What the new member needs", body = Welcome),
        (status = 403, description = "The token is not one, or was used", body = Problem)
    ),
    security(()),
)]
pub(super) async fn join(State(front): State<Front>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    Query::parse(parts.uri.query(), &[])?;
    let arrived = front.room.collect(&parts.headers, body, JSON_BYTES_MAX).await;
    let arrived = arrived.map_err(|bad| bad_body(bad, Code::BodyTooLarge, JSON_BYTES_MAX))?;
    let ask: JoinAsk = arrived.bytes.reveal(|bytes| translate::json(bytes, &JOIN_FIELDS))?;
    let wish = ask.wish();
    let JoinAsk { invite, nonce, proof, key, address, url } = &ask;
    let asked = Asked { invite, nonce, proof, wish: &wish, key, address, url };
    let (welcomed, prove) = front.node.let_in(front.shown.digest().as_bytes(), asked).await?;
    let mut welcome = welcome(&welcomed);
    welcome.owner_token = credentials::owner_token(&front.credentials, &front.node);
    welcome.proof = prove(&welcome.proved());
    Ok(Json(welcome).into_response())
}

/// `POST /v1/cluster/leave`
#[utoipa::path(
    post,
    path = "/v1/cluster/leave",
    tag = "cluster",
    summary = "Lets this node leave for good, once others hold what it held",
    responses((status = 204, description = "It left, and ends")),
)]
pub(super) async fn leave(State(front): State<Front>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    auth::permit(&front.node, &parts, OnNode::ManageNode)?;
    Query::parse(parts.uri.query(), &[])?;
    front.node.leave().await?;
    front.node.stop_taking();
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn delete_only() -> Response {
    method_not_allowed("DELETE").into_response()
}

/// `DELETE /v1/cluster/nodes/{node}`
#[utoipa::path(
    delete,
    path = "/v1/cluster/nodes/{node}",
    tag = "cluster",
    summary = "Forgets a node that will not come back",
    params(("node" = u32, Path, description = "The node's number")),
    responses(
        (status = 204, description = "It is none any more"),
        (status = 404, description = "There is none of this number", body = Problem),
        (status = 409, description = "It is a member at the moment", body = Problem)
    ),
)]
pub(super) async fn forget(
    State(front): State<Front>,
    Path(node): Path<String>,
    request: Request,
) -> Answer {
    let (parts, _) = request.into_parts();
    auth::permit(&front.node, &parts, OnNode::ManageNode)?;
    Query::parse(parts.uri.query(), &[])?;
    let spelt = "a node is named by its number, as in 3";
    let number = node.parse().map_err(|_| refuse(Code::NameMalformed, spelt))?;
    front.node.forget_node(number).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn welcome(welcomed: &Welcomed) -> Welcome {
    let members = welcomed.members.iter();
    Welcome {
        node: welcomed.node,
        group: welcomed.group.clone(),
        authority_pem: welcomed.authority_pem.clone(),
        authority_key_pem: welcomed.authority_key_pem.to_string(),
        owner: welcomed.owner.clone(),
        owner_token: String::new(),
        group_key: welcomed.group_key.to_string(),
        ledger_key: welcomed.ledger_key.to_string(),
        members: members
            .cloned()
            .map(|Other { node, address, key }| MemberAddress { node, address, key })
            .collect(),
        shards: welcomed.shape.shards,
        copies: welcomed.shape.copies,
        proof: String::new(),
    }
}

fn told(status: GroupStatus) -> ClusterStatus {
    let members = status.members.into_iter().map(|member| MemberStatus {
        node: member.node,
        life: member.life,
        duty: if member.is_witness { "witness" } else { "full" }.to_owned(),
        address: member.address,
        url: member.url,
        suspected: member.suspected,
    });
    let absent = status.absent.into_iter().map(|it| AbsentStatus {
        node: it.node,
        address: it.address,
        url: it.url,
    });
    let shards = status.shards.into_iter().map(|shard| {
        let same = shard.version.view() == shard.durable.view();
        let (version, durable) = (shard.version.seq().number(), shard.durable.seq().number());
        ShardStatus {
            shard: shard.shard,
            kind: shard.kind.to_owned(),
            since: shard.since,
            members: shard.members,
            version: shard.version.to_string(),
            durable: shard.durable.to_string(),
            everywhere: Some(shard.everywhere.to_string()),
            disk_backlog: shard.disk_backlog,
            lag: same.then(|| version.saturating_sub(durable)),
            fate: if shard.lost { "lost" } else { "held" }.to_owned(),
        }
    });
    ClusterStatus {
        node: status.node,
        life: status.life,
        stage: status.stage.to_owned(),
        view: status.view,
        members: members.collect(),
        absent: absent.collect(),
        shards: shards.collect(),
    }
}
