//! The node: the one place where rules, store, workers and ledger meet, and the only one that may
//! speak of what it does.
//!
//! Reading order: [`Config`] and [`Identity`] are what a node is told and who it is; [`Node`]
//! starts and stops; `keys` and `values` keep the store ciphertext; `objects` and `pools` are the
//! store as clients see it; `tasks` what can be run; `request` is a run's life on one screen,
//! `request_keys` what requests are sealed to;
//! `ledger` proves it; `posture` and `promise` say what holds on this host and what is promised.
#![forbid(unsafe_code)]

#[cfg(feature = "planted-leaks")]
pub mod leak;
pub use notrace_runtime_worker::planted;

mod limits;

mod config;
mod files;
pub mod group;
mod identity;

mod certificate;

mod node;
mod start_error;

mod keys;
mod values;

mod find;
mod objects;
mod pool_keys;
mod pools;

mod watching;

mod progress;
mod tasks;

mod request;
mod request_keys;
mod rules;

pub mod ledger;

mod posture;
mod promise;
mod telemetry;

mod clock;
mod stack;

mod refusal;

pub use certificate::Validity;
pub use config::{
    Carrier, CarrierWord, Cluster, Config, ConfigError, Provider, Strictness, TaskBounds, Workers,
};
pub use identity::{Identity, IdentityError, OwnerCredentials, TlsIdentity};
pub use ledger::ReceiptId;
pub use node::{Node, ReceiptState};
pub use notrace_store_objects::{HistoryEntry, PoolInfo};
pub use notrace_store_protocol::machine::Place;
pub use objects::{Got, SessionKey, Stored, TransactOp};
pub use pools::Shredded;
pub use posture::{Mitigation, MitigationState};
pub use progress::Progress;
pub use promise::SignedPromise;
pub use refusal::Refusal;
pub use request::{Body, Call, Reply};
pub use request_keys::AnnouncedKey;
pub use stack::wipe_unused_stack;
pub use start_error::{StartError, ToChange};
pub use tasks::{TaskAbout, TaskInfo, TaskRef, TaskState, Upload, Uploaded};
pub use telemetry::{Answered, Route, Says};
pub use watching::{Changed, Watching};

/// Who may do what, as the front asks it.
pub mod leave {
    pub use crate::rules::{Need, RulesNow};
    pub use notrace_policy_rules::limits::RULES_BYTES_MAX;
    pub use notrace_policy_rules::set::{OnNode, OnPool};
    pub use notrace_policy_rules::{Authenticated, Denied, Principal};
}

/// What the store's calls take and give.
pub mod store {
    pub use notrace_store_objects::{
        At, Change, ChangeKind, Condition, Consistency, Kept, PoolSpec, Retain, Transport,
    };
    pub use notrace_store_protocol::ids;
    pub use notrace_store_protocol::machine::Durability;
    pub use notrace_store_protocol::time::Hlc;
}

/// What a sealed request may be, and why it is none.
pub mod sealed {
    pub use notrace_sdk_seal::SealError;
    pub use notrace_sdk_seal::limits::SEALED_REQUEST_BYTES_MAX;
}

/// Why a module or a run was refused.
pub mod task {
    pub use crate::refusal::trap;
    pub use notrace_runtime_worker::{Refused, Resource, TrapKind};
}
