//! Who asks: a bearer token, a client certificate, or nobody.

use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use notrace_platform_node::Node;
use notrace_platform_node::rules::{Action, Authenticated, Denied, Principal};

use crate::accept::ShownCertificate;
use crate::problem::Answer;

/// Who sent this request. A token, once shown, must be right: a wrong one is not overlooked because
/// a certificate came too.
pub(crate) fn principal(node: &Node, parts: &Parts) -> Result<Principal, Denied> {
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

/// Who sent this request, if that one may do this.
pub(crate) fn permit(node: &Node, parts: &Parts, action: Action) -> Answer<Principal> {
    let principal = principal(node, parts)?;
    node.rules().permit(&principal, action)?;
    Ok(principal)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}
