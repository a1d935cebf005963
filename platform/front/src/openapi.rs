//! The description of the surface, generated from the handlers and the wire's types.

use std::sync::LazyLock;

use notrace_sdk_wire::problem::MEDIA_TYPE;
use utoipa::openapi::RefOr;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::routes::{about, cluster, ledger, objects, pools, rules, runs, tasks, transact, watch};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "notrace",
        description = "The cloud that forgets: upload a task, run it on stored data, leave \
                       nothing, check the receipt.",
    ),
    paths(
        about::health,
        about::node,
        about::metrics,
        about::promise,
        about::openapi,
        rules::show,
        rules::push,
        cluster::status,
        cluster::invite,
        cluster::join,
        cluster::leave,
        cluster::forget,
        ledger::checkpoint,
        ledger::tile,
        tasks::upload,
        tasks::list,
        tasks::show,
        tasks::remove,
        tasks::events,
        runs::run,
        runs::receipt,
        pools::create,
        pools::show,
        pools::list,
        pools::shred,
        objects::put,
        objects::get,
        objects::list,
        objects::delete,
        transact::transact,
        watch::watch,
    ),
    modifiers(&Credentials, &Problems),
    security(("bearer" = [])),
)]
struct Surface;

/// A bearer token, or a client certificate, which OpenAPI calls mutual TLS.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// Says that every `Problem` comes as the media type that RFC 9457 gives it.
struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            let verbs = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
            for operation in verbs.into_iter().flatten() {
                for (status, response) in &mut operation.responses.responses {
                    let RefOr::T(response) = response else { continue };
                    // 503 of the health path is no problem but its own answer.
                    if status.starts_with(['4', '5']) && status != "503" {
                        let content = core::mem::take(&mut response.content);
                        response.content = content
                            .into_values()
                            .map(|body| (MEDIA_TYPE.to_owned(), body))
                            .collect();
                    }
                }
            }
        }
    }
}

/// The document as JSON.
pub(crate) fn document() -> &'static str {
    static DOCUMENT: LazyLock<String> =
        LazyLock::new(|| Surface::openapi().to_json().unwrap_or_default());
    &DOCUMENT
}

#[cfg(test)]
mod the_document {
    #[test]
    fn is_openapi_3_1_and_lists_every_path() {
        let document: serde_json::Value = serde_json::from_str(super::document()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let paths = document["paths"].as_object().unwrap();
        for path in ["/v1/tasks/{task}/run", "/v1/objects/{pool}:transact", "/v1/watch/{pool}"] {
            assert!(paths.contains_key(path), "{path}");
        }
        assert!(document["components"]["schemas"]["Problem"].is_object());
    }
}
