//! Who this node is and whom it believes: members have certificates of one authority, and each
//! stands for one name within the group.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    PeerIncompatible, RootCertStore, ServerConfig, SignatureScheme,
};

use super::{ALPN, TcpError};
use crate::limits::NAME_BYTES_MAX;

/// What a node proves itself with.
pub struct TcpIdentity {
    /// Its certificate, and those between it and the authority's. The first name in the first one
    /// is `NAME.GROUP`. It is good for servers and for clients.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// The one authority that is believed.
    pub authority: CertificateDer<'static>,
    /// What follows the name and a dot in each member's certificate.
    pub group: String,
}

/// The same, ready for use.
pub(super) struct Trust {
    pub(super) accepting: Arc<ServerConfig>,
    pub(super) dialling: Arc<ClientConfig>,
    /// What a dialled node is called before it said so. It is not sent.
    pub(super) anybody: ServerName<'static>,
    pub(super) group: Group,
}

impl Trust {
    pub(super) fn new(identity: TcpIdentity) -> Result<Self, TcpError> {
        let TcpIdentity { certificates, key, authority, group } = identity;
        let anybody = ServerName::try_from(group.clone()).map_err(|_| TcpError::Group)?;
        let group = Group(group);
        let own = certificates.first().and_then(|own| group.name_in(own));
        own.ok_or(TcpError::Certificate)?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority).map_err(|_| TcpError::Authority)?;
        let roots = Arc::new(roots);
        let members =
            Members::new(roots, &provider, group.clone()).map_err(|_| TcpError::Authority)?;
        let members = Arc::new(members);

        let mut accepting = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|_| TcpError::Key)?
            .with_client_cert_verifier(members.clone())
            .with_single_cert(certificates.clone(), key.clone_key())
            .map_err(|_| TcpError::Key)?;
        accepting.alpn_protocols = vec![ALPN.to_vec()];
        // Every link proves anew who is there.
        accepting.send_tls13_tickets = 0;
        accepting.session_storage = Arc::new(NoServerSessionStorage {});

        let mut dialling = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|_| TcpError::Key)?
            .dangerous()
            .with_custom_certificate_verifier(members)
            .with_client_auth_cert(certificates, key)
            .map_err(|_| TcpError::Key)?;
        dialling.alpn_protocols = vec![ALPN.to_vec()];
        dialling.resumption = Resumption::disabled();
        dialling.enable_sni = false;
        Ok(Self { accepting: Arc::new(accepting), dialling: Arc::new(dialling), anybody, group })
    }
}

/// A group by its name.
#[derive(Clone, Debug)]
pub(super) struct Group(String);

impl Group {
    /// The member whose certificate this is, by the first name in it: one label, then the group.
    pub(super) fn name_in(&self, certificate: &CertificateDer<'_>) -> Option<String> {
        let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
        let first = certificate.valid_dns_names().next()?;
        let name = first.strip_suffix(self.0.as_str())?.strip_suffix('.')?;
        let one = !name.is_empty() && !name.contains(['.', '*']) && name.len() <= NAME_BYTES_MAX;
        one.then(|| name.to_owned())
    }

    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let stranger = || Error::InvalidCertificate(CertificateError::NotValidForName);
        self.name_in(certificate).map(drop).ok_or_else(stranger)
    }
}

/// The digest of the public key in a certificate.
pub(super) fn key_in(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let key = certificate.subject_public_key_info();
    let digest = ring::digest::digest(&ring::digest::SHA256, &key);
    digest.as_ref().first_chunk().copied()
}

/// Believes members of the group, whichever they are. The chain is for webpki to judge.
#[derive(Debug)]
struct Members {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    clients: Arc<dyn ClientCertVerifier>,
    group: Group,
}

impl Members {
    fn new(
        roots: Arc<RootCertStore>,
        provider: &Arc<CryptoProvider>,
        group: Group,
    ) -> Result<Self, rustls::server::VerifierBuilderError> {
        let clients =
            WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build()?;
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { roots, algorithms, clients, group })
    }
}

const TOO_OLD: Error = Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon);

impl ServerCertVerifier for Members {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _anybody: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, between, now, algorithms)?;
        self.group.check(certificate)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(TOO_OLD)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Members {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.clients.verify_client_cert(certificate, between, now)?;
        self.group.check(certificate)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(TOO_OLD)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.supported_verify_schemes()
    }
}
