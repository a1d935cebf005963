//! Whether an object is of the API.
//!
//! The types are the API's own, generated from its published description. They ignore what they
//! do not know and fill in what is missing, so an object is read into its type and written again:
//! what was lost on the way is no field of the API, what came along is required and was left out.
//! The types are those of the oldest version they are offered for, so that a field which only
//! newer clusters have is not known either.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Faults;

/// Fields whose type is text but whose values are a closed list, by the last two keys of the path.
const WORDS: [(&str, &[&str]); 18] = [
    ("spec.podManagementPolicy", &["OrderedReady", "Parallel"]),
    ("updateStrategy.type", &["RollingUpdate", "OnDelete"]),
    ("persistentVolumeClaimRetentionPolicy.whenDeleted", &["Retain", "Delete"]),
    ("persistentVolumeClaimRetentionPolicy.whenScaled", &["Retain", "Delete"]),
    ("spec.unhealthyPodEvictionPolicy", &["IfHealthyBudget", "AlwaysAllow"]),
    ("spec.policyTypes", &["Ingress", "Egress"]),
    ("ports.protocol", &["TCP", "UDP", "SCTP"]),
    ("httpGet.scheme", &["HTTP", "HTTPS"]),
    ("containers.imagePullPolicy", &["Always", "IfNotPresent", "Never"]),
    ("securityContext.fsGroupChangePolicy", &["OnRootMismatch", "Always"]),
    ("seccompProfile.type", &["RuntimeDefault", "Localhost", "Unconfined"]),
    ("appArmorProfile.type", &["RuntimeDefault", "Localhost", "Unconfined"]),
    ("topologySpreadConstraints.whenUnsatisfiable", &["DoNotSchedule", "ScheduleAnyway"]),
    ("spec.accessModes", &["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]),
    ("spec.type", &["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]),
    ("spec.restartPolicy", &["Always", "OnFailure", "Never"]),
    ("spec.dnsPolicy", &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]),
    ("matchExpressions.operator", &["In", "NotIn", "Exists", "DoesNotExist"]),
];

/// What of `object` is not of the API.
#[must_use]
pub fn faults(object: &Value) -> Faults {
    let text = |at: &str| object.get(at).and_then(Value::as_str).unwrap_or_default();
    let read = match (text("apiVersion"), text("kind")) {
        ("v1", "ConfigMap") => round::<ConfigMap>(object),
        ("v1", "Service") => round::<Service>(object),
        ("v1", "ServiceAccount") => round::<ServiceAccount>(object),
        ("apps/v1", "StatefulSet") => round::<StatefulSet>(object),
        ("networking.k8s.io/v1", "NetworkPolicy") => round::<NetworkPolicy>(object),
        ("policy/v1", "PodDisruptionBudget") => round::<PodDisruptionBudget>(object),
        (version, kind) => vec![format!("{version} {kind} is no object that is checked here")],
    };
    let mut words = Vec::new();
    check_words(object, "", "", &mut words);
    [read, words].concat()
}

fn round<T: Serialize + DeserializeOwned>(object: &Value) -> Faults {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let again = T::deserialize(object).and_then(|typed| serde_json::to_value(&typed));
    match again {
        Err(error) => vec![format!("{kind}: {error}")],
        Ok(again) => {
            let mut faults = Vec::new();
            compare(object, &again, kind, &mut faults);
            faults
        }
    }
}

fn compare(written: &Value, known: &Value, path: &str, faults: &mut Faults) {
    match (written, known) {
        (Value::Object(written), Value::Object(known)) => {
            for (key, value) in written {
                match known.get(key) {
                    Some(known) => compare(value, known, &format!("{path}.{key}"), faults),
                    None => faults.push(format!("{path}.{key} is no field of the API")),
                }
            }
            let left_out = known.keys().filter(|key| !written.contains_key(*key));
            faults.extend(left_out.map(|key| format!("{path}.{key} is required")));
        }
        (Value::Array(written), Value::Array(known)) if written.len() == known.len() => {
            for (index, (written, known)) in written.iter().zip(known).enumerate() {
                compare(written, known, &format!("{path}[{index}]"), faults);
            }
        }
        _ if written == known => {}
        _ => faults.push(format!("{path} is read as something else")),
    }
}

fn check_words(value: &Value, parent: &str, key: &str, faults: &mut Faults) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| check_words(field, key, name, faults));
        }
        // The elements of a list stand where the list stands.
        Value::Array(items) => items.iter().for_each(|it| check_words(it, parent, key, faults)),
        Value::String(word) => {
            let path = format!("{parent}.{key}");
            let closed = WORDS.iter().find(|(name, _)| *name == path);
            if closed.is_some_and(|(_, words)| !words.contains(&word.as_str())) {
                faults.push(format!("{path} is none of the words it may be"));
            }
        }
        _ => {}
    }
}
