//! Which node a command talks to.

use std::path::{Path, PathBuf};

use notrace_sdk_client::wire::Credentials;
use notrace_sdk_client::{Client, Error, Patience, credentials};

use crate::exit::{Failure, Local};

const DEFAULT: &str = "./node/client.toml";
const VARIABLE: &str = "NOTRACE_CONFIG";
/// Another node of the same group than the one that the file names.
const URL: &str = "NOTRACE_URL";

/// A client and where its credentials came from, so that a failure can name the file.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) credentials: Credentials,
    path: PathBuf,
}

impl Session {
    /// The session of the credentials that the environment names, or of a node in this folder.
    pub(crate) fn open(patience: Patience) -> Result<Self, Failure> {
        let (path, credentials) = find()?;
        let session = Self::with(path, credentials)?;
        Ok(Self { client: session.client.with_patience(patience), ..session })
    }

    /// The session of the credentials in this file.
    pub(crate) fn at(path: &Path) -> Result<Self, Failure> {
        let credentials = credentials::read(path).map_err(|error| told(path, error))?;
        Self::with(path.to_owned(), credentials)
    }

    fn with(path: PathBuf, credentials: Credentials) -> Result<Self, Failure> {
        let client = Client::new(&credentials).map_err(|error| told(&path, error))?;
        Ok(Self { client, credentials, path })
    }

    /// The failure for an error, with what only the session knows.
    pub(crate) fn fail(&self, error: Error) -> Failure {
        let url = self.client.url();
        let path = self.path.display();
        match error {
            Error::Unreachable => {
                Failure::local(Local::Unreachable, format_args!("nobody answers at {url}"))
                    .help(format!("Start the node with `notrace serve`, or check `url` in {path}."))
            }
            Error::CertificateChanged { .. } => Failure::from(error).help(format!(
                "If the node was made anew, put its new client.toml at {path}; \
                 if not, somebody stands in between."
            )),
            error => Failure::from(error),
        }
    }
}

/// The credentials and the file they are in.
pub(crate) fn find() -> Result<(PathBuf, Credentials), Failure> {
    let path = locate(named())?;
    let mut credentials = credentials::read(&path).map_err(|error| told(&path, error))?;
    if let Some(url) = other_url() {
        credentials.url = url;
    }
    Ok((path, credentials))
}

#[expect(clippy::disallowed_methods, reason = "the one variable that clients are told to set")]
fn named() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[expect(clippy::disallowed_methods, reason = "the other variable that clients may set")]
fn other_url() -> Option<String> {
    std::env::var(URL).ok().filter(|url| !url.is_empty())
}

fn locate(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let default = Path::new(DEFAULT);
    match named {
        Some(path) => Ok(path),
        None if default.is_file() => Ok(default.to_owned()),
        None => {
            let cause = format!("{VARIABLE} is not set and {DEFAULT} is not there");
            Err(Failure::local(Local::CredentialsMissing, cause))
        }
    }
}

fn told(path: &Path, error: Error) -> Failure {
    let failure = Failure::from(error);
    let cause = format!("{}: {}", path.display(), failure.cause);
    match failure.code {
        "credentials_malformed" if !path.exists() => {
            Failure::local(Local::CredentialsMissing, format!("{} is not there", path.display()))
        }
        _ => Failure { cause, ..failure },
    }
}

#[cfg(test)]
mod credentials_that_are_missing {
    use super::*;

    #[test]
    fn are_asked_for_by_name() {
        let failure = told(Path::new("./nowhere/client.toml"), Error::CredentialsMalformed("x"));
        assert_eq!(failure.code, "credentials_missing");
        assert!(failure.cause.contains("./nowhere/client.toml"));
        assert!(failure.remedy.contains("NOTRACE_CONFIG"));
    }

    #[test]
    fn are_looked_for_where_the_variable_says_and_nowhere_else() {
        let path = PathBuf::from("/elsewhere/client.toml");
        assert_eq!(locate(Some(path.clone())).ok(), Some(path));
    }
}
