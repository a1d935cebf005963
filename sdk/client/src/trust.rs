//! Who is on the other end: one authority, TLS 1.3, and a memory of why it was refused.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use notrace_sdk_wire::Credentials;
use ring::digest::{SHA256, digest};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::error::{Error, Unfit};

/// The SHA-256 of a certificate in DER. Prints as `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of this certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(digest(&SHA256, certificate).as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

impl Fingerprint {
    /// Its bytes.
    pub(crate) fn bytes(&self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The verifier of webpki, with a memory. An HTTP library between us and TLS turns every refusal
/// into "cannot connect"; a changed certificate must not be mistaken for a node that is down.
#[derive(Debug)]
pub(crate) struct Pinned {
    webpki: Arc<WebPkiServerVerifier>,
    authority: Fingerprint,
    refused: Mutex<Option<Finding>>,
}

#[derive(Clone, Copy, Debug)]
enum Finding {
    Changed(Fingerprint),
    Unfit(Fingerprint, Unfit),
}

impl Pinned {
    /// Why the last certificate was refused, if one was since this was last asked.
    pub(crate) fn take_refusal(&self) -> Option<Error> {
        let finding = self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(match finding {
            Finding::Changed(shown) => {
                Error::CertificateChanged { expected: self.authority, shown }
            }
            Finding::Unfit(shown, reason) => Error::CertificateUnfit { shown, reason },
        })
    }

    fn remember(&self, shown: Fingerprint, error: &rustls::Error) {
        let finding = match error {
            rustls::Error::InvalidCertificate(error) => match error {
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    Finding::Changed(shown)
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    Finding::Unfit(shown, Unfit::Expired)
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    Finding::Unfit(shown, Unfit::NotYetValid)
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => {
                    Finding::Unfit(shown, Unfit::OtherName)
                }
                _ => Finding::Unfit(shown, Unfit::Otherwise),
            },
            _ => Finding::Unfit(shown, Unfit::Otherwise),
        };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(finding);
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let checked = self.webpki.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        if let Err(error) = &checked {
            self.remember(Fingerprint::of(end_entity), error);
        }
        checked
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // The configuration offers TLS 1.3 alone, so no handshake comes here.
        Err(rustls::Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOfferedOrEnabled))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// The client side of TLS for these credentials: their authority, TLS 1.3, their certificate.
/// # Errors  [`Error::CredentialsMalformed`] if a certificate or key is not one.
pub(crate) fn config(credentials: &Credentials) -> Result<(ClientConfig, Arc<Pinned>), Error> {
    let malformed = Error::CredentialsMalformed;
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let authority = CertificateDer::from_pem_slice(credentials.ca_pem.as_bytes())
        .map_err(|_| malformed("`ca_pem` is not a certificate"))?;
    let fingerprint = Fingerprint::of(&authority);
    let mut roots = RootCertStore::empty();
    roots.add(authority).map_err(|_| malformed("`ca_pem` is not an authority's certificate"))?;
    let webpki =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|_| malformed("`ca_pem` is not an authority's certificate"))?;
    let pinned = Arc::new(Pinned { webpki, authority: fingerprint, refused: Mutex::new(None) });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| malformed("TLS 1.3 is not available"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&pinned) as Arc<dyn ServerCertVerifier>);
    let mut config = if credentials.certificate_pem.is_empty() {
        builder.with_no_client_auth()
    } else {
        let chain = CertificateDer::pem_slice_iter(credentials.certificate_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| malformed("`certificate_pem` is not a certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(credentials.key_pem.as_bytes())
            .map_err(|_| malformed("`key_pem` is not a key"))?;
        builder
            .with_client_auth_cert(chain, key)
            .map_err(|_| malformed("`key_pem` is not the key of `certificate_pem`"))?
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A ticket would be a trace of this session in the next one.
    config.resumption = rustls::client::Resumption::disabled();
    Ok((config, pinned))
}
