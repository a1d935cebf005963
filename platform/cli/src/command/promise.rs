//! `notrace promise`.

use notrace_sdk_client::verify;

use crate::exit::Done;
use crate::say;
use crate::session::Session;

pub(super) async fn show(session: &Session, json: bool) -> Done {
    let signed = session.client.promise().await.map_err(|error| session.fail(error))?;
    if json {
        return say::json(&signed);
    }
    let promise = verify::promise(&signed, &verify::trust(&session.credentials)?)?;
    say::text(&promise.show())
}

pub(super) async fn verify(session: &Session, json: bool) -> Done {
    let signed = session.client.promise().await.map_err(|error| session.fail(error))?;
    let trust = verify::trust(&session.credentials)?;
    let promise = verify::promise(&signed, &trust)?;
    let digest = promise.digest();
    if json {
        let (operator, until) = (promise.operator.to_string(), promise.valid_until);
        return say::json(&serde_json::json!({
            "true": true,
            "digest": digest.to_string(),
            "operator": operator,
            "valid_from": promise.valid_from,
            "valid_until": until,
        }));
    }
    say::line(format_args!(
        "the promise is true: {digest} is what {} signed with the key of log {}",
        promise.operator,
        trust.origin()
    ))
}
