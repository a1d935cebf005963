//! `notrace status` and `notrace posture`.

use std::collections::BTreeMap;

use notrace_sdk_client::wire::node::{HealthState, MitigationState, NodeDescription};

use crate::exit::Done;
use crate::say;
use crate::session::Session;

pub(super) async fn status(session: &Session, json: bool) -> Done {
    let health = session.client.health().await.map_err(|error| session.fail(error))?;
    let node = session.client.node().await.map_err(|error| session.fail(error))?;
    let (on, all) = counted(&node);
    if json {
        return say::json(&serde_json::json!({
            "url": session.client.url(),
            "health": health,
            "version": node.version,
            "members": node.members,
            "trust_level": node.trust_level,
            "promise": node.promise.to_string(),
            "mitigations_on": on,
            "mitigations": all,
        }));
    }
    let doing = match health.state {
        HealthState::Serving => "serving",
        HealthState::Draining => "draining: it finishes what it has and takes nothing new",
        HealthState::Unable => "unable to serve",
    };
    let level = trust_level(node.trust_level);
    say::table(&[
        ["node".to_owned(), session.client.url().to_owned()],
        ["state".to_owned(), doing.to_owned()],
        ["version".to_owned(), node.version],
        ["members".to_owned(), node.members.to_string()],
        ["trust".to_owned(), format!("level {} ({level})", node.trust_level)],
        ["promise".to_owned(), node.promise.to_string()],
        ["workers".to_owned(), format!("{} waiting", health.workers_ready)],
        ["posture".to_owned(), format!("{on} of {all} mitigations on")],
    ])
}

pub(super) async fn metrics(session: &Session, json: bool) -> Done {
    let counts = session.client.metrics().await.map_err(|error| session.fail(error))?;
    if !json {
        return say::text(&counts);
    }
    let numbers = counts.lines().filter(|line| !line.starts_with('#'));
    let numbers = numbers.filter_map(|line| line.rsplit_once(' '));
    let numbers: BTreeMap<&str, u64> =
        numbers.filter_map(|(name, number)| Some((name, number.parse().ok()?))).collect();
    say::json(&numbers)
}

pub(super) async fn posture(session: &Session, json: bool) -> Done {
    let node = session.client.node().await.map_err(|error| session.fail(error))?;
    if json {
        return say::json(&node.posture);
    }
    let rows = node.posture.iter().map(|mitigation| {
        let required = if mitigation.required { "required" } else { "" };
        let state = mitigation.state.to_string();
        [state, mitigation.name.clone(), required.to_owned(), mitigation.meaning.clone()]
    });
    say::table(&rows.collect::<Vec<_>>())?;
    let off = node.posture.iter().filter(|one| one.state != MitigationState::On);
    let mut to_turn_on = off.peekable();
    if to_turn_on.peek().is_some() {
        say::line("\nto turn on what is off:")?;
    }
    for mitigation in to_turn_on {
        say::line(format_args!("  {}: {}", mitigation.name, mitigation.remedy))?;
    }
    Ok(())
}

fn counted(node: &NodeDescription) -> (usize, usize) {
    let on = node.posture.iter().filter(|one| one.state == MitigationState::On).count();
    (on, node.posture.len())
}

/// What a trust level means, in two words.
pub(super) fn trust_level(level: u8) -> &'static str {
    match level {
        0 => "software key",
        1 => "TPM quote",
        2 => "SEV-SNP or TDX report",
        _ => "two vendors",
    }
}
