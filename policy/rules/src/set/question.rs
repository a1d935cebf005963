//! What a set of rules is asked: who, what, on what.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};
use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::label::Label;

/// What sort of principal somebody is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Sort {
    /// Somebody.
    Person,
    /// Something that was enrolled.
    Device,
}

/// Somebody or something that asks, as rules see it. Which names are well-formed is for whoever
/// enrols to say; here they only have to be the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Who {
    /// Person or device.
    pub sort: Sort,
    /// Its name.
    pub name: String,
    /// The groups it is in, at most [`GROUPS_MAX`](crate::limits::GROUPS_MAX).
    pub groups: Vec<String>,
    /// The person whose device it is.
    pub owner: Option<String>,
    /// The device that speaks for it.
    pub hub: Option<String>,
}

/// A pool, as rules see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolFacts<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its labels.
    pub labels: Vec<&'a Label>,
    /// Whether it takes sealed requests only.
    pub sealed: bool,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deed<'a> {
    /// Something with objects: all whose keys begin so for [`OnPool::List`], else this one.
    OnObject(OnPool, PoolFacts<'a>, &'a str),
    /// A task reads an object.
    Use(PoolFacts<'a>, &'a str, Digest),
    /// A task is run, by a sealed request or a plain one.
    Run(Digest, bool),
    /// An answer with this label goes out, sealed or in the clear.
    Receive(&'a Label, Digest, bool),
    /// A label is taken off an answer.
    Declassify(&'a Label, Digest),
    /// A pool is made.
    MakePool(PoolFacts<'a>),
    /// A pool is shredded.
    ShredPool(PoolFacts<'a>),
    /// Something of the whole node.
    OnNode(OnNode),
}

/// What can be done with objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnPool {
    /// Read an object, its metadata and history.
    Read,
    /// List or watch.
    List,
    /// Put or delete.
    Write,
    /// Destroy keys.
    Shred,
}

/// What can be done with a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnNode {
    /// List tasks and look at them.
    SeeTasks,
    /// Upload and name tasks.
    PushTask,
    /// Remove tasks.
    RemoveTask,
    /// Enrol, list and revoke.
    ManageDevices,
    /// Push and see rules.
    ManageRules,
    /// Members, counts, posture.
    ManageNode,
}

/// Who wants to do what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question<'a> {
    /// Who.
    pub who: &'a Who,
    /// What.
    pub deed: Deed<'a>,
}

impl OnPool {
    /// As it is spelt in rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
            Self::Shred => "shred",
        }
    }
}

impl OnNode {
    /// Every one there is.
    pub const ALL: [Self; 6] = [
        Self::SeeTasks,
        Self::PushTask,
        Self::RemoveTask,
        Self::ManageDevices,
        Self::ManageRules,
        Self::ManageNode,
    ];

    /// As it is spelt in rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SeeTasks => "see_tasks",
            Self::PushTask => "push_task",
            Self::RemoveTask => "remove_task",
            Self::ManageDevices => "manage_devices",
            Self::ManageRules => "manage_rules",
            Self::ManageNode => "manage_node",
        }
    }
}

impl Sort {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "Person",
            Self::Device => "Device",
        }
    }
}

impl Deed<'_> {
    /// As it is spelt in rules.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::OnObject(what, ..) => what.as_str(),
            Self::Use(..) => "use",
            Self::Run(..) => "run",
            Self::Receive(..) => "receive",
            Self::Declassify(..) => "declassify",
            Self::MakePool(_) => "make_pool",
            Self::ShredPool(_) => "shred_pool",
            Self::OnNode(what) => what.as_str(),
        }
    }
}

/// The language would not take what we say; nothing a caller does leads here.
pub(super) struct Unspeakable;

impl Question<'_> {
    /// The question in the rules' language.
    pub(super) fn spoken(&self) -> Result<(Request, Entities), Unspeakable> {
        let principal = self.who.entity()?;
        let action = named("Action", self.deed.as_str())?;
        let (resource, context) = self.deed.spoken()?;
        let context = Context::from_pairs(context).map_err(|_| Unspeakable)?;
        let ids = (principal.uid(), action, resource.uid());
        let request = Request::new(ids.0, ids.1, ids.2, context, None).map_err(|_| Unspeakable)?;
        let entities = Entities::from_entities([principal, resource], None);
        Ok((request, entities.map_err(|_| Unspeakable)?))
    }
}

impl Who {
    /// The node's owner, whom everybody with the owner's credentials is.
    pub fn owner() -> Self {
        let (groups, owner, hub) = (Vec::new(), None, None);
        Self { sort: Sort::Person, name: "owner".to_owned(), groups, owner, hub }
    }

    fn entity(&self) -> Result<Entity, Unspeakable> {
        let groups = self.groups.iter().map(|group| named("Group", group));
        let attribute = |key: &str, sort: &str, name: &Option<String>| {
            let value = named(sort, name.as_deref()?).ok()?;
            Some((key.to_owned(), RestrictedExpression::new_entity_uid(value)))
        };
        let attributes =
            [attribute("owner", "Person", &self.owner), attribute("hub", "Device", &self.hub)];
        let attributes = attributes.into_iter().flatten().collect();
        let id = named(self.sort.as_str(), &self.name)?;
        Entity::new(id, attributes, groups.collect::<Result<_, _>>()?).map_err(|_| Unspeakable)
    }
}

type Said = (String, RestrictedExpression);

impl Deed<'_> {
    /// What it is done to, and under which circumstances.
    fn spoken(&self) -> Result<(Entity, Vec<Said>), Unspeakable> {
        let key = |key: &str| said("key", RestrictedExpression::new_string(key.to_owned()));
        let sealed = |sealed| said("sealed", RestrictedExpression::new_bool(sealed));
        let running = |task: &Digest| {
            let task = named("Task", &task.to_string())?;
            Ok(said("task", RestrictedExpression::new_entity_uid(task)))
        };
        Ok(match self {
            Self::OnObject(_, pool, name) => (pool.entity()?, vec![key(name)]),
            Self::Use(pool, name, task) => (pool.entity()?, vec![key(name), running(task)?]),
            Self::Run(task, how) => (bare("Task", &task.to_string())?, vec![sealed(*how)]),
            Self::Receive(label, task, how) => {
                (bare("Label", label.as_str())?, vec![running(task)?, sealed(*how)])
            }
            Self::Declassify(label, task) => (bare("Label", label.as_str())?, vec![running(task)?]),
            Self::MakePool(pool) | Self::ShredPool(pool) => (pool.entity()?, Vec::new()),
            Self::OnNode(_) => (bare("Node", "node")?, Vec::new()),
        })
    }
}

impl PoolFacts<'_> {
    fn entity(&self) -> Result<Entity, Unspeakable> {
        let label = |label: &&Label| {
            Ok(RestrictedExpression::new_entity_uid(named("Label", label.as_str())?))
        };
        let labels = self.labels.iter().map(label).collect::<Result<Vec<_>, _>>()?;
        let attributes = HashMap::from([
            said("labels", RestrictedExpression::new_set(labels)),
            said("sealed", RestrictedExpression::new_bool(self.sealed)),
        ]);
        Entity::new(named("Pool", self.name)?, attributes, HashSet::new()).map_err(|_| Unspeakable)
    }
}

fn said(key: &str, value: RestrictedExpression) -> Said {
    (key.to_owned(), value)
}

fn bare(sort: &str, name: &str) -> Result<Entity, Unspeakable> {
    Ok(Entity::new_no_attrs(named(sort, name)?, HashSet::new()))
}

fn named(sort: &str, name: &str) -> Result<EntityUid, Unspeakable> {
    let sort: EntityTypeName = sort.parse().map_err(|_| Unspeakable)?;
    Ok(EntityUid::from_type_name_and_id(sort, EntityId::new(name)))
}
