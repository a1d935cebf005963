//! The file that lets a client in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use notrace_platform_node::{Identity, IdentityError, Node, OwnerCredentials};
use notrace_sdk_wire::Credentials;
use zeroize::Zeroizing;

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

/// Brings the file, if it is still there, up to date with this start's address and ledger.
pub(crate) fn refresh(path: &Path, url: &str, node: &Node) -> Result<(), CredentialsError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("read")(error)),
    };
    let mut credentials: Credentials =
        toml::from_str(&text).map_err(|_| CredentialsError::Damaged)?;
    let current = (url, node.ledger_vkey(), node.ledger_origin());
    let known = (
        credentials.url.as_str(),
        credentials.ledger_vkey.as_str(),
        credentials.ledger_origin.as_str(),
    );
    if current == known {
        return Ok(());
    }
    credentials.url = url.to_owned();
    credentials.ledger_vkey = node.ledger_vkey().to_owned();
    credentials.ledger_origin = node.ledger_origin().to_owned();
    write(path, &credentials)
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
