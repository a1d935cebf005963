//! The objects of a bundle in the API's own types, and what they have to do with each other.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Container, PodSpec, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use k8s_openapi::{Metadata, Resource};
use serde::de::DeserializeOwned;

use crate::{Bundle, Stage};

/// Labels of an object, or those that a selector wants.
pub(crate) type Labels = BTreeMap<String, String>;

pub(crate) struct Cluster {
    pub(crate) stage: Stage,
    pub(crate) set: StatefulSetSpec,
    pub(crate) set_name: String,
    pub(crate) labels: Labels,
    pub(crate) pod: PodSpec,
    pub(crate) container: Container,
    pub(crate) services: Vec<Service>,
    pub(crate) budget: PodDisruptionBudget,
    pub(crate) policy: NetworkPolicy,
    pub(crate) account: ServiceAccount,
    pub(crate) config: ConfigMap,
}

impl Cluster {
    /// # Errors  One of the objects is missing, or is there twice.
    pub(crate) fn of(bundle: &Bundle) -> Result<Self> {
        let set: StatefulSet = one(bundle)?;
        let set_name = name(&set).to_owned();
        let set = set.spec.context("the StatefulSet has no spec")?;
        let meta = set.template.metadata.clone().unwrap_or_default();
        let pod = set.template.spec.clone().context("the pod has no spec")?;
        let [container] = &pod.containers[..] else {
            return Err(anyhow!("a pod has one container"));
        };
        Ok(Self {
            stage: bundle.stage,
            set_name,
            labels: meta.labels.unwrap_or_default(),
            container: container.clone(),
            pod,
            set,
            services: all(bundle)?,
            budget: one(bundle)?,
            policy: one(bundle)?,
            account: one(bundle)?,
            config: one(bundle)?,
        })
    }

    /// Whether `selector` chooses the pods.
    pub(crate) fn chosen_by(&self, selector: Option<&Labels>) -> bool {
        selector.is_some_and(|wanted| {
            !wanted.is_empty()
                && wanted.iter().all(|(key, value)| self.labels.get(key) == Some(value))
        })
    }

    /// The number of the container's port that `port` names or is.
    pub(crate) fn port(&self, port: Option<&IntOrString>) -> Option<i32> {
        let mut ports = self.container.ports.iter().flatten();
        let found = ports.find(|it| match port {
            Some(IntOrString::String(name)) => it.name.as_ref() == Some(name),
            Some(IntOrString::Int(number)) => it.container_port == *number,
            None => false,
        });
        found.map(|port| port.container_port)
    }

    /// The names of the pods.
    pub(crate) fn pods(&self) -> Vec<String> {
        (0..self.set.replicas.unwrap_or(1)).map(|it| format!("{}-{it}", self.set_name)).collect()
    }
}

/// What a selector wants, where it wants nothing but labels.
pub(crate) fn wanted(selector: Option<&LabelSelector>) -> Option<&Labels> {
    selector.filter(|it| it.match_expressions.is_none())?.match_labels.as_ref()
}

/// The name an object goes by.
pub(crate) fn name<T: Metadata<Ty = ObjectMeta>>(object: &T) -> &str {
    object.metadata().name.as_deref().unwrap_or_default()
}

fn one<T: Resource + DeserializeOwned>(bundle: &Bundle) -> Result<T> {
    let mut all = all::<T>(bundle)?;
    let first = all.pop().with_context(|| format!("there is no {}", T::KIND))?;
    if all.is_empty() { Ok(first) } else { Err(anyhow!("there is more than one {}", T::KIND)) }
}

fn all<T: Resource + DeserializeOwned>(bundle: &Bundle) -> Result<Vec<T>> {
    let of_kind = bundle.objects.iter().filter(|it| it.get("kind").is_some_and(|k| k == T::KIND));
    of_kind.map(|object| Ok(T::deserialize(object)?)).collect()
}
