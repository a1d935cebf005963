//! The certificate that TLS shows, which another replaces now and then.

use std::sync::{Arc, PoisonError, RwLock};

use notrace_platform_node::{TlsIdentity, Validity};
use notrace_policy_promise::digest::{Digest, Domain};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::tls::BadTls;

/// What is shown from now on. Connections that stand keep what they were shown.
#[derive(Debug)]
pub(crate) struct Shown(RwLock<One>);

#[derive(Debug)]
struct One {
    key: Arc<CertifiedKey>,
    digest: Digest,
    validity: Validity,
}

impl Shown {
    /// This one.
    /// # Errors  [`BadTls`]
    pub(crate) fn new(tls: &TlsIdentity) -> Result<Self, BadTls> {
        One::of(tls).map(RwLock::new).map(Self)
    }

    /// This one instead.
    /// # Errors  [`BadTls`]; the old one stays.
    pub(crate) fn replace(&self, tls: &TlsIdentity) -> Result<(), BadTls> {
        let one = One::of(tls)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = one;
        Ok(())
    }

    /// Its SHA-256.
    pub(crate) fn digest(&self) -> Digest {
        self.0.read().unwrap_or_else(PoisonError::into_inner).digest
    }

    /// The same in hexadecimal.
    pub(crate) fn fingerprint(&self) -> String {
        let text = self.digest().to_string();
        text.strip_prefix("sha256:").unwrap_or_default().to_owned()
    }

    /// How long it is good.
    pub(crate) fn validity(&self) -> Validity {
        self.0.read().unwrap_or_else(PoisonError::into_inner).validity
    }
}

impl One {
    fn of(tls: &TlsIdentity) -> Result<Self, BadTls> {
        let leaf = CertificateDer::from_pem_slice(tls.certificate_pem.as_bytes());
        let leaf = leaf.map_err(|_| BadTls)?;
        // The domain without a prefix: what every other tool calls a certificate's fingerprint.
        let digest = Digest::of(Domain::Module, &leaf);
        let key = PrivateKeyDer::from_pem_slice(tls.key_pem.as_bytes()).map_err(|_| BadTls)?;
        let key = CertifiedKey::from_der(vec![leaf], key, &ring::default_provider());
        Ok(Self { key: Arc::new(key.map_err(|_| BadTls)?), digest, validity: tls.validity })
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).key.clone())
    }
}

#[cfg(test)]
mod what_is_shown {
    use notrace_platform_node::Identity;

    use super::*;

    #[test]
    fn is_replaced_while_it_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::open(dir.path()).unwrap();
        let issued = || identity.tls(&[], &[], Validity::from_now()).unwrap();
        let shown = Shown::new(&issued()).unwrap();
        let before = (shown.digest(), shown.fingerprint());
        shown.replace(&issued()).unwrap();
        assert_ne!(shown.digest(), before.0);
        assert_ne!(shown.fingerprint(), before.1);
        assert_eq!(shown.fingerprint().len(), 64);
        let now = shown.digest();
        let TlsIdentity { certificate_pem, validity, .. } = issued();
        let broken = TlsIdentity { certificate_pem, key_pem: String::new().into(), validity };
        assert_eq!(shown.replace(&broken), Err(BadTls));
        assert_eq!(shown.digest(), now, "the old one stays");
    }
}
