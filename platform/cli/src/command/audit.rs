//! `notrace audit`.

use std::path::Path;

use notrace_policy_promise::ledger::tile::{Rows, TILE_WIDTH, Tile, split_entries};
use notrace_policy_promise::receipt::{Passage, Receipt};
use notrace_policy_promise::verify::{Trust, Verified};
use notrace_sdk_client::verify as client;

use crate::args::{AuditLog, AuditVerify};
use crate::exit::{Done, Failure, Local};
use crate::session::{self, Session};
use crate::{progress, say};

/// Far more than any proof file; what is longer is none.
const PROOF_BYTES_MAX: u64 = 1 << 20;

pub(crate) fn verify(verify: &AuditVerify, json: bool) -> Done {
    let proof = read(&verify.file)?;
    let trust = match (&verify.vkey, &verify.origin) {
        (Some(vkey), origin) => given(vkey, origin.as_deref())?,
        (None, _) => client::trust(&session::find()?.1)?,
    };
    let verified = client::receipt(&proof, &trust, verify.task)?;
    if json {
        return say::json(&as_json(&verified));
    }
    say::line(&verified)?;
    say::note(match verified.receipt.passage {
        Passage::Sealed => {
            "sealed: input and answer could be read by the worker and the client alone"
        }
        Passage::Plain => "plain: it came inside TLS alone, and the node saw it in passing",
    });
    say::note(format_args!("who could be beside it: {}", verified.receipt.cohosting));
    say::note(format_args!("what showed outside: {}", verified.receipt.release));
    Ok(())
}

/// Trust in a key that was given by hand. A key's name is its log's origin unless said otherwise.
fn given(vkey: &str, origin: Option<&str>) -> Result<Trust, Failure> {
    let named = vkey.split('+').next().unwrap_or_default();
    Trust::new(origin.unwrap_or(named), [vkey])
        .map_err(|no| Failure::local(Local::CredentialsMalformed, no))
}

fn read(path: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| Failure::unreadable(path, &error);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(PROOF_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    // Whatever is not text is not a proof either, and is told the same way.
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

fn as_json(verified: &Verified) -> serde_json::Value {
    let Verified { receipt, index, size, root, log_keys, witnesses } = verified;
    let Receipt { task, promise, rules, config, node, slot, .. } = receipt;
    serde_json::json!({
        "true": true,
        "task": task.to_string(),
        "promise": promise.to_string(),
        "rules": rules.to_string(),
        "config": config.to_string(),
        "node": node.to_string(),
        "trust_level": receipt.trust.code(),
        "slot": slot,
        "sealed": receipt.passage == Passage::Sealed,
        "ended": format!("{:?}", receipt.ended).to_lowercase(),
        "scrub": receipt.scrub.to_string(),
        "release": {
            "sizes": receipt.release.sizes.as_str(),
            "times": receipt.release.times.as_str(),
            "failures": receipt.release.failures.as_str(),
        },
        "cohosting": receipt.cohosting.as_str(),
        "apart": receipt.apart.to_string(),
        "began_minute": receipt.span.began_minute(),
        "ended_minute": receipt.span.ended_minute(),
        "leaf": index,
        "leaves": size,
        "root": root.to_string(),
        "log_keys": log_keys,
        "witnesses": witnesses,
    })
}

pub(super) async fn log(session: &Session, log: &AuditLog, json: bool) -> Done {
    let shown = progress::waiting("reading the ledger");
    let note = session.client.checkpoint().await.map_err(|error| session.fail(error))?;
    let trust = client::trust(&session.credentials)?;
    let signed = client::checkpoint(&note, &trust)?;
    let head = &signed.checkpoint;
    let first = head.size.saturating_sub(u64::from(log.limit));
    let mut entries: Vec<(u64, String)> = Vec::new();
    for tile in tiles(first, head.size) {
        let bytes = session.client.tile(&tile).await.map_err(|error| session.fail(error))?;
        let damaged = || Failure::local(Local::NotUnderstood, "a tile of the ledger is damaged");
        let rows = split_entries(&bytes, tile.width()).ok_or_else(damaged)?;
        let numbered = (tile.index() * TILE_WIDTH..).zip(rows).filter(|(index, _)| *index >= first);
        entries.extend(numbered.map(|(index, entry)| (index, hexadecimal(entry))));
    }
    drop(shown);
    entries.reverse();
    if json {
        let entries: Vec<_> = entries
            .iter()
            .map(|(leaf, entry)| serde_json::json!({ "leaf": leaf, "entry": entry }))
            .collect();
        return say::json(&serde_json::json!({
            "origin": head.origin,
            "leaves": head.size,
            "root": head.root.to_string(),
            "log_keys": signed.signatures,
            "entries": entries,
        }));
    }
    let keys = say::counted(u64::from(signed.signatures), "log key");
    let leaves = if head.size == 1 { "leaf" } else { "leaves" };
    say::line(format_args!(
        "log {}  {} {leaves}  signed by {keys}",
        head.origin,
        say::grouped(head.size)
    ))?;
    say::line(format_args!("root {}", head.root))?;
    let rows = entries.into_iter().map(|(leaf, entry)| [format!("leaf {leaf}"), entry]);
    say::table(&rows.collect::<Vec<_>>())
}

/// The tiles of entries that hold leaves `first` to `size`.
fn tiles(first: u64, size: u64) -> impl Iterator<Item = Tile> {
    let last = size.div_ceil(TILE_WIDTH);
    (first / TILE_WIDTH..last).filter_map(move |index| {
        let width = (size - index * TILE_WIDTH).min(TILE_WIDTH);
        Tile::new(Rows::Entries, index, u16::try_from(width).ok()?)
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod the_tiles_of_a_listing {
    use super::*;

    #[test]
    fn are_those_that_hold_its_leaves() {
        let paths = |first, size| -> Vec<String> {
            tiles(first, size).map(|tile| tile.to_string()).collect()
        };
        assert_eq!(paths(0, 0), [""; 0]);
        assert_eq!(paths(0, 18), ["tile/entries/000.p/18"]);
        assert_eq!(paths(250, 256), ["tile/entries/000"]);
        assert_eq!(paths(250, 270), ["tile/entries/000", "tile/entries/001.p/14"]);
        assert_eq!(paths(256, 270), ["tile/entries/001.p/14"]);
    }
}
