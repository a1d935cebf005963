//! How long the certificate that clients are shown is good, and when another takes its place.
//!
//! It is issued at every start and its key is never written, so most never grow old. A process that
//! runs for months issues another while a third of the time is left, and nobody has to do anything.

use std::net::IpAddr;
use std::time::Duration;

use crate::clock;
use crate::identity::{IdentityError, TlsIdentity};
use crate::limits::{CERTIFICATE_MAX, CLOCKS_APART_MAX};
use crate::node::Node;

/// From when until when a certificate is good, in seconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validity {
    pub(crate) from_unix_s: u64,
    pub(crate) until_unix_s: u64,
}

impl Validity {
    /// That of a certificate issued at this time. It begins a little earlier, because the clocks of
    /// clients are not all right.
    pub(crate) const fn of_one_issued_at(now_unix_s: u64) -> Self {
        Self {
            from_unix_s: now_unix_s.saturating_sub(CLOCKS_APART_MAX.as_secs()),
            until_unix_s: now_unix_s.saturating_add(CERTIFICATE_MAX.as_secs()),
        }
    }

    /// That of a certificate issued now.
    pub fn from_now() -> Self {
        Self::of_one_issued_at(clock::unix_micros() / 1_000_000)
    }

    /// Whether another should take its place: less than a third of it is left, or it has not begun,
    /// which is so only if this host's clock was set back.
    pub(crate) const fn is_due_at(self, now_unix_s: u64) -> bool {
        let whole = self.until_unix_s.saturating_sub(self.from_unix_s);
        now_unix_s < self.from_unix_s || self.until_unix_s.saturating_sub(now_unix_s) < whole / 3
    }
}

impl Node {
    /// A certificate for clients that come to this address, if the one of this validity should not
    /// be shown for longer.
    /// # Errors  [`IdentityError::NoCrypto`]; the old one is to be shown until another try.
    pub fn renewed(
        &self,
        shown: Validity,
        address: IpAddr,
    ) -> Result<Option<TlsIdentity>, IdentityError> {
        let now_unix_s = clock::unix_micros() / 1_000_000;
        if !shown.is_due_at(now_unix_s) {
            return Ok(None);
        }
        let validity = Validity::of_one_issued_at(now_unix_s);
        self.identity().tls(&[address], &self.config().names, validity).map(Some)
    }
}

const _: () = assert!(
    CERTIFICATE_MAX.as_secs() > 30 * CLOCKS_APART_MAX.as_secs(),
    "what clocks may be apart is little of what a certificate is good for"
);
const _: () = assert!(
    CERTIFICATE_MAX.as_secs() / 3 > Duration::from_secs(24 * 60 * 60).as_secs(),
    "a certificate that is looked at once a day is renewed in time"
);

#[cfg(test)]
mod a_certificate {
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{CertificateError, RootCertStore};

    use super::*;
    use crate::identity::Identity;

    const NOW: u64 = 1_795_000_000;
    const DAY: u64 = 24 * 60 * 60;

    #[test]
    fn is_renewed_while_a_third_of_its_time_is_left() {
        let validity = Validity::of_one_issued_at(NOW);
        let whole = validity.until_unix_s - validity.from_unix_s;
        assert!(!validity.is_due_at(NOW));
        assert!(!validity.is_due_at(validity.until_unix_s - whole / 3));
        assert!(validity.is_due_at(validity.until_unix_s - whole / 3 + 1));
        assert!(validity.is_due_at(validity.until_unix_s + DAY));
        // Looked at once a day, it never runs out.
        let mut shown = validity;
        for day in 0..1000 {
            let now = NOW + day * DAY;
            if shown.is_due_at(now) {
                shown = Validity::of_one_issued_at(now);
            }
            assert!((shown.from_unix_s..shown.until_unix_s).contains(&(now + DAY)), "{day}");
        }
    }

    #[test]
    fn is_renewed_when_the_clock_was_set_back_behind_it() {
        assert!(Validity::of_one_issued_at(NOW).is_due_at(NOW - 2 * DAY));
        assert!(!Validity::of_one_issued_at(NOW).is_due_at(NOW - 60));
    }

    #[test]
    fn says_itself_how_long_it_is_good() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::open(dir.path()).unwrap();
        let validity = Validity::of_one_issued_at(NOW);
        let tls = identity.tls(&[], &[], validity).unwrap();
        let pem = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(pem(identity.authority_pem())).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
        let verifier = verifier.build().unwrap();
        let leaf = pem(&tls.certificate_pem);
        let name = ServerName::try_from("localhost").unwrap();
        let at = |unix_s: u64| {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(unix_s));
            match verifier.verify_server_cert(&leaf, &[], &name, &[], time) {
                Ok(_) => None,
                Err(rustls::Error::InvalidCertificate(error)) => Some(error),
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(at(validity.from_unix_s), None);
        assert_eq!(at(validity.until_unix_s), None);
        let late = at(validity.until_unix_s + 1);
        assert!(matches!(late, Some(CertificateError::ExpiredContext { .. })), "{late:?}");
        let early = at(validity.from_unix_s - 1);
        assert!(matches!(early, Some(CertificateError::NotValidYetContext { .. })), "{early:?}");
    }
}
