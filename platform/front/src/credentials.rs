//! The file that lets a client in.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use hyper::Uri;
use notrace_platform_node::{Identity, IdentityError, Node, OwnerCredentials};
use notrace_sdk_wire::Credentials;
use zeroize::Zeroizing;

use crate::limits::MEMBERS_MAX;

/// The file's name in the node's folder.
pub(crate) const FILE: &str = "client.toml";

/// Why there is no credentials file.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read or written.
    #[error(
        "the client's credentials cannot be {verb} ({kind}); check the folder's rights and space"
    )]
    File {
        /// What was attempted.
        verb: &'static str,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// The file is not what a node writes.
    #[error("client.toml is damaged; move it away and it is left alone, or restore it")]
    Damaged,
    /// The node has no keys to make credentials with.
    #[error("{0}")]
    Identity(IdentityError),
}

/// Makes the owner's credentials at the first start and never again: a client that was given them
/// may have taken them elsewhere.
pub(crate) fn make_if_first(
    identity: &mut Identity,
    path: &Path,
    url: &str,
) -> Result<(), CredentialsError> {
    if identity.has_owner() {
        return Ok(());
    }
    let authority = identity.authority_pem().to_owned();
    let kept = identity.make_owner(|owner| write(path, &first(owner, authority, url)));
    kept.map_err(CredentialsError::Identity)?
}

/// Brings the file, if it is still there, up to date with this start's address, the other members
/// of the group, and the ledger.
pub(crate) fn refresh(path: &Path, url: &str, node: &Node) -> Result<(), CredentialsError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("read")(error)),
    };
    let mut credentials: Credentials =
        toml::from_str(&text).map_err(|_| CredentialsError::Damaged)?;
    let others = node.urls_of_others().into_iter().filter(|url| is_address(url));
    let others: Vec<String> = others.take(MEMBERS_MAX).collect();
    let current = (url, &others, node.ledger_vkey(), node.ledger_origin());
    let known = (
        credentials.url.as_str(),
        &credentials.members,
        credentials.ledger_vkey.as_str(),
        credentials.ledger_origin.as_str(),
    );
    if current == known {
        return Ok(());
    }
    credentials.url = url.to_owned();
    credentials.members = others;
    credentials.ledger_vkey = node.ledger_vkey().to_owned();
    credentials.ledger_origin = node.ledger_origin().to_owned();
    write(path, &credentials)
}

/// Writes down, in the folder of a node that joins a group, what lets the group's owner in there.
/// At its start the node fills in where it is found.
/// # Errors  [`CredentialsError`]
pub fn let_owner_in(dir: &Path, ca_pem: &str, token: &str) -> Result<(), CredentialsError> {
    let credentials = Credentials {
        url: String::new(),
        members: Vec::new(),
        ca_pem: ca_pem.to_owned(),
        token: token.to_owned(),
        certificate_pem: String::new(),
        key_pem: String::new(),
        ledger_vkey: String::new(),
        ledger_origin: String::new(),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("written"))?;
    write(&dir.join(FILE), &credentials)
}

/// The owner's token, if the file is still there and has it; empty otherwise.
pub(crate) fn owner_token(path: &Path, node: &Node) -> String {
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let credentials = text.ok().and_then(|text| toml::from_str::<Credentials>(&text).ok());
    let token = credentials.map(|credentials| credentials.token);
    token.filter(|token| node.owner_of_token(token).is_some()).unwrap_or_default()
}

/// Whether clients can call this: what another node says of itself is not taken unseen.
fn is_address(url: &str) -> bool {
    let parsed = url.parse::<Uri>().ok();
    parsed.is_some_and(|uri| {
        let whole = uri.scheme_str() == Some("https") && uri.port_u16().is_some_and(|it| it > 0);
        whole && uri.path_and_query().is_none_or(|it| it == "/") && !url.contains('@')
    })
}

fn first(owner: &OwnerCredentials, authority_pem: String, url: &str) -> Credentials {
    Credentials {
        url: url.to_owned(),
        members: Vec::new(),
        ca_pem: authority_pem,
        token: owner.token.to_string(),
        certificate_pem: owner.certificate_pem.clone(),
        key_pem: owner.key_pem.to_string(),
        ledger_vkey: String::new(),
        ledger_origin: String::new(),
    }
}

fn write(path: &Path, credentials: &Credentials) -> Result<(), CredentialsError> {
    let text = toml::to_string(credentials).map_err(|_| CredentialsError::Damaged)?;
    let text = Zeroizing::new(text);
    let temporary = path.with_extension("toml.new");
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path))
        // The node takes the credentials for kept from here on, so a loss of power must not take
        // the file's name away.
        .and_then(|()| path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all()))
        .map_err(failed("written"))
}

fn failed(verb: &'static str) -> impl Fn(io::Error) -> CredentialsError {
    move |error| CredentialsError::File { verb, kind: error.kind() }
}

#[cfg(test)]
mod another_node {
    use super::is_address;

    #[test]
    fn is_named_only_where_clients_can_call_it() {
        for good in ["https://127.0.0.1:7443", "https://[::1]:7443/", "https://node-2.local:443"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "https://127.0.0.1:0", "http://a:1", "https://a", "https://a:1/x", "a:1"] {
            assert!(!is_address(bad), "{bad}");
        }
        for bad in ["https://me@a:1", "https://a:1?x", "https://a:1\ntoken = 'x'"] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
