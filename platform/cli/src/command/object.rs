//! `notrace put`, `get`, `head`, `ls`, `rm`, `history`, `shred`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use notrace_policy_promise::limits::{LIST_ENTRIES_MAX, OBJECT_BYTES_MAX};
use notrace_sdk_client::Error;
use notrace_sdk_client::download::{Download, Head};
use notrace_sdk_client::object::{At, Condition, Listing};
use notrace_sdk_client::source::Source;
use notrace_sdk_client::wire::Time;
use notrace_sdk_client::wire::object::{ObjectList, ShredReceipt};

use crate::args::{Get, History, Ls, Named, Put, Shred};
use crate::exit::{Done, Failure, Local};
use crate::session::Session;
use crate::{progress, say};

pub(super) async fn put(session: &Session, put: Put, json: bool) -> Done {
    let condition = match (put.if_version, put.if_absent) {
        (Some(version), _) => Condition::IfVersion(version),
        (None, true) => Condition::IfAbsent,
        (None, false) => Condition::Always,
    };
    let value = source(&put.file, "the value", OBJECT_BYTES_MAX)?;
    let size_bytes = value.size_bytes();
    let (shown, told) = progress::upload(size_bytes);
    let stored = session.client.put(&put.name, value.watched(told), condition).await;
    drop(shown);
    let stored = stored.map_err(|error| session.fail(error))?;
    if json {
        let version = stored.version;
        return say::json(&serde_json::json!({
            "object": put.name.to_string(),
            "version": version,
            "time": stored.time.as_deref().and_then(rfc3339),
            "size_bytes": size_bytes,
            "created": stored.created,
            "sealed": true,
        }));
    }
    // A node keeps nothing but ciphertext, so every value that was acknowledged is sealed.
    let size = say::counted(size_bytes, "byte");
    say::line(format_args!("{}  version {}  {size}  sealed", put.name, stored.version))
}

pub(super) async fn get(session: &Session, get: Get) -> Done {
    let download = session.client.get(&get.name, at(&get)).await;
    let download = download.map_err(|error| session.fail(error))?;
    match &get.output {
        None => download.write_to(&mut io::stdout().lock()).await.map(drop).map_err(Failure::from),
        Some(path) => save(download, path).await,
    }
}

pub(super) async fn head(session: &Session, get: Get, json: bool) -> Done {
    let head = session.client.head(&get.name, at(&get)).await;
    let Head { version, time, size_bytes } = head.map_err(|error| session.fail(error))?;
    let time = time.as_deref().and_then(rfc3339);
    let missing = || Failure::from(Error::NotUnderstood("its headers"));
    let (version, size_bytes) = version.zip(size_bytes).ok_or_else(missing)?;
    if json {
        let object = get.name.to_string();
        return say::json(&serde_json::json!({
            "object": object, "version": version, "time": time, "size_bytes": size_bytes,
        }));
    }
    let time = time.map(|time| time.to_string()).unwrap_or_default();
    let size = say::counted(size_bytes, "byte");
    say::line(format_args!("{}  version {version}  {size}  {time}", get.name))
}

pub(super) async fn ls(session: &Session, ls: Ls, json: bool) -> Done {
    let mut found = ObjectList { objects: Vec::new(), more: true };
    let mut after = ls.after;
    let limit = ls.limit as usize;
    while found.more && found.objects.len() < limit {
        let page = (limit - found.objects.len()).min(LIST_ENTRIES_MAX);
        let listing =
            Listing { prefix: ls.within.prefix.clone(), limit: u32::try_from(page).ok(), after };
        let page = session.client.list(&ls.within.pool, &listing).await;
        let page = page.map_err(|error| session.fail(error))?;
        after = page.objects.last().map(|last| last.key.to_string());
        found.more = page.more && after.is_some();
        found.objects.extend(page.objects);
    }
    if json {
        return say::json(&found);
    }
    let rows = found.objects.iter().map(|object| {
        let size = say::counted(object.size_bytes, "byte");
        let (key, version) = (object.key.to_string(), format!("version {}", object.version));
        [key, version, size, object.time.to_string()]
    });
    say::table(&rows.collect::<Vec<_>>())?;
    if let Some(last) = found.objects.last().filter(|_| found.more) {
        say::note(format_args!("there are more: --after '{}'", last.key));
    }
    Ok(())
}

pub(super) async fn rm(session: &Session, named: Named, json: bool) -> Done {
    let version = session.client.delete(&named.name, named.if_version).await;
    let version = version.map_err(|error| session.fail(error))?;
    if json {
        let object = named.name.to_string();
        return say::json(&serde_json::json!({ "object": object, "version": version }));
    }
    let version = version.map(|version| format!("  version {version}")).unwrap_or_default();
    say::line(format_args!("{}{version}  deleted", named.name))
}

pub(super) async fn history(session: &Session, history: History, json: bool) -> Done {
    let found = session.client.history(&history.name).await;
    let found = found.map_err(|error| session.fail(error))?;
    if json {
        return say::json(&found);
    }
    let rows = found.versions.iter().map(|entry| {
        let readable = if entry.readable { "readable" } else { "gone" };
        [
            format!("version {}", entry.version),
            entry.change.to_string(),
            say::counted(entry.size_bytes, "byte"),
            readable.to_owned(),
            entry.time.to_string(),
        ]
    });
    say::table(&rows.collect::<Vec<_>>())?;
    if found.more {
        say::note("there are older versions");
    }
    Ok(())
}

pub(super) async fn shred(session: &Session, shred: Shred, json: bool) -> Done {
    let receipt = session.client.shred(&shred.name).await;
    let receipt = receipt.map_err(|error| session.fail(error))?;
    if json { say::json(&receipt) } else { say::line(shredded(&receipt)) }
}

/// A shredding in one line.
pub(super) fn shredded(receipt: &ShredReceipt) -> String {
    let what = match &receipt.key {
        Some(key) => format!("{}/{key}", receipt.pool),
        None => receipt.pool.to_string(),
    };
    let versions = say::counted(receipt.versions_destroyed, "version");
    let replicas = say::counted(u64::from(receipt.replicas), "replica");
    format!(
        "{what}  version {}  shredded: the keys of {versions} are gone from {replicas}",
        receipt.version
    )
}

/// A body from a file, or from standard input if it is `-`.
pub(super) fn source(path: &Path, what: &'static str, limit: usize) -> Result<Source, Failure> {
    let source = match path.to_str() {
        Some("-") => Source::read(io::stdin().lock(), what, limit),
        _ => Source::file(path, what, limit),
    };
    source.map_err(|error| match error {
        Error::SourceUnreadable(kind) => Failure::unreadable(path, &kind.into()),
        error => Failure::from(error),
    })
}

fn at(get: &Get) -> At {
    match (get.version, get.at) {
        (Some(version), _) => At::Version(version),
        (None, Some(time)) => At::Time(time),
        (None, None) => At::Now,
    }
}

/// The wall time inside a hybrid logical time, spelt `MICROSECONDS.COUNTER`.
fn rfc3339(hybrid: &str) -> Option<Time> {
    let (micros, _) = hybrid.split_once('.')?;
    micros.parse().ok().map(Time::from_unix_micros)
}

/// Writes to a file beside `path` that only this user can read, and gives it its name once it is
/// whole: a download that breaks off leaves neither a torn file nor the old one destroyed.
async fn save(download: Download, path: &Path) -> Done {
    let unwritable = |error: io::Error| Failure::unwritable(path, &error);
    // A link leads to what it names; a device or a pipe is written to, and never replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let path = target.as_path();
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let mut file = OpenOptions::new().write(true).open(path).map_err(unwritable)?;
        download.write_to(&mut file).await.map_err(Failure::from)?;
        return file.flush().map_err(unwritable);
    }
    let Some(name) = path.file_name() else {
        return Err(Failure::local(Local::FileUnwritable, "the output is not the name of a file"));
    };
    let mut partial_name = name.to_owned();
    partial_name.push(format!(".{}.partial", std::process::id()));
    let partial = Partial(path.with_file_name(partial_name));
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(&partial.0).map_err(unwritable)?;
    download.write_to(&mut file).await.map_err(|error| match error {
        Error::SinkUnwritable(kind) => Failure::unwritable(path, &kind.into()),
        error => Failure::from(error),
    })?;
    file.flush().and_then(|()| fs::rename(&partial.0, path)).map_err(unwritable)
}

/// A file that is removed unless it was renamed away.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
