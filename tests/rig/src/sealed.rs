//! Requests sealed to a node, over connections of ours.

use anyhow::{Context as _, Result, anyhow};
use bytes::Bytes;
use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::note::VerifierKey;
use notrace_policy_promise::release::Sizes;
use notrace_sdk_seal::{Binding, Content, Draw, RequestKey, RunKeys, seal_request};
use notrace_sdk_wire::node::NodeDescription;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::link::Link;
use crate::node::Node;

/// The header of a sealed request.
pub const SEALED: (&str, &str) = ("content-type", notrace_sdk_wire::run::SEALED_MEDIA_TYPE);

/// What requests to a node are sealed with.
#[derive(Clone)]
pub struct Sealer {
    key: RequestKey,
    sizes: Sizes,
}

impl Sealer {
    /// Asks the node for its key, and checks who signed it.
    ///
    /// # Errors  It has none, or one that is not to be believed.
    pub async fn of(node: &Node) -> Result<Self> {
        let mut link = node.link().await?;
        Self::through(&mut link, &node.credentials.ledger_vkey).await
    }

    /// The same over this connection.
    ///
    /// # Errors  As [`Sealer::of`].
    pub async fn through(link: &mut Link, vkey: &str) -> Result<Self> {
        let node = link.ask_ok("GET", "/v1/node", &[], Bytes::new()).await?;
        let node: NodeDescription = serde_json::from_slice(&node)?;
        let note = node.request_key.context("a request key")?.note;
        let signer: VerifierKey = vkey.parse().map_err(|_| anyhow!("the ledger's key"))?;
        let key = RequestKey::open(&note, &[signer], 0, 0)?;
        Ok(Self { key, sizes: Sizes::Powers })
    }

    /// The same with something else about the key, such as another promise.
    #[must_use]
    pub fn but(mut self, change: impl FnOnce(&mut RequestKey)) -> Self {
        change(&mut self.key);
        self
    }

    /// The same, filling requests up to other lengths.
    #[must_use]
    pub fn sizes(self, sizes: Sizes) -> Self {
        Self { sizes, ..self }
    }

    /// Seals a request, and keeps what opens its answer.
    ///
    /// # Errors  It is more than a request may be.
    pub fn seal(
        &self,
        task: Digest,
        objects: &[ObjectName],
        args: &[&str],
        input: &[u8],
    ) -> Result<(Bytes, RunKeys)> {
        let (mut ephemeral, mut nonce) = ([0; 32], [0; 32]);
        let random = SystemRandom::new();
        let drawn = random.fill(&mut ephemeral).and_then(|()| random.fill(&mut nonce));
        drawn.map_err(|_| anyhow!("no randomness"))?;
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let binding = Binding { task, promise: self.key.promise, objects };
        let draw = Draw { ephemeral: ephemeral.into(), nonce };
        let content = Content { args: &args, input, sizes: self.sizes };
        let (sealed, keys) = seal_request(&self.key, &binding, &content, &draw)?;
        Ok((sealed.into(), keys))
    }
}

/// The task that a path to run one names.
///
/// # Errors  It names none by its digest.
pub fn task_of(path: &str) -> Result<Digest> {
    let digest = path.split('/').find_map(|part| part.parse().ok());
    digest.context("a path with a digest")
}
