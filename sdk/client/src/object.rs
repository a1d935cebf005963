//! Objects: put, get, list, history, delete, shred, transact.

use notrace_policy_promise::name::{ObjectName, PoolName};
use notrace_sdk_wire::object::{History, ObjectList, ShredReceipt};
use notrace_sdk_wire::path::{self, OBJECTS};
use notrace_sdk_wire::transact::{Transact, Transacted};
use notrace_sdk_wire::{Time, Version};
use reqwest::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};

use crate::call::Call;
use crate::client::Client;
use crate::deed::Deed;
use crate::download::{Download, Head, head};
use crate::error::Error;
use crate::source::Source;

/// What must hold for a put to happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    Always,
    /// This version is current.
    IfVersion(Version),
    /// There is no object of this key.
    IfAbsent,
}

/// Which version of an object is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum At {
    /// The current one.
    #[default]
    Now,
    /// This one.
    Version(Version),
    /// The one that was current at this time.
    Time(Time),
}

/// What a put came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Put {
    /// The new version.
    pub version: Version,
    /// The hybrid logical time of it, as the node spells it.
    pub time: Option<String>,
    /// Whether there was no object of this key before.
    pub created: bool,
}

/// Which part of a pool a listing shows.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Only keys that start with this.
    pub prefix: Option<String>,
    /// At most this many; the node has a bound of its own.
    pub limit: Option<u32>,
    /// Only keys after this one.
    pub after: Option<String>,
}

impl Client {
    /// Stores a value.
    /// # Errors  `version_mismatch` with the current version; `object_too_large`, `out_of_space`.
    /// # Cancel  The value may have been stored all the same.
    pub async fn put(
        &self,
        name: &ObjectName,
        value: Source,
        condition: Condition,
    ) -> Result<Put, Error> {
        let mut call = Call::to(Deed::Put, Method::PUT, path::object(&name.pool, &name.key))?;
        call = match condition {
            Condition::Always => call,
            Condition::IfVersion(version) => call.with(IF_MATCH.as_str(), &version.to_etag())?,
            Condition::IfAbsent => call.with(IF_NONE_MATCH.as_str(), "*")?,
        };
        let response = self.send(&call.body(value, "application/octet-stream")).await?.response;
        let created = response.status() == StatusCode::CREATED;
        let Head { version, time, .. } = head(&response);
        let version = version.ok_or(Error::NotUnderstood("its ETag"))?;
        Ok(Put { version, time, created })
    }

    /// Reads a value.
    /// # Errors  `object_unknown`, `object_shredded`.
    pub async fn get(&self, name: &ObjectName, at: At) -> Result<Download, Error> {
        let reply = self.send(&Call::get(object_at(name, at))).await?;
        // Where the connection breaks, the rest is read of the very version that was begun with.
        let rest = head(&reply.response).version;
        let rest = rest.map(|version| (self.clone(), object_at(name, At::Version(version))));
        Ok(Download::new(reply.response).resumed_with(rest))
    }

    /// What there is to know of a value without reading it.
    /// # Errors  `object_unknown`, `object_shredded`.
    pub async fn head(&self, name: &ObjectName, at: At) -> Result<Head, Error> {
        self.send(&Call::head(object_at(name, at))).await.map(|reply| head(&reply.response))
    }

    /// The keys of a pool, a page at a time.
    /// # Errors  `pool_unknown`.
    pub async fn list(&self, pool: &PoolName, listing: &Listing) -> Result<ObjectList, Error> {
        let limit = listing.limit.map(|limit| limit.to_string());
        let query = query(&[
            ("prefix", listing.prefix.as_deref()),
            ("limit", limit.as_deref()),
            ("after", listing.after.as_deref()),
        ]);
        self.ask(&Call::get(format!("{OBJECTS}/{pool}{query}"))).await
    }

    /// The versions of an object, newest first.
    /// # Errors  `object_unknown`.
    pub async fn history(&self, name: &ObjectName) -> Result<History, Error> {
        let path = path::object(&name.pool, &name.key);
        self.ask(&Call::get(format!("{path}?history"))).await
    }

    /// Puts a tombstone in an object's place. Older versions stay readable until they are trimmed.
    /// # Errors  `object_unknown`, `version_mismatch`.
    /// # Cancel  It may have been deleted all the same.
    pub async fn delete(
        &self,
        name: &ObjectName,
        if_version: Option<Version>,
    ) -> Result<Option<Version>, Error> {
        let mut call = Call::to(Deed::Delete, Method::DELETE, path::object(&name.pool, &name.key))?;
        if let Some(version) = if_version {
            call = call.with(IF_MATCH.as_str(), &version.to_etag())?;
        }
        let response = self.send(&call).await?.response;
        let etag = response.headers().get(ETAG).and_then(|value| value.to_str().ok());
        Ok(etag.and_then(|etag| Version::from_etag(etag).ok()))
    }

    /// Destroys the keys of all versions of an object.
    /// # Errors  `object_unknown`.
    /// # Cancel  The node may have shredded it all the same.
    pub async fn shred(&self, name: &ObjectName) -> Result<ShredReceipt, Error> {
        let path = path::object(&name.pool, &name.key);
        self.ask(&Call::to(Deed::Shred, Method::DELETE, format!("{path}?shred=true"))?).await
    }

    /// Does several puts and deletes as one version, or none of them.
    /// # Errors  `version_mismatch` with the index that failed.
    /// # Cancel  They may have been done all the same.
    pub async fn transact(&self, pool: &PoolName, ops: &Transact) -> Result<Transacted, Error> {
        let call = Call::to(Deed::Transact, Method::POST, format!("{OBJECTS}/{pool}:transact"))?;
        self.ask(&call.json(ops)?).await
    }
}

fn object_at(name: &ObjectName, at: At) -> String {
    let path = path::object(&name.pool, &name.key);
    match at {
        At::Now => path,
        At::Version(version) => format!("{path}?version={version}"),
        At::Time(time) => format!("{path}?at={time}"),
    }
}

/// A query string of the parameters that are there, with its question mark; empty if none is.
pub(crate) fn query(parameters: &[(&str, Option<&str>)]) -> String {
    let present = parameters.iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    let mut query = String::new();
    for (name, value) in present {
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(name);
        query.push('=');
        query.push_str(&path::encode(value));
    }
    query
}

#[cfg(test)]
mod a_query {
    use super::*;

    #[test]
    fn has_only_what_is_there_and_hides_what_would_cut_it() {
        assert_eq!(query(&[("a", None)]), "");
        assert_eq!(
            query(&[("a", None), ("b", Some("x&y=z+ ")), ("c", Some(""))]),
            "?b=x%26y%3Dz%2B%20&c="
        );
    }
}
