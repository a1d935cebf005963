//! A file of questions: who and what there is, who wants what, and what the rules must say.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use notrace_policy_promise::digest::Digest;
use notrace_policy_promise::label::Label;
use notrace_policy_promise::name::{ObjectKey, PoolName};
use notrace_policy_rules::limits::GROUPS_MAX;
use notrace_policy_rules::set::{Deed, OnNode, OnPool, PoolFacts, Question, Sort, Who};
use serde::Deserialize;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Questions {
    #[serde(default)]
    people: BTreeMap<String, Principal>,
    #[serde(default)]
    devices: BTreeMap<String, Principal>,
    #[serde(default)]
    pools: BTreeMap<String, Pool>,
    #[serde(default)]
    tasks: BTreeMap<String, Text<Digest>>,
    #[serde(default)]
    questions: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Principal {
    #[serde(default)]
    groups: Vec<String>,
    owner: Option<String>,
    hub: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pool {
    #[serde(default)]
    labels: Vec<Text<Label>>,
    #[serde(default)]
    sealed: bool,
}

/// Something that is written as text.
#[derive(Deserialize)]
#[serde(try_from = "String", bound = "T: FromStr, T::Err: Display")]
struct Text<T>(T);

impl<T: FromStr<Err: Display>> TryFrom<String> for Text<T> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error: T::Err| format!("\"{text}\": {error}"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The question in words.
    says: String,
    /// `device NAME` or `person NAME`.
    who: String,
    /// An action of the schema.
    does: String,
    /// `POOL/KEY`, a pool, a task's name above, a label; nothing for the node.
    to: Option<String>,
    /// The task that runs.
    task: Option<String>,
    /// Whether the request is sealed.
    #[serde(default)]
    sealed: bool,
    answer: Expected,
    /// The `@id` of a rule that must have decided.
    by: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Yes,
    No,
}

/// One question, ready to be asked.
pub(super) struct Ready<'a> {
    pub(super) says: String,
    pub(super) yes: bool,
    pub(super) by: Option<String>,
    who: Who,
    deed: Deed<'a>,
}

impl Ready<'_> {
    pub(super) fn question(&self) -> Question<'_> {
        Question { who: &self.who, deed: self.deed.clone() }
    }
}

impl Questions {
    /// All questions in their order.
    /// # Errors  Which of them asks for something that there is not, in words.
    pub(super) fn asked(&self) -> Result<Vec<Ready<'_>>, String> {
        let all = self.questions.iter().map(|written| {
            let said = |what: String| format!("\"{}\": {what}", written.says);
            Ok(Ready {
                says: written.says.clone(),
                yes: matches!(written.answer, Expected::Yes),
                by: written.by.clone(),
                who: self.who(&written.who).map_err(said)?,
                deed: self.deed(written).map_err(said)?,
            })
        });
        all.collect()
    }

    fn who(&self, text: &str) -> Result<Who, String> {
        let unknown = || format!("`who` is `device NAME` or `person NAME`, not \"{text}\"");
        let (sort, name) = text.split_once(' ').ok_or_else(unknown)?;
        let (sort, all) = match sort {
            "device" => (Sort::Device, &self.devices),
            "person" => (Sort::Person, &self.people),
            _ => return Err(unknown()),
        };
        let about = all.get(name).ok_or_else(|| format!("there is no {text} in this file"))?;
        if about.groups.len() > GROUPS_MAX {
            return Err(format!("{text} is in more than {GROUPS_MAX} groups"));
        }
        Ok(Who {
            sort,
            name: name.to_owned(),
            groups: about.groups.clone(),
            owner: about.owner.clone(),
            hub: about.hub.clone(),
        })
    }

    fn deed<'a>(&'a self, written: &'a Written) -> Result<Deed<'a>, String> {
        let to = || written.to.as_deref().ok_or("`to` is missing".to_owned());
        let task = || self.task(written.task.as_deref().ok_or("`task` is missing")?);
        let on_pool = [OnPool::Read, OnPool::List, OnPool::Write, OnPool::Shred];
        if let Some(what) = on_pool.into_iter().find(|what| what.as_str() == written.does) {
            let (pool, key) = self.object(to()?, what == OnPool::List)?;
            return Ok(Deed::OnObject(what, pool, key));
        }
        if let Some(what) = OnNode::ALL.into_iter().find(|what| what.as_str() == written.does) {
            return Ok(Deed::OnNode(what));
        }
        Ok(match written.does.as_str() {
            "use" => {
                let (pool, key) = self.object(to()?, false)?;
                Deed::Use(pool, key, task()?)
            }
            "run" => Deed::Run(self.task(to()?)?, written.sealed),
            "receive" => Deed::Receive(self.label(to()?)?, task()?, written.sealed),
            "declassify" => Deed::Declassify(self.label(to()?)?, task()?),
            "make_pool" => Deed::MakePool(self.pool(to()?)?),
            "shred_pool" => Deed::ShredPool(self.pool(to()?)?),
            other => return Err(format!("there is no action \"{other}\"")),
        })
    }

    fn object<'a>(
        &'a self,
        text: &'a str,
        may_be_empty: bool,
    ) -> Result<(PoolFacts<'a>, &'a str), String> {
        let (pool, key) = text.split_once('/').unwrap_or((text, ""));
        if !(may_be_empty && key.is_empty()) {
            key.parse::<ObjectKey>().map_err(|error| error.to_string())?;
        }
        Ok((self.pool(pool)?, key))
    }

    fn pool<'a>(&'a self, name: &'a str) -> Result<PoolFacts<'a>, String> {
        name.parse::<PoolName>().map_err(|error| error.to_string())?;
        let about = self.pools.get(name).ok_or(format!("there is no pool {name} in this file"))?;
        let labels = about.labels.iter().map(|label| &label.0).collect();
        Ok(PoolFacts { name, labels, sealed: about.sealed })
    }

    fn task(&self, name: &str) -> Result<Digest, String> {
        self.tasks
            .get(name)
            .map(|task| task.0)
            .ok_or(format!("there is no task {name} in this file"))
    }

    fn label(&self, name: &str) -> Result<&Label, String> {
        let mut all = self.pools.values().flat_map(|pool| &pool.labels).map(|label| &label.0);
        all.find(|label| label.as_str() == name)
            .ok_or(format!("no pool in this file has the label {name}"))
    }
}
