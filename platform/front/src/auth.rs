//! Who asks: a bearer token, a client certificate, or nobody.

use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use notrace_platform_node::Node;
use notrace_platform_node::leave::{Authenticated, Denied, Need, OnNode, Principal};

use crate::accept::ShownCertificate;
use crate::problem::Answer;

/// Who sent this request. A token, once shown, must be right: a wrong one is not overlooked because
/// a certificate came too.
fn principal(node: &Node, parts: &Parts) -> Result<Principal, Denied> {
    if let Some(value) = parts.headers.get(AUTHORIZATION) {
        let token = value.to_str().ok().and_then(bearer).ok_or(Denied::Unauthenticated)?;
        let id = node.owner_of_token(token).ok_or(Denied::Unauthenticated)?;
        return Ok(Principal::Owner { id, by: Authenticated::ByToken });
    }
    Ok(match parts.extensions.get::<ShownCertificate>() {
        Some(shown) => Principal::Owner { id: shown.0, by: Authenticated::ByCertificate },
        None => Principal::Anonymous,
    })
}

/// Who sent this request, if it is anybody: strangers are told nothing, not even what is wrong with
/// what they sent, and get no room for it.
pub(crate) fn somebody(node: &Node, parts: &Parts) -> Answer<Principal> {
    match principal(node, parts)? {
        Principal::Anonymous => Err(Denied::Unauthenticated.into()),
        principal => Ok(principal),
    }
}

/// Who sent this request, if that one may do this with the node as a whole.
pub(crate) fn permit(node: &Node, parts: &Parts, what: OnNode) -> Answer<Principal> {
    let principal = somebody(node, parts)?;
    node.permit(&principal, Need::Node(what))?;
    Ok(principal)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}
