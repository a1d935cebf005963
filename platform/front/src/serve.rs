//! A node behind its HTTP edge, from start to drained.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use notrace_platform_node::group::has_left;
use notrace_platform_node::{
    Carrier, CarrierWord, Config, ConfigError, Identity, IdentityError, Node, Provider, Refusal,
    StartError, Validity,
};
use notrace_policy_promise::cohosting::Cohosting;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use crate::accept::accept_until;
use crate::credentials::{self, CredentialsError};
use crate::limits::INVITE_AGAIN;
use crate::shown::Shown;
use crate::upkeep::Upkeep;
use crate::{routes, tls};

/// How many invitations are read from a folder.
const INVITES_MAX: usize = 64;
/// How long they are good.
const INVITE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What `serve` is told.
pub struct ServeOptions {
    /// The folder that holds everything the node keeps.
    pub dir: PathBuf,
    /// The configuration file, if there is one.
    pub config: Option<PathBuf>,
    /// Where to listen, over what the file says.
    pub listen: Option<SocketAddr>,
    /// Refuse to serve when a required fence is missing, whatever the file says.
    pub strict: bool,
    /// Whose runs may be on the same hardware, over what the configuration says.
    pub cohosting: Option<Cohosting>,
    /// Where to listen for other nodes, over what the file says.
    pub cluster: Option<SocketAddr>,
    /// What carries what nodes tell each other, and which of libfabric's providers, over what the
    /// file says of both.
    pub fabric: Option<CarrierWord>,
    /// See `fabric`.
    pub provider: Option<Provider>,
    /// What other nodes are told instead of that.
    pub advertise: Option<String>,
    /// Into how many shards a group that this node founds divides its keys.
    pub shards: Option<u16>,
    /// How many nodes hold each of them.
    pub copies: Option<u16>,
    /// A folder of tokens, one in each file, with each of which one node can join the group that
    /// this node founds.
    pub invites: Option<PathBuf>,
    /// The program to run workers with: this one.
    pub exe: PathBuf,
}

/// What a node that accepts connections says of itself.
pub struct Banner {
    /// Where it listens, as in `https://127.0.0.1:7443`.
    pub url: String,
    /// Where the client's credentials are.
    pub credentials: PathBuf,
    /// Where the ledger's files are.
    pub ledger: PathBuf,
    /// Where it listens for other nodes, and how many members there are; nothing for a node alone.
    pub cluster: Option<(String, u32)>,
    /// Where its key lives: 0 is software.
    pub trust_level: u8,
    /// How many mitigations hold.
    pub mitigations_on: usize,
    /// How many there are.
    pub mitigations: usize,
    /// The names of required fences that this host does not give.
    pub missing: Vec<String>,
}

/// Why a node does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is at fault.
    #[error("{0}")]
    Config(ConfigError),
    /// The node's keys are at fault.
    #[error("{0}")]
    Identity(IdentityError),
    /// The client's credentials could not be written or read.
    #[error("{0}")]
    Credentials(CredentialsError),
    /// The node could not start, or ended by itself.
    #[error("{0}")]
    Start(StartError),
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on ({kind}); choose another with --listen")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// It was told to end a second time while it drained.
    #[error("the node was told twice to end; what was under way is cut off")]
    CutShort,
    /// The system gave no signals or no TLS.
    #[error("the node could not set up {0}")]
    Setup(&'static str),
}

/// Serves until SIGTERM or SIGINT, then drains; a second one ends it at once. `ready` is called
/// once connections are accepted.
/// # Errors  [`ServeError`]; nothing was served then, except of [`ServeError::CutShort`] and
/// [`StartError::Failed`].
/// # Cancel  Dropping the future cuts off what is open; nothing acknowledged is lost.
pub async fn serve(options: ServeOptions, ready: impl FnOnce(&Banner)) -> Result<(), ServeError> {
    let mut config = configure(&options).map_err(ServeError::Config)?;
    let signals = Signals::listen()?;
    let listener = TcpListener::bind(config.listen).await;
    let listener = listener
        .map_err(|error| ServeError::Listen { address: config.listen, kind: error.kind() })?;
    let address = listener.local_addr().map_err(|_| ServeError::Setup("its address"))?;
    if has_left(&config.dir) {
        return Err(ServeError::Start(StartError::LeftItsGroup));
    }
    let mut identity = Identity::open(&config.dir.join("keys")).map_err(ServeError::Identity)?;
    let tls = identity.tls(&[address.ip()], &config.names, Validity::from_now());
    let shown = Shown::new(&tls.map_err(ServeError::Identity)?);
    let shown = Arc::new(shown.map_err(|_| ServeError::Setup("TLS"))?);
    let tls_config = tls::server_config(identity.authority_pem(), shown.clone())
        .map_err(|_| ServeError::Setup("TLS"))?;
    let url = url_of(address);
    config.url = url_for_others(&config, address).unwrap_or_else(|| url.clone());
    let credentials_path = config.dir.join(credentials::FILE);
    let ledger = config.dir.join("ledger");
    let drain = |node: Node| async move { node.drain().await };
    credentials::make_if_first(&mut identity, &credentials_path, &url)
        .map_err(ServeError::Credentials)?;
    let node = Node::start(config, identity, options.exe).await.map_err(ServeError::Start)?;
    let kept = credentials::refresh(&credentials_path, &url, &node);
    if let Err(error) = kept {
        drain(node).await;
        return Err(ServeError::Credentials(error));
    }
    let router = routes::router(node.clone(), shown.clone(), credentials_path.as_path().into());
    let (upkept, credentials) = (node.clone(), credentials_path.clone());
    let upkeep =
        Upkeep { node: upkept, address: address.ip(), url: url.clone(), credentials, shown };
    let (stopping, told) = (node.clone(), node.clone());
    let stop = async move { stopping.drains().await };
    let tls = TlsAcceptor::from(Arc::new(tls_config));
    let mut serving = std::pin::pin!(accept_until(listener, tls, router, stop));
    // Connections are accepted at once, so that a node that waits for others of its group says so.
    let begin = async {
        node.become_ready().await.map_err(ServeError::Start)?;
        invite_all(&node, options.invites.as_deref()).await?;
        upkeep.look();
        tokio::spawn(upkeep.go_on());
        ready(&banner(&node, url, credentials_path, ledger));
        Ok(())
    };
    let whole = async {
        let begun = tokio::select! {
            begun = begin => Some(begun),
            () = &mut serving => None,
        };
        if let Some(begun) = &begun {
            if begun.is_err() {
                node.stop_taking();
            }
            serving.await;
        }
        drain(node.clone()).await;
        let failed = node.failure().map(|why| ServeError::Start(StartError::Failed(why)));
        begun.unwrap_or(Ok(())).and(failed.map_or(Ok(()), Err))
    };
    tokio::select! {
        ended = whole => ended,
        () = signals.twice(&told) => Err(ServeError::CutShort),
    }
}

/// The two signals that end a node.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, ServeError> {
        let listen = |kind| signal(kind).map_err(|_| ServeError::Setup("signals"));
        let terminate = listen(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Lets the node drain at the first signal, and resolves at the second.
    async fn twice(mut self, node: &Node) {
        self.next().await;
        node.stop_taking();
        self.next().await;
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn configure(options: &ServeOptions) -> Result<Config, ConfigError> {
    let mut config = match &options.config {
        Some(path) => Config::read(&options.dir, path)?,
        None => Config::new(&options.dir),
    };
    config.listen = options.listen.unwrap_or(config.listen);
    if let Some(listen) = options.cluster {
        let told = config.cluster.take();
        config.cluster = Some(notrace_platform_node::Cluster {
            listen,
            ..told.unwrap_or_else(|| notrace_platform_node::Cluster::at(listen))
        });
    }
    if let Some(cluster) = &mut config.cluster {
        if options.fabric.is_some() {
            cluster.carrier = Carrier::of(options.fabric, options.provider)?;
        }
        cluster.advertise = options.advertise.clone().or(cluster.advertise.take());
        cluster.shards = options.shards.or(cluster.shards);
        cluster.copies = options.copies.or(cluster.copies);
        cluster.told()?;
    }
    config.workers.cohosting = options.cohosting.unwrap_or(config.workers.cohosting);
    if options.strict {
        config.strictness = notrace_platform_node::Strictness::Refuse;
    }
    Ok(config)
}

/// The address as a client on this machine reaches it.
fn url_of(address: SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!("https://localhost:{}", address.port()),
        false => format!("https://{address}"),
    }
}

/// The address as clients elsewhere reach it, where the node listens on all of the host's and other
/// nodes are told its name.
fn url_for_others(config: &Config, address: SocketAddr) -> Option<String> {
    let advertised = config.cluster.as_ref()?.advertise.as_ref()?;
    let (host, _) = advertised.rsplit_once(':')?;
    address.ip().is_unspecified().then(|| format!("https://{host}:{}", address.port()))
}

fn banner(node: &Node, url: String, credentials: PathBuf, ledger: PathBuf) -> Banner {
    let posture = node.posture();
    Banner {
        url,
        credentials,
        ledger,
        cluster: node.cluster_address().map(|address| (address, node.members())),
        trust_level: node.trust_level(),
        mitigations_on: posture.iter().filter(|mitigation| mitigation.is_on()).count(),
        mitigations: posture.len(),
        missing: posture
            .iter()
            .filter(|mitigation| mitigation.required && !mitigation.is_on())
            .map(|mitigation| mitigation.name.to_owned())
            .collect(),
    }
}

/// Registers every token of a folder. A start after one that was cut short goes on; a token that
/// was used or ran out stays what it is.
async fn invite_all(node: &Node, folder: Option<&Path>) -> Result<(), ServeError> {
    let Some(folder) = folder else { return Ok(()) };
    let unfit = || ServeError::Setup("its invitations: each file of the folder has one token");
    let files = std::fs::read_dir(folder).map_err(|_| unfit())?;
    for file in files.take(INVITES_MAX) {
        let path = file.map_err(|_| unfit())?.path();
        if !path.is_file() {
            continue;
        }
        let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(|_| unfit())?);
        let token = URL_SAFE_NO_PAD.decode(text.trim()).map(Zeroizing::new);
        let token = token.map_err(|_| unfit())?;
        let token = token.as_slice().try_into().map_err(|_| unfit())?;
        invite_one(node, token).await.map_err(|_| unfit())?;
    }
    Ok(())
}

/// Registers one of them, as often as it takes while others of the group come and go.
async fn invite_one(node: &Node, token: &[u8; 32]) -> Result<(), Refusal> {
    loop {
        match node.admit_token(token, INVITE_MAX).await {
            // One that was used or ran out stays what it is.
            Ok(_) | Err(Refusal::InviteUnknown) => return Ok(()),
            Err(Refusal::NoMajority | Refusal::Unavailable | Refusal::OutcomeUnknown) => {
                tokio::time::sleep(INVITE_AGAIN).await;
            }
            Err(refusal) => return Err(refusal),
        }
    }
}
