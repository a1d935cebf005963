//! Pools.

use notrace_policy_promise::name::PoolName;
use notrace_sdk_wire::object::ShredReceipt;
use notrace_sdk_wire::path::POOLS;
use notrace_sdk_wire::pool::{Pool, PoolList, PoolSpec};
use reqwest::Method;

use crate::call::Call;
use crate::client::Client;
use crate::deed::Deed;
use crate::error::Error;

impl Client {
    /// Creates a pool.
    /// # Errors  `pool_exists` if there is one with other settings.
    pub async fn pool_create(&self, name: &PoolName, spec: &PoolSpec) -> Result<Pool, Error> {
        let call = Call::to(Deed::CreatePool, Method::PUT, format!("{POOLS}/{name}"))?;
        self.ask(&call.json(spec)?).await
    }

    /// Every pool this client may see.
    /// # Errors  As any call.
    pub async fn pools(&self) -> Result<Vec<Pool>, Error> {
        self.ask::<PoolList>(&Call::get(POOLS)).await.map(|list| list.pools)
    }

    /// One pool.
    /// # Errors  `pool_unknown`.
    pub async fn pool(&self, name: &PoolName) -> Result<Pool, Error> {
        self.ask(&Call::get(format!("{POOLS}/{name}"))).await
    }

    /// Destroys the keys of everything in a pool.
    /// # Errors  `pool_unknown`.
    /// # Cancel  The node may have shredded it all the same.
    pub async fn pool_shred(&self, name: &PoolName) -> Result<ShredReceipt, Error> {
        let path = format!("{POOLS}/{name}?shred=true");
        self.ask(&Call::to(Deed::Shred, Method::DELETE, path)?).await
    }
}
