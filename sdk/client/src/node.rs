//! What a node says of itself.

use notrace_policy_promise::ledger::tile::Tile;
use notrace_sdk_wire::node::{Health, NodeDescription, SignedPromise};
use notrace_sdk_wire::path::{CHECKPOINT, HEALTH, LEDGER, METRICS, NODE, PROMISE};

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;

impl Client {
    /// Evidence, keys and posture.
    /// # Errors  As any call.
    pub async fn node(&self) -> Result<NodeDescription, Error> {
        self.ask(&Call::look(NODE)).await
    }

    /// Counts of what the node did, as Prometheus reads them.
    /// # Errors  `not_permitted`.
    pub async fn metrics(&self) -> Result<String, Error> {
        let reply = self.whole(&Call::get(METRICS)).await?;
        String::from_utf8(reply.body).map_err(|_| Error::NotUnderstood("its counts"))
    }

    /// The promise the node serves under, signed.
    /// # Errors  As any call.
    pub async fn promise(&self) -> Result<SignedPromise, Error> {
        self.ask(&Call::look(PROMISE)).await
    }

    /// Whether the node serves.
    /// # Errors  `unavailable` if it says that it does not.
    pub async fn health(&self) -> Result<Health, Error> {
        self.ask(&Call::look(HEALTH)).await
    }

    /// The ledger's latest checkpoint, a signed note.
    /// # Errors  As any call.
    pub async fn checkpoint(&self) -> Result<String, Error> {
        let reply = self.whole(&Call::get(CHECKPOINT)).await?;
        String::from_utf8(reply.body).map_err(|_| Error::NotUnderstood("a checkpoint"))
    }

    /// A tile of the ledger.
    /// # Errors  `not_found` for a tile that is not there.
    pub async fn tile(&self, tile: &Tile) -> Result<Vec<u8>, Error> {
        self.whole(&Call::get(format!("{LEDGER}/{tile}"))).await.map(|reply| reply.body)
    }
}
