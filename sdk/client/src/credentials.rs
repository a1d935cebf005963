//! Reads the file that lets a client in.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use notrace_sdk_wire::Credentials;

use crate::error::Error;
use crate::limits::CREDENTIALS_BYTES_MAX;

/// Reads `client.toml` as a node wrote it.
/// # Errors  [`Error::CredentialsUnreadable`], [`Error::CredentialsMalformed`].
pub fn read(path: &Path) -> Result<Credentials, Error> {
    let unreadable = |error: std::io::Error| Error::CredentialsUnreadable(error.kind());
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    let read = file.take(CREDENTIALS_BYTES_MAX + 1).read_to_string(&mut text);
    if read.map_err(unreadable)? as u64 > CREDENTIALS_BYTES_MAX {
        return Err(Error::CredentialsMalformed("it is larger than any node writes"));
    }
    parse(&text)
}

/// Reads the text of a `client.toml`.
/// # Errors  [`Error::CredentialsMalformed`]; never says what the file holds.
pub fn parse(text: &str) -> Result<Credentials, Error> {
    let malformed = Error::CredentialsMalformed;
    let credentials: Credentials = toml::from_str(text)
        .map_err(|_| malformed("it is not TOML with the fields a node writes"))?;
    for url in std::iter::once(&credentials.url).chain(&credentials.members) {
        if !url.starts_with("https://") {
            return Err(malformed("`url` and each of `members` must start with https://"));
        }
        if url.trim_end_matches('/').matches('/').count() != 2 {
            return Err(malformed("`url` is a scheme, a host and a port, without a path"));
        }
    }
    Ok(credentials)
}

#[cfg(test)]
mod a_credentials_file {
    use super::*;

    const GOOD: &str = "url = 'https://127.0.0.1:7443'\nca_pem = ''\ntoken = 't'\n\
        certificate_pem = ''\nkey_pem = ''\nledger_vkey = ''\nledger_origin = ''\n";

    #[test]
    fn is_read_whole_or_not_at_all() {
        assert_eq!(parse(GOOD).ok().unwrap().url, "https://127.0.0.1:7443");
        let others = format!("{GOOD}members = ['https://127.0.0.1:7444']\n");
        assert_eq!(parse(&others).ok().unwrap().members, ["https://127.0.0.1:7444"]);
        for bad in [
            "",
            &GOOD.replace("https", "http"),
            &GOOD.replace("7443", "7443/v1"),
            &GOOD.replace("token = 't'\n", ""),
            &format!("{GOOD}tokn = 'x'\n"),
            &format!("{GOOD}members = ['https://127.0.0.1:7444', '127.0.0.1:7445']\n"),
        ] {
            assert!(matches!(parse(bad), Err(Error::CredentialsMalformed(_))), "{bad}");
        }
    }

    #[test]
    fn that_is_damaged_is_not_repeated_in_the_error() {
        let error = parse("token = nt_secret").err().unwrap().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
