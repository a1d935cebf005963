//! What a node does for its clients now and then: a fresh certificate before the old one runs out,
//! and credentials that name the members there are.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use notrace_platform_node::Node;

use crate::credentials;
use crate::limits::UPKEEP_EVERY;
use crate::shown::Shown;

/// What is kept up.
pub(crate) struct Upkeep {
    pub(crate) node: Node,
    /// Where clients come to.
    pub(crate) address: IpAddr,
    /// The same as they spell it.
    pub(crate) url: String,
    /// Where the owner's credentials are.
    pub(crate) credentials: PathBuf,
    pub(crate) shown: Arc<Shown>,
}

impl Upkeep {
    /// Looks after all of it until the node drains. What cannot be done now is tried again.
    pub(crate) async fn go_on(self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(UPKEEP_EVERY) => self.look(),
                () = self.node.drains() => return,
            }
        }
    }

    /// Looks after it once.
    pub(crate) fn look(&self) {
        if let Ok(Some(tls)) = self.node.renewed(self.shown.validity(), self.address) {
            let _ = self.shown.replace(&tls);
        }
        let _ = credentials::refresh(&self.credentials, &self.url, &self.node);
    }
}
