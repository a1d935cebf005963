//! The group that a node is in, and how a node comes to it.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use notrace_sdk_seal::{InviteKey, TOKEN_BYTES, WelcomeKey, same_proof};
pub use notrace_sdk_wire::cluster::MemberAddress;
use notrace_sdk_wire::cluster::{ClusterStatus, Invite, InviteAsk, JoinAsk, Welcome};
use notrace_sdk_wire::path::{CLUSTER, HEALTH};
use reqwest::Method;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

use crate::call::{Call, read_bounded, transport_error};
use crate::client::Client;
use crate::deed::Deed;
use crate::error::Error;
use crate::limits::{CONNECT_MAX, REPLY_BYTES_MAX, SILENCE_MAX};
use crate::trust::Fingerprint;

impl Client {
    /// The group as the node knows it.
    /// # Errors  As any call.
    pub async fn cluster(&self) -> Result<ClusterStatus, Error> {
        self.ask(&Call::look(CLUSTER)).await
    }

    /// A one-time token with which a node can join within so many seconds.
    /// # Errors  `not_a_cluster`, `no_majority`.
    pub async fn cluster_invite(&self, seconds: u64) -> Result<Invite, Error> {
        let call = Call::to(Deed::Invite, Method::POST, format!("{CLUSTER}/invites"))?;
        self.ask(&call.json(&InviteAsk { seconds })?).await
    }

    /// Lets the node leave its group for good. Returns once it is no member.
    /// # Errors  `not_a_cluster`, `no_majority`.
    /// # Cancel  The node may leave all the same.
    pub async fn cluster_leave(&self) -> Result<(), Error> {
        let call = Call::to(Deed::Leave, Method::POST, format!("{CLUSTER}/leave"))?;
        self.send(&call).await.map(drop)
    }
}

impl Client {
    /// Has the group forget a node that will not come back.
    /// # Errors  `node_unknown`, `member_present`, `not_a_cluster`, `no_majority`.
    /// # Cancel  The node may be forgotten all the same.
    pub async fn cluster_forget(&self, node: u32) -> Result<(), Error> {
        let call = Call::to(Deed::Forget, Method::DELETE, format!("{CLUSTER}/nodes/{node}"))?;
        self.send(&call).await.map(drop)
    }
}

/// What a node that joins says of itself.
pub struct Joiner {
    /// Where other members will find it, as `HOST:PORT`.
    pub address: String,
    /// Where clients will find it.
    pub url: String,
    /// SHA-256 of the public key with which it will prove to other members that it is itself.
    pub key: [u8; 32],
}

/// Joins the group of the node at `at`, as `HOST:PORT`, with a one-time token. The member is known
/// by nothing but that it knows the token too: both ends prove it, for this connection alone.
/// # Errors  `invite_unknown`; [`Error::NotUnderstood`] if the answer is not from somebody who
/// knows the token.
/// # Cancel  The token may be used up all the same.
pub async fn join(at: &str, token: &[u8; TOKEN_BYTES], joiner: &Joiner) -> Result<Welcome, Error> {
    let (http, seen) = stranger()?;
    let reached = http.get(format!("https://{at}{HEALTH}")).send().await;
    reached.map_err(|error| transport_error(&error))?;
    let certificate = seen.certificate().ok_or(Error::Unreachable)?;
    let mut nonce = [0; 32];
    SystemRandom::new().fill(&mut nonce).map_err(|_| Error::NoRandomness)?;
    let key = InviteKey::of(token);
    let mut ask = JoinAsk {
        invite: hex(&key.id()),
        nonce: hex(&nonce),
        proof: String::new(),
        key: hex(&joiner.key),
        address: joiner.address.clone(),
        url: joiner.url.clone(),
    };
    ask.proof = hex(&key.ask(&certificate, &nonce, &ask.wish()));
    let body = serde_json::to_vec(&ask).map_err(|_| Error::NotUnderstood("a wish to join"))?;
    let sent = http
        .post(format!("https://{at}{CLUSTER}/join"))
        .header(reqwest::header::CONTENT_TYPE, "application/json")
        .body(body)
        .send()
        .await
        .map_err(|error| transport_error(&error))?;
    let mut answer = crate::call::refused_or(sent).await?;
    let bytes = read_bounded(&mut answer, REPLY_BYTES_MAX).await?;
    let strange = Error::NotUnderstood("a welcome");
    let welcome: Welcome = serde_json::from_slice(&bytes).map_err(|_| strange)?;
    let proof = WelcomeKey::of(token).answer(&certificate, &nonce, &welcome.proved());
    let same = same_proof(&proof, &unhex(&welcome.proof));
    if same { Ok(welcome) } else { Err(Error::NotUnderstood("a welcome from the group")) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // A string takes every byte; there is nothing that could fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default();
    pairs.iter().map(|[high, low]| (digit(*high) << 4 | digit(*low)) as u8).collect()
}

/// A connection to somebody unknown, who is the same one throughout.
fn stranger() -> Result<(reqwest::Client, Arc<FirstSeen>), Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let seen = Arc::new(FirstSeen { provider: provider.clone(), first: Mutex::new(None) });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| Error::CredentialsMalformed("TLS 1.3 is not available"))?
        .dangerous()
        .with_custom_certificate_verifier(seen.clone() as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_MAX)
        .read_timeout(SILENCE_MAX)
        .build();
    let http = http.map_err(|_| Error::CredentialsMalformed("TLS is not available"))?;
    Ok((http, seen))
}

/// Takes any certificate the first time, and the same one ever after. What it is worth, the proofs
/// tell.
#[derive(Debug)]
struct FirstSeen {
    provider: Arc<CryptoProvider>,
    first: Mutex<Option<(Fingerprint, [u8; 32])>>,
}

impl FirstSeen {
    fn certificate(&self) -> Option<[u8; 32]> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).map(|(_, bytes)| bytes)
    }
}

impl ServerCertVerifier for FirstSeen {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = Fingerprint::of(end_entity);
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let known = *first.get_or_insert((shown, shown.bytes()));
        match known.0 == shown {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(rustls::CertificateError::ApplicationVerificationFailure.into()),
        }
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
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
