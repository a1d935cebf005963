//! Whether what is named is there: ports, labels, volumes, secrets, configuration, identity.

use k8s_openapi::api::core::v1::Volume;
use k8s_openapi::api::networking::v1::{NetworkPolicyPeer, NetworkPolicyPort};

use crate::cluster::{Cluster, Labels, name, wanted};
use crate::{Faults, files, need};

/// The secret that the operator makes, as this file says how.
const HOW_TO: &str = "deploy/README.md";

pub(crate) fn faults(cluster: &Cluster) -> Faults {
    let mut faults = Vec::new();
    selectors(cluster, &mut faults);
    ports(cluster, &mut faults);
    policy(cluster, &mut faults);
    mounts(cluster, &mut faults);
    let account = cluster.pod.service_account_name.as_deref();
    need(&mut faults, account == Some(name(&cluster.account)), "the pod's account is not there");
    faults
}

fn selectors(cluster: &Cluster, faults: &mut Faults) {
    let chosen = |selector: Option<&Labels>| cluster.chosen_by(selector);
    let set = wanted(Some(&cluster.set.selector));
    need(faults, chosen(set), "the StatefulSet does not select its pods");
    for service in &cluster.services {
        let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        need(faults, chosen(selector), format!("Service {} selects no pod", name(service)));
    }
    let budget = cluster.budget.spec.as_ref().and_then(|spec| wanted(spec.selector.as_ref()));
    need(faults, budget.is_some() && budget == set, "the budget is for other pods than the set");
    let affinity = cluster.pod.affinity.as_ref().and_then(|it| it.pod_anti_affinity.as_ref());
    let terms =
        affinity.and_then(|it| it.required_during_scheduling_ignored_during_execution.as_ref());
    let apart = terms.into_iter().flatten().any(|term| {
        term.topology_key == "kubernetes.io/hostname"
            && chosen(wanted(term.label_selector.as_ref()))
    });
    need(faults, apart, "nothing keeps two members from one host");
    for spread in cluster.pod.topology_spread_constraints.iter().flatten() {
        let ours = chosen(wanted(spread.label_selector.as_ref()));
        need(faults, ours, "pods are spread by a label they do not have");
    }
    let governing = cluster.set.service_name.as_deref();
    let headless = cluster.services.iter().find(|it| Some(name(*it)) == governing);
    let headless = headless.and_then(|it| it.spec.as_ref());
    let meets = headless.is_some_and(|it| {
        it.cluster_ip.as_deref() == Some("None") && it.publish_not_ready_addresses == Some(true)
    });
    need(faults, meets, "members have no names, or only once they are ready");
}

fn ports(cluster: &Cluster, faults: &mut Faults) {
    let ports: Vec<_> = cluster.container.ports.iter().flatten().collect();
    let names: std::collections::BTreeSet<_> = ports.iter().map(|it| &it.name).collect();
    let numbers: std::collections::BTreeSet<_> = ports.iter().map(|it| it.container_port).collect();
    let apart = names.len() == ports.len() && numbers.len() == ports.len();
    need(faults, apart, "two ports of the container have one name or number");
    for service in &cluster.services {
        let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
        for port in ports.into_iter().flatten() {
            let target = cluster.port(port.target_port.as_ref());
            let which = format!("{}, port {}", name(service), port.port);
            // The headless service is a list of addresses: there the number is not translated.
            need(faults, target.is_some(), format!("Service {which} leads to no port of the pod"));
            need(faults, target == Some(port.port), format!("Service {which} changes the number"));
        }
    }
    let probes = [
        &cluster.container.startup_probe,
        &cluster.container.readiness_probe,
        &cluster.container.liveness_probe,
    ];
    for probe in probes.into_iter().flatten() {
        let port = probe.http_get.as_ref().map(|it| &it.port);
        let port = port.or(probe.tcp_socket.as_ref().map(|it| &it.port));
        need(
            faults,
            cluster.port(port).is_some(),
            "a probe asks a port that the pod does not have",
        );
    }
}

fn policy(cluster: &Cluster, faults: &mut Faults) {
    let Some(spec) = cluster.policy.spec.as_ref() else {
        return faults.push("the NetworkPolicy says nothing".to_owned());
    };
    let ours = cluster.chosen_by(wanted(spec.pod_selector.as_ref()));
    need(faults, ours, "the NetworkPolicy is for other pods");
    let types = spec.policy_types.iter().flatten().filter(|it| *it == "Ingress" || *it == "Egress");
    need(faults, types.count() == 2, "the NetworkPolicy leaves one direction open");
    let leads = |port: &NetworkPolicyPort| cluster.port(port.port.as_ref()).is_some();
    for rule in spec.ingress.iter().flatten() {
        let ports = rule.ports.as_ref().is_some_and(|ports| ports.iter().all(leads));
        need(faults, ports, "an ingress rule names no port, or one that the pod does not have");
    }
    let is_peer = |peer: &NetworkPolicyPeer| {
        let here = peer.namespace_selector.is_none() && peer.ip_block.is_none();
        here && cluster.chosen_by(wanted(peer.pod_selector.as_ref()))
    };
    let mut to_members = Vec::new();
    for rule in spec.egress.iter().flatten() {
        let peers = rule.to.as_deref().unwrap_or_default();
        let ports = rule.ports.as_deref().unwrap_or_default();
        let numbered = |it: &NetworkPolicyPort| {
            use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::Int;
            it.port == Some(Int(53)) && it.end_port.is_none()
        };
        let members = !peers.is_empty() && peers.iter().all(is_peer) && ports.iter().all(leads);
        let names = !peers.is_empty() && !ports.is_empty() && ports.iter().all(numbered);
        need(faults, members || names, "an egress rule is neither to members nor for names");
        if members {
            to_members.extend(ports.iter().filter_map(|it| cluster.port(it.port.as_ref())));
        }
    }
    let all = cluster.container.ports.iter().flatten();
    let all = all.map(|port| port.container_port).all(|port| to_members.contains(&port));
    need(faults, all, "members do not reach each other at every port");
}

fn mounts(cluster: &Cluster, faults: &mut Faults) {
    let volumes: Vec<&Volume> = cluster.pod.volumes.iter().flatten().collect();
    let claims = cluster.set.volume_claim_templates.iter().flatten().map(name);
    let names: Vec<&str> = volumes.iter().map(|it| it.name.as_str()).chain(claims).collect();
    let mounts: Vec<_> = cluster.container.volume_mounts.iter().flatten().collect();
    for mount in &mounts {
        let there = names.contains(&mount.name.as_str());
        need(faults, there, format!("{} is mounted from no volume", mount.mount_path));
    }
    for name in names {
        let used = mounts.iter().any(|mount| mount.name == name);
        need(faults, used, format!("volume {name} is mounted nowhere"));
    }
    for volume in volumes {
        if let Some(config) = &volume.config_map {
            let there = config.name == name(&cluster.config);
            need(faults, there, format!("there is no ConfigMap {}", config.name));
        }
        if let Some(secret) = &volume.secret {
            let secret = secret.secret_name.as_deref().unwrap_or_default();
            let made = format!("kubectl create secret generic {secret} ");
            let told = files::read(HOW_TO).is_ok_and(|text| text.contains(&made));
            need(faults, told, format!("nobody is told to make the secret {secret}"));
        }
    }
}
