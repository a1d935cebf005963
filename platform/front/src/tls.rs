//! TLS 1.3 and nothing older, with an optional client certificate.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use rustls::{RootCertStore, crypto::ring};

use notrace_platform_node::planted;

use crate::shown::Shown;

/// TLS could not be set up from what the node gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the node's certificate or key does not fit TLS")]
pub(crate) struct BadTls;

/// The server side of TLS: shows a certificate, accepts client certificates that the authority
/// issued, and asks for none.
///
/// Sessions are neither kept nor handed out as tickets: what would make the next handshake cheap
/// is a trace of this one.
/// # Errors  [`BadTls`]
pub(crate) fn server_config(
    authority_pem: &str,
    shown: Arc<Shown>,
) -> Result<ServerConfig, BadTls> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate(authority_pem)?).map_err(|_| BadTls)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|_| BadTls)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| BadTls)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    planted!(7, config.key_log = Arc::new(crate::leak::SecretsFile));
    Ok(config)
}

fn certificate(pem: &str) -> Result<CertificateDer<'static>, BadTls> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| BadTls)
}
