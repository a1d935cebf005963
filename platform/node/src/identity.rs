//! Who the node is: its certificate authority, its signing keys and its owner's credentials.
//!
//! The authority's key is what clients trust; the certificate that TLS shows is issued anew at
//! every start, for the names of that start, and its key is never written.

use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notrace_policy_promise::digest::{Digest, Domain};
use notrace_store_fabric::tcp::TcpIdentity;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, date_time_ymd,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::certificate::Validity;
use crate::files;
use crate::limits::KEY_FILE_BYTES_MAX;

/// The keys of a node, made at first start and read at every later one.
pub struct Identity {
    dir: PathBuf,
    authority_pem: String,
    authority: Issuer<'static, KeyPair>,
    member: KeyPair,
    ledger_seed: Zeroizing<[u8; 32]>,
    cache_key: Zeroizing<[u8; 32]>,
    owner_token: Option<Digest>,
}

/// What TLS shows: a certificate chain and its key, in PEM.
pub struct TlsIdentity {
    /// The node's certificate.
    pub certificate_pem: String,
    /// The key, PKCS#8.
    pub key_pem: Zeroizing<String>,
    /// How long they are good.
    pub validity: Validity,
}

/// What the owner authenticates with. Known to the node only while it hands them out.
pub struct OwnerCredentials {
    /// The bearer token.
    pub token: Zeroizing<String>,
    /// The client certificate, in PEM.
    pub certificate_pem: String,
    /// Its key, PKCS#8 in PEM.
    pub key_pem: Zeroizing<String>,
}

/// Why a node has no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A key file cannot be read or written.
    #[error("the node's keys cannot be {verb} ({kind}); check the folder's rights and space")]
    Files {
        /// What was attempted.
        verb: &'static str,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// A key file is not what it was when it was written.
    #[error("a key file below the node's folder is damaged; restore it or begin a new folder")]
    Damaged,
    /// The system gave no random bytes, or a certificate could not be made.
    #[error("no key or certificate could be made")]
    NoCrypto,
}

impl Identity {
    /// Reads the identity below `dir`, making what is not there yet.
    /// # Errors  [`IdentityError`]
    pub fn open(dir: &Path) -> Result<Self, IdentityError> {
        files::make_private_dir(dir).map_err(failed("made"))?;
        let authority_key = read_or_make(&dir.join("authority.key"), || {
            let pair = KeyPair::generate().map_err(|_| IdentityError::NoCrypto)?;
            Ok(Zeroizing::new(pair.serialize_pem().into_bytes()))
        })?;
        let key = core::str::from_utf8(&authority_key).map_err(|_| IdentityError::Damaged)?;
        let key = KeyPair::from_pem(key).map_err(|_| IdentityError::Damaged)?;
        let certificate = read_or_make(&dir.join("authority.pem"), || {
            let made = authority_params().self_signed(&key);
            let made = made.map_err(|_| IdentityError::NoCrypto)?;
            Ok(Zeroizing::new(made.pem().into_bytes()))
        })?;
        let authority_pem =
            String::from_utf8(certificate.to_vec()).map_err(|_| IdentityError::Damaged)?;
        Ok(Self {
            dir: dir.to_owned(),
            authority_pem,
            authority: Issuer::new(authority_params(), key),
            member: member_key(dir)?,
            ledger_seed: read_or_draw(&dir.join("ledger.key"))?,
            cache_key: read_or_draw(&dir.join("cache.key"))?,
            owner_token: read_token(&dir.join("owner.token"))?,
        })
    }

    /// The authority's certificate: what a client needs to trust this node.
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// The authority's key, PKCS#8 in PEM: for a new member of the group, and for nobody else.
    pub(crate) fn authority_key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.authority.key().serialize_pem())
    }

    /// What stands for the owner's token.
    pub(crate) fn owner_digest(&self) -> Option<Digest> {
        self.owner_token
    }

    /// Writes down, below `dir`, authority, owner and ledger key of a group that this node joins.
    /// # Errors  [`IdentityError`]
    pub(crate) fn adopt(
        dir: &Path,
        (authority_pem, authority_key_pem): (&str, &str),
        owner: &str,
        ledger_seed: &[u8; 32],
    ) -> Result<(), IdentityError> {
        KeyPair::from_pem(authority_key_pem).map_err(|_| IdentityError::Damaged)?;
        let owner: Digest = owner.parse().map_err(|_| IdentityError::Damaged)?;
        let files = [
            ("authority.key", authority_key_pem.to_owned()),
            ("authority.pem", authority_pem.to_owned()),
            ("owner.token", owner.to_string()),
        ];
        for (name, text) in files {
            let text = Zeroizing::new(text);
            let written = files::write_private(&dir.join(name), text.as_bytes());
            written.map_err(failed("written"))?;
        }
        let written = files::write_private(&dir.join("ledger.key"), ledger_seed);
        written.map_err(failed("written"))?;
        Ok(())
    }

    /// The digest of the public key that this node is known by in its group.
    pub(crate) fn member_key(&self) -> [u8; 32] {
        spki_digest(&self.member)
    }

    /// The same of the node that is to live in this folder, before it has an identity.
    /// # Errors  [`IdentityError`]
    pub(crate) fn member_key_below(dir: &Path) -> Result<[u8; 32], IdentityError> {
        files::make_private_dir(dir).map_err(failed("made"))?;
        Ok(spki_digest(&member_key(dir)?))
    }

    /// What this node shows other nodes of its group: a certificate for its name, issued for this
    /// start, and the key that it is known by.
    /// # Errors  [`IdentityError::NoCrypto`]
    pub(crate) fn fabric(&self, name: &str, group: &str) -> Result<TcpIdentity, IdentityError> {
        let no_crypto = |_| IdentityError::NoCrypto;
        let mut params =
            CertificateParams::new(vec![name.to_owned()]).map_err(|_| IdentityError::NoCrypto)?;
        params.distinguished_name.push(DnType::CommonName, "notrace member");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&self.member, &self.authority);
        let certificate = certificate.map_err(|_| IdentityError::NoCrypto)?;
        let authority = CertificateDer::from_pem_slice(self.authority_pem.as_bytes());
        let key = PrivateKeyDer::try_from(self.member.serialize_der());
        Ok(TcpIdentity {
            certificates: vec![certificate.der().clone()],
            key: key.map_err(|_| IdentityError::NoCrypto)?,
            authority: authority.map_err(no_crypto)?,
            group: group.to_owned(),
        })
    }

    /// The seed of the ledger's signing key.
    pub fn ledger_seed(&self) -> &[u8; 32] {
        &self.ledger_seed
    }

    /// The key that authenticates compiled code on disk.
    pub fn cache_key(&self) -> &[u8; 32] {
        &self.cache_key
    }

    /// Whether the owner has been given credentials.
    pub fn has_owner(&self) -> bool {
        self.owner_token.is_some()
    }

    /// Whether `token` is the owner's, and if so a digest that stands for it.
    pub fn owner_of_token(&self, token: &str) -> Option<Digest> {
        // Digests of a random 32-byte token: how far two of them agree tells nothing of the token.
        let shown = token_digest(token);
        (self.owner_token == Some(shown)).then_some(shown)
    }

    /// A certificate for TLS on these addresses and names, good for this long.
    /// # Errors  [`IdentityError::NoCrypto`] if a name cannot stand in a certificate.
    pub fn tls(
        &self,
        addresses: &[IpAddr],
        names: &[String],
        validity: Validity,
    ) -> Result<TlsIdentity, IdentityError> {
        let names: Vec<String> = ["localhost", "127.0.0.1", "::1"]
            .into_iter()
            .map(str::to_owned)
            .chain(addresses.iter().map(IpAddr::to_string))
            .chain(names.iter().cloned())
            .collect();
        let usage = ExtendedKeyUsagePurpose::ServerAuth;
        let issued = self.issue("notrace node", names, usage, Some(validity));
        let (certificate_pem, key_pem) = issued?;
        Ok(TlsIdentity { certificate_pem, key_pem, validity })
    }

    /// Makes the owner's credentials and hands them to `keep`; only when `keep` has them safe does
    /// the node accept them. A crash in between makes new ones at the next start.
    /// # Errors  [`IdentityError`]; the node then has no owner yet.
    pub fn make_owner<E>(
        &mut self,
        keep: impl FnOnce(&OwnerCredentials) -> Result<(), E>,
    ) -> Result<Result<(), E>, IdentityError> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill(&mut *bytes)?;
        // Room for all of it at once, so that growing leaves no copies of the token behind.
        let mut token = Zeroizing::new(String::with_capacity(3 + 2 * bytes.len()));
        token.push_str("nt_");
        for byte in bytes.iter() {
            // A string takes every byte; there is nothing that could fail.
            let _ = write!(token, "{byte:02x}");
        }
        let usage = ExtendedKeyUsagePurpose::ClientAuth;
        let (certificate_pem, key_pem) = self.issue("notrace owner", Vec::new(), usage, None)?;
        let credentials = OwnerCredentials { token, certificate_pem, key_pem };
        if let Err(error) = keep(&credentials) {
            return Ok(Err(error));
        }
        let digest = token_digest(&credentials.token);
        let stored = digest.to_string();
        files::write_private(&self.dir.join("owner.token"), stored.as_bytes())
            .map_err(failed("written"))?;
        self.owner_token = Some(digest);
        Ok(Ok(()))
    }

    fn issue(
        &self,
        name: &str,
        names: Vec<String>,
        usage: ExtendedKeyUsagePurpose,
        validity: Option<Validity>,
    ) -> Result<(String, Zeroizing<String>), IdentityError> {
        let mut params = CertificateParams::new(names).map_err(|_| IdentityError::NoCrypto)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        if let Some(Validity { from_unix_s, until_unix_s }) = validity {
            let epoch = date_time_ymd(1970, 1, 1);
            params.not_before = epoch + Duration::from_secs(from_unix_s);
            params.not_after = epoch + Duration::from_secs(until_unix_s);
        }
        let key = KeyPair::generate().map_err(|_| IdentityError::NoCrypto)?;
        let certificate =
            params.signed_by(&key, &self.authority).map_err(|_| IdentityError::NoCrypto)?;
        Ok((certificate.pem(), Zeroizing::new(key.serialize_pem())))
    }
}

/// Fills `bytes` from the system's random source.
/// # Errors  [`IdentityError::NoCrypto`]
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), IdentityError> {
    SystemRandom::new().fill(bytes).map_err(|_| IdentityError::NoCrypto)
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "notrace authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params
}

fn token_digest(token: &str) -> Digest {
    Digest::of_parts(Domain::Session, &[b"owner token\0", token.as_bytes()])
}

fn read_token(path: &Path) -> Result<Option<Digest>, IdentityError> {
    match files::read_bounded(path, KEY_FILE_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read")(error)),
        Ok(bytes) => {
            let text = core::str::from_utf8(&bytes).map_err(|_| IdentityError::Damaged)?;
            text.parse().map(Some).map_err(|_| IdentityError::Damaged)
        }
    }
}

fn read_or_draw(path: &Path) -> Result<Zeroizing<[u8; 32]>, IdentityError> {
    let bytes = read_or_make(path, || {
        let mut drawn = Zeroizing::new(vec![0; 32]);
        fill(&mut drawn)?;
        Ok(drawn)
    })?;
    let array: [u8; 32] = bytes.as_slice().try_into().map_err(|_| IdentityError::Damaged)?;
    Ok(Zeroizing::new(array))
}

/// The key pair that a node is known by in its group: its own, and no other node's ever.
fn member_key(dir: &Path) -> Result<KeyPair, IdentityError> {
    let pem = read_or_make(&dir.join("member.key"), || {
        let pair = KeyPair::generate().map_err(|_| IdentityError::NoCrypto)?;
        Ok(Zeroizing::new(pair.serialize_pem().into_bytes()))
    })?;
    let pem = core::str::from_utf8(&pem).map_err(|_| IdentityError::Damaged)?;
    KeyPair::from_pem(pem).map_err(|_| IdentityError::Damaged)
}

/// As the other end of a link finds it in the certificate.
fn spki_digest(pair: &KeyPair) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, &pair.subject_public_key_info());
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

fn read_or_make(
    path: &Path,
    make: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, IdentityError>,
) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    match files::read_bounded(path, KEY_FILE_BYTES_MAX) {
        Ok(bytes) => Ok(Zeroizing::new(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = make()?;
            files::write_private(path, &made).map_err(failed("written"))?;
            Ok(made)
        }
        Err(error) => Err(failed("read")(error)),
    }
}

fn failed(verb: &'static str) -> impl Fn(io::Error) -> IdentityError {
    move |error| IdentityError::Files { verb, kind: error.kind() }
}

#[cfg(test)]
mod an_identity {
    use super::*;

    #[test]
    fn is_the_same_after_a_restart_and_knows_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Identity::open(dir.path()).unwrap();
        assert!(!first.has_owner());
        let mut token = String::new();
        let kept = first.make_owner(|owner| {
            token = owner.token.to_string();
            Ok::<(), ()>(())
        });
        assert_eq!(kept.unwrap(), Ok(()));
        let again = Identity::open(dir.path()).unwrap();
        assert_eq!(again.authority_pem(), first.authority_pem());
        assert_eq!(again.ledger_seed(), first.ledger_seed());
        assert!(again.owner_of_token(&token).is_some());
        assert!(again.owner_of_token("nt_00").is_none());
    }

    #[test]
    fn accepts_no_credentials_that_were_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut identity = Identity::open(dir.path()).unwrap();
        assert_eq!(identity.make_owner(|_| Err(())).unwrap(), Err(()));
        assert!(!Identity::open(dir.path()).unwrap().has_owner());
    }

    #[test]
    fn refuses_a_damaged_key() {
        let dir = tempfile::tempdir().unwrap();
        drop(Identity::open(dir.path()).unwrap());
        std::fs::write(dir.path().join("cache.key"), b"short").unwrap();
        assert!(matches!(Identity::open(dir.path()), Err(IdentityError::Damaged)));
    }
}
