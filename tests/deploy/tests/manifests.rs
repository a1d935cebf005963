//! The manifests are right, and each way of being wrong is noticed.
#![expect(clippy::unwrap_used, reason = "what a sample lacks fails its test")]

use notrace_tests_deploy::{Bundle, Stage, command, faults};
use serde_json::{Value, json};

const CONTAINER: &str = "/spec/template/spec/containers/0";

fn standing() -> Bundle {
    Bundle::read(Stage::Standing).unwrap()
}

/// What is found wrong once `change` was made to the object of this kind.
fn changed(kind: &str, change: impl FnOnce(&mut Value) -> Option<()>) -> Vec<String> {
    let mut bundle = standing();
    let found = bundle.objects.iter_mut().find(|it| it["kind"] == kind).unwrap();
    change(found).unwrap();
    faults(&bundle)
}

/// The same, with the value at one place replaced.
fn replaced(kind: &str, path: &str, value: Value) -> Vec<String> {
    changed(kind, |object| {
        *object.pointer_mut(path)? = value;
        Some(())
    })
}

/// The same, with a field given another name.
fn renamed(kind: &str, path: &str, from: &str, to: &str) -> Vec<String> {
    changed(kind, |object| {
        let fields = object.pointer_mut(path)?.as_object_mut()?;
        let value = fields.remove(from)?;
        fields.insert(to.to_owned(), value);
        Some(())
    })
}

/// The same, with a field that was not there.
fn added(kind: &str, path: &str, name: &str, value: Value) -> Vec<String> {
    changed(kind, |object| {
        object.pointer_mut(path)?.as_object_mut()?.insert(name.to_owned(), value);
        Some(())
    })
}

/// The same, with one argument replaced.
fn told(from: &str, to: &str) -> Vec<String> {
    changed("StatefulSet", |object| {
        let arguments = object.pointer_mut(&format!("{CONTAINER}/args"))?.as_array_mut()?;
        *arguments.iter_mut().find(|it| *it == from)? = json!(to);
        Some(())
    })
}

#[track_caller]
fn says(faults: &[String], sentence: &str) {
    assert!(faults.iter().any(|fault| fault.contains(sentence)), "{faults:#?}");
}

mod what_is_in_the_repository {
    use super::*;

    #[test]
    fn is_right_as_it_stands() {
        assert_eq!(faults(&standing()), [""; 0]);
    }

    #[test]
    fn is_right_when_a_cluster_is_founded() {
        assert_eq!(faults(&Bundle::read(Stage::Founding).unwrap()), [""; 0]);
    }

    #[test]
    fn is_seven_objects() {
        assert_eq!(standing().objects.len(), 7);
    }
}

mod what_the_program_is_told {
    use super::*;

    /// Flags of the container that the program does not have.
    fn unknown(bundle: &Bundle) -> Vec<String> {
        let known = command::flags_of_serve().unwrap();
        command::flags(bundle).unwrap().difference(&known).cloned().collect()
    }

    #[test]
    fn are_flags_that_it_has() {
        assert_eq!(unknown(&standing()), [""; 0]);
        assert_eq!(unknown(&Bundle::read(Stage::Founding).unwrap()), [""; 0]);
    }

    #[test]
    fn is_refused_when_it_has_no_such_flag() {
        let mut bundle = standing();
        let set = bundle.object_mut("StatefulSet", "notrace").unwrap();
        set.pointer_mut(&format!("{CONTAINER}/args")).unwrap()[1] = json!("--strictly");
        assert_eq!(unknown(&bundle), ["strictly"]);
    }
}

mod what_is_not_of_the_api {
    use super::*;

    #[test]
    fn is_a_misspelt_field_at_any_depth() {
        says(&renamed("StatefulSet", "/spec", "serviceName", "servicename"), "no field of the API");
        let probe = format!("{CONTAINER}/readinessProbe");
        says(
            &renamed("StatefulSet", &probe, "periodSeconds", "periodSecond"),
            "readinessProbe.periodSecond is no field of the API",
        );
        let egress = "/spec/egress/0/to/0";
        says(&renamed("NetworkPolicy", egress, "podSelector", "podselector"), "no field");
    }

    #[test]
    fn is_a_value_of_another_type() {
        says(&replaced("StatefulSet", "/spec/replicas", json!("3")), "invalid type");
        let port = format!("{CONTAINER}/ports/0/containerPort");
        says(&replaced("StatefulSet", &port, json!("7443")), "invalid type");
        says(&replaced("ConfigMap", "/data/notrace.toml", json!({})), "invalid type");
    }

    #[test]
    fn is_a_required_field_that_is_missing() {
        let faults = changed("StatefulSet", |object| {
            object.pointer_mut(CONTAINER)?.as_object_mut()?.remove("name").map(|_| ())
        });
        says(&faults, "containers[0].name is required");
    }

    #[test]
    fn is_a_word_that_is_none_of_those_allowed() {
        let faults = replaced("StatefulSet", "/spec/podManagementPolicy", json!("Paralel"));
        says(&faults, "none of the words");
        says(
            &replaced("NetworkPolicy", "/spec/policyTypes/1", json!("egress")),
            "none of the words",
        );
    }

    #[test]
    fn is_an_object_of_another_version() {
        let faults = replaced("PodDisruptionBudget", "/apiVersion", json!("policy/v1beta1"));
        says(&faults, "is no object that is checked here");
    }
}

mod what_does_not_hang_together {
    use super::*;

    #[test]
    fn is_a_port_that_leads_nowhere() {
        says(&replaced("Service", "/spec/ports/0/targetPort", json!("http")), "leads to no port");
        let probe = format!("{CONTAINER}/readinessProbe/httpGet/port");
        says(&replaced("StatefulSet", &probe, json!(8443)), "a probe asks a port");
        let ingress = "/spec/ingress/0/ports/0/port";
        says(&replaced("NetworkPolicy", ingress, json!("http")), "an ingress rule names no port");
        says(&told("--listen=0.0.0.0:7443", "--listen=0.0.0.0:443"), "--listen is not at the port");
    }

    #[test]
    fn is_a_selector_that_matches_nothing() {
        let label = "app.kubernetes.io~1name";
        let pods = format!("/spec/template/metadata/labels/{label}");
        let faults = replaced("StatefulSet", &pods, json!("notrac"));
        for sentence in ["does not select its pods", "selects no pod", "one host", "other pods"] {
            says(&faults, sentence);
        }
        let budget = format!("/spec/selector/matchLabels/{label}");
        let faults = replaced("PodDisruptionBudget", &budget, json!("other"));
        says(&faults, "the budget is for other pods");
        let service = format!("/spec/selector/{label}");
        says(&replaced("Service", &service, json!("other")), "selects no pod");
    }

    #[test]
    fn is_a_volume_a_secret_or_a_file_that_nobody_has() {
        let secret = "/spec/template/spec/volumes/1/secret/secretName";
        says(
            &replaced("StatefulSet", secret, json!("tokens")),
            "nobody is told to make the secret",
        );
        let mount = format!("{CONTAINER}/volumeMounts/1/name");
        says(&replaced("StatefulSet", &mount, json!("conf")), "is mounted from no volume");
        says(&replaced("ConfigMap", "/metadata/name", json!("node")), "there is no ConfigMap");
        says(&renamed("ConfigMap", "/data", "notrace.toml", "node.toml"), "--config is no file");
        says(&told("--dir=/var/lib/notrace", "--dir=/tmp/notrace"), "outlives the pod");
    }

    #[test]
    fn is_a_name_that_members_do_not_have() {
        says(
            &replaced("StatefulSet", "/spec/serviceName", json!("members")),
            "members have no names",
        );
        says(&replaced("Service", "/spec/publishNotReadyAddresses", json!(false)), "once they are");
        let faults = told("--join=notrace-client:7443", "--join=notrace-client:443");
        says(&faults, "--join names no Service");
        let from = "--advertise=$(POD_NAME).notrace:7543";
        says(&told(from, "--advertise=$(POD_IP).notrace:7543"), "nobody sets the variable POD_IP");
        says(&replaced("ServiceAccount", "/metadata/name", json!("node")), "account is not there");
    }

    #[test]
    fn is_a_way_out_that_is_not_to_members_nor_for_names() {
        let anywhere = json!([{"ports": [{"protocol": "TCP", "port": 443}]}]);
        says(&replaced("NetworkPolicy", "/spec/egress", anywhere), "neither to members nor");
        says(&replaced("NetworkPolicy", "/spec/egress", json!([{}])), "neither to members nor");
        says(
            &replaced("NetworkPolicy", "/spec/policyTypes", json!(["Ingress"])),
            "one direction open",
        );
        let one = json!([{"protocol": "TCP", "port": "https"}]);
        says(&replaced("NetworkPolicy", "/spec/egress/0/ports", one), "do not reach each other");
    }
}

mod what_defeats_the_product {
    use super::*;

    #[test]
    fn is_a_probe_that_kills_whoever_waits_for_a_majority() {
        let health = json!({"httpGet": {"scheme": "HTTPS", "port": "https", "path": "/v1/health"}});
        let faults = added("StatefulSet", CONTAINER, "livenessProbe", health.clone());
        says(&faults, "a probe kills members");
        says(&added("StatefulSet", CONTAINER, "startupProbe", health), "a probe kills members");
        let path = format!("{CONTAINER}/readinessProbe/httpGet/path");
        says(&replaced("StatefulSet", &path, json!("/v1/node")), "readiness does not ask");
    }

    #[test]
    fn is_a_majority_that_may_be_taken_away() {
        let faults = replaced("PodDisruptionBudget", "/spec/maxUnavailable", json!(2));
        says(&faults, "the budget lets a majority go");
        says(&replaced("StatefulSet", "/spec/replicas", json!(2)), "the budget lets a majority go");
        let ordered = replaced("StatefulSet", "/spec/podManagementPolicy", json!("OrderedReady"));
        says(&ordered, "the first member waits for itself");
        let faults =
            added("StatefulSet", "/spec/updateStrategy/rollingUpdate", "maxUnavailable", json!(2));
        says(&faults, "one member at a time");
    }

    #[test]
    fn is_a_second_group() {
        let faults = told("--join=notrace-client:7443", "--invites=/etc/notrace/invites");
        says(&faults, "could found a second group");
    }

    #[test]
    fn is_a_drain_that_is_cut_short() {
        let path = "/spec/template/spec/terminationGracePeriodSeconds";
        says(&replaced("StatefulSet", path, json!(30)), "killed before its drain");
    }

    #[test]
    fn is_a_right_too_many() {
        let security = format!("{CONTAINER}/securityContext");
        let drop = format!("{security}/capabilities/drop");
        says(&replaced("StatefulSet", &drop, json!(["KILL"])), "keeps capabilities");
        let escalate = format!("{security}/allowPrivilegeEscalation");
        says(&replaced("StatefulSet", &escalate, json!(true)), "may gain rights");
        let pod = "/spec/template/spec/securityContext";
        says(&replaced("StatefulSet", &format!("{pod}/runAsUser"), json!(0)), "another user");
        let policy = format!("{pod}/fsGroupChangePolicy");
        says(&replaced("StatefulSet", &policy, json!("Always")), "opens the key files");
        says(&added("StatefulSet", "/spec/template/spec", "hostNetwork", json!(true)), "shares a");
        let token = "/automountServiceAccountToken";
        says(&replaced("ServiceAccount", token, json!(true)), "a token of the cluster");
    }

    #[test]
    fn is_a_configuration_that_does_not_fit() {
        let path = format!("{CONTAINER}/resources/limits/memory");
        says(&replaced("StatefulSet", &path, json!("2Gi")), "does not hold what may run");
        let limits = format!("{CONTAINER}/resources/limits");
        says(&added("StatefulSet", &limits, "cpu", json!("1")), "looks dead to the others");
        let unknown = json!("names = []\nspeed = 9\n");
        says(&replaced("ConfigMap", "/data/notrace.toml", unknown), "unknown field");
        let none = json!("names = [\"notrace-client\"]\n");
        says(&replaced("ConfigMap", "/data/notrace.toml", none), "no certificate is for notrace-0");
    }

    #[test]
    fn is_a_member_that_serves_without_its_fences() {
        says(&told("--strict", "--dir=/var/lib/notrace"), "without a fence");
    }
}
