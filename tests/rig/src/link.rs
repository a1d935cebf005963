//! One keep-alive HTTP/1.1 connection, with TLS or without.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::KeyLog;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A TLS 1.3 stream to `authority`, trusting `ca_pem` alone.
///
/// # Errors  There is no connection.
pub async fn connect(authority: &str, ca_pem: &str) -> Result<TlsStream<TcpStream>> {
    connect_telling(authority, ca_pem, Arc::new(rustls::NoKeyLog)).await
}

/// The same, telling `secrets` what the connection is encrypted with.
///
/// # Errors  There is no connection.
pub async fn connect_telling(
    authority: &str,
    ca_pem: &str,
    secrets: Arc<dyn KeyLog>,
) -> Result<TlsStream<TcpStream>> {
    connected(authority, ca_pem, None, secrets).await
}

/// The same for a client who shows a certificate, given as PEM with its key.
///
/// # Errors  There is no connection.
pub async fn connect_as(
    authority: &str,
    ca_pem: &str,
    own: Option<(&str, &str)>,
) -> Result<TlsStream<TcpStream>> {
    connected(authority, ca_pem, own, Arc::new(rustls::NoKeyLog)).await
}

async fn connected(
    authority: &str,
    ca_pem: &str,
    own: Option<(&str, &str)>,
    secrets: Arc<dyn KeyLog>,
) -> Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots);
    let mut config = match own {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())?;
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
            config.with_client_auth_cert(vec![certificate], key)?
        }
    };
    config.key_log = secrets;
    let stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("127.0.0.1")?;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
}

/// A connection that one request after another goes over.
pub struct Link {
    send: SendRequest<Full<Bytes>>,
    authority: String,
    token: Option<String>,
}

impl Link {
    /// Connects with TLS, trusting `ca_pem` alone.
    ///
    /// # Errors  There is no connection.
    pub async fn tls(authority: &str, ca_pem: &str, token: Option<&str>) -> Result<Self> {
        Self::over(connect(authority, ca_pem).await?, authority, token).await
    }

    /// Speaks over a stream to `authority`.
    ///
    /// # Errors  It is closed.
    pub async fn over(
        stream: TlsStream<TcpStream>,
        authority: &str,
        token: Option<&str>,
    ) -> Result<Self> {
        let (send, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let token = token.map(str::to_owned);
        Ok(Self { send, authority: authority.to_owned(), token })
    }

    /// Connects without TLS.
    pub async fn plain(authority: &str) -> Result<Self> {
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let (send, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { send, authority: authority.to_owned(), token: None })
    }

    /// Sends one request and reads its answer whole.
    pub async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response<Bytes>> {
        self.send.ready().await?;
        let mut request =
            Request::builder().method(method).uri(path).header("host", &self.authority);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.send.send_request(request.body(Full::new(body))?).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.context("reading an answer")?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }

    /// The same, for answers that must be of success.
    pub async fn ask_ok(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Bytes> {
        let response = self.ask(method, path, headers, body).await?;
        let status = response.status();
        let text = || String::from_utf8_lossy(response.body()).into_owned();
        ensure!(status.is_success(), "{method} {path} was answered {status}: {}", text());
        Ok(response.into_body())
    }
}
