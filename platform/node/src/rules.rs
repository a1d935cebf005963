//! The rules in force: an object in a pool of the platform's own, so that changes to them are
//! ordered, replicated, versioned and sealed as any other; and what they say of a request.

use std::sync::RwLock;

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::name::{ObjectKey, ObjectName, PoolName};
use notrace_policy_promise::private::Private;
use notrace_policy_rules::limits::RULES_BYTES_MAX;
use notrace_policy_rules::set::{Deed, OnNode, OnPool, PoolFacts, RuleSet};
use notrace_policy_rules::{Principal, Rules};
use notrace_store_objects::{At, Condition, Missing, PoolSpec};
use notrace_store_protocol::ids::Version;
use notrace_store_protocol::machine::Place;

use crate::node::Node;
use crate::refusal::Refusal;

/// What somebody wants to do, by names. What the rules need to know of pools is looked up.
#[derive(Clone, Copy)]
pub enum Need<'a> {
    /// Something with one object.
    Object(OnPool, &'a ObjectName),
    /// Something with all objects of a pool whose keys begin so.
    Prefix(OnPool, &'a PoolName, &'a str),
    /// Make a pool.
    MakePool(&'a PoolName, &'a PoolSpec),
    /// Shred a pool.
    ShredPool(&'a PoolName),
    /// Run a task, by a sealed request or a plain one.
    Run(Digest, bool),
    /// Something of the node as a whole.
    Node(OnNode),
}

/// Rules that somebody pushed, or those that a node begins with.
pub struct RulesNow {
    /// The rules.
    pub rules: Rules,
    /// Where they stand; nothing for those that a node begins with.
    pub place: Option<Place>,
}

/// The rules as they were last read, and of which version they are.
#[derive(Default)]
pub(crate) struct LastRead(RwLock<Option<(Version, Rules)>>);

pub(crate) fn rules_pool() -> PoolName {
    PoolName::reserved("rules")
}

fn rules_object() -> Result<ObjectName, Refusal> {
    let key: ObjectKey = "rules".parse().map_err(|_| Refusal::Internal("naming its rules"))?;
    Ok(ObjectName { pool: rules_pool(), key })
}

impl Node {
    /// Whether `principal` may do this, by the rules as this node has them now. Under the rules of
    /// one owner nothing is looked up.
    /// # Errors  [`Refusal::Denied`]; what there is to know of the rules in force.
    pub fn permit(&self, principal: &Principal, need: Need<'_>) -> Result<(), Refusal> {
        let rules = self.rules()?;
        let (mut label, mut sealed) = (None, false);
        let pool = match need {
            Need::Object(_, ObjectName { pool, .. })
            | Need::Prefix(_, pool, _)
            | Need::ShredPool(pool) => {
                // A pool that is not there has no label, so whoever may do nothing with such does
                // not learn whether it is.
                let known = self.store().read(|objects| objects.pool(pool));
                (label, sealed) = known.map_or((None, false), |known| {
                    let sealed = known.spec.sealed_only();
                    (known.spec.label, sealed)
                });
                Some(pool)
            }
            Need::MakePool(pool, spec) => {
                (label, sealed) = (spec.label.clone(), spec.sealed_only());
                Some(pool)
            }
            Need::Run(..) | Need::Node(_) => None,
        };
        let pool = PoolFacts {
            name: pool.map_or("", PoolName::as_str),
            labels: label.iter().collect(),
            sealed,
        };
        let deed = match need {
            Need::Object(what, name) => Deed::OnObject(what, pool, name.key.as_str()),
            Need::Prefix(what, _, prefix) => Deed::OnObject(what, pool, prefix),
            Need::ShredPool(_) => Deed::ShredPool(pool),
            Need::MakePool(..) => Deed::MakePool(pool),
            Need::Run(task, sealed) => Deed::Run(task, sealed),
            Need::Node(what) => Deed::OnNode(what),
        };
        Ok(rules.permit(principal, deed)?)
    }

    /// The rules in force, as this node has them now: a change is in force here as soon as it is
    /// applied here.
    /// # Errors  They cannot be read; then nothing is permitted.
    pub(crate) fn rules(&self) -> Result<Rules, Refusal> {
        let name = rules_object()?;
        let version =
            self.store().read(|objects| match objects.get(&name.pool, &name.key, At::Latest) {
                Ok(found) => Ok(Some(found.version)),
                Err(Missing::PoolUnknown | Missing::ObjectUnknown) => Ok(None),
                Err(_) => Err(Refusal::Internal("looking for its rules")),
            })?;
        let Some(version) = version else { return Ok(Rules::of_one_owner()) };
        let last = self.last_rules().0.read().map_err(|_| Refusal::Internal("its rules"))?;
        if let Some((of, rules)) = &*last
            && *of == version
        {
            return Ok(rules.clone());
        }
        drop(last);
        let got = self.get_here(&name, At::Latest)?;
        let rules = read(&got.value)?;
        let mut last = self.last_rules().0.write().map_err(|_| Refusal::Internal("its rules"))?;
        *last = Some((got.place.version, rules.clone()));
        Ok(rules)
    }

    /// The rules that are in force, or were at `at`.
    /// # Errors  [`Refusal::ObjectUnknown`] for a version that is not there.
    /// # Cancel  Dropping the future changes nothing.
    pub async fn rules_at(&self, at: At) -> Result<RulesNow, Refusal> {
        match self.get(&rules_object()?, at).await {
            Ok(got) => Ok(RulesNow { rules: read(&got.value)?, place: Some(got.place) }),
            Err(Refusal::ObjectUnknown | Refusal::PoolUnknown) if at == At::Latest => {
                Ok(RulesNow { rules: Rules::of_one_owner(), place: None })
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// Puts rules in force: on all disks of the group when this returns, in force at each member
    /// as soon as it applies them. Runs under way end under the rules they began under; whether
    /// their answers may go out, the new ones say.
    /// # Errors  [`Refusal::RulesMalformed`], [`Refusal::LockedOut`],
    /// [`Refusal::VersionMismatch`]; nothing was changed.
    /// # Cancel  Dropping the future abandons the answer, not the change.
    pub async fn push_rules(&self, text: &str, condition: Condition) -> Result<RulesNow, Refusal> {
        if text.len() > RULES_BYTES_MAX {
            let most = RULES_BYTES_MAX as u64;
            return Err(Refusal::TooMuch { what: "rules' size in bytes", most });
        }
        let set = tokio::task::block_in_place(|| RuleSet::parse(text)).map_err(|mistakes| {
            Refusal::RulesMalformed { place: mistakes.into_iter().find_map(|it| it.place) }
        })?;
        let rules = Rules::written(set).map_err(Refusal::LockedOut)?;
        let value = Private::new(text.as_bytes().to_vec());
        let stored = self.put(&rules_object()?, value, condition, None).await?;
        Ok(RulesNow { rules, place: Some(stored.place) })
    }
}

/// What is stored was checked when it was pushed; a later build that reads it otherwise permits
/// nothing.
fn read(value: &Private<Vec<u8>>) -> Result<Rules, Refusal> {
    let unreadable = || Refusal::Internal("reading its rules");
    let text = value.reveal(|bytes| String::from_utf8(bytes.clone()));
    let set = RuleSet::parse(&text.map_err(|_| unreadable())?).map_err(|_| unreadable())?;
    Rules::written(set).map_err(|_| unreadable())
}
