//! Whether valid manifests serve the product: majorities survive, nothing kills who waits, a drain
//! has the time it may take, the pod may do what the jail needs and nothing else.

use std::fs;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::PodSecurityContext;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use notrace_platform_node::Config;

use crate::cluster::{Cluster, name};
use crate::containerfile::Containerfile;
use crate::{Faults, Stage, files, need};

/// Where a node says whether it is in a majority.
const HEALTH: &str = "/v1/health";
/// What a node, its supervisor and a compiler take besides what the configuration bounds, in bytes.
const BESIDES: u64 = 256 << 20;
/// Bodies of requests that are held at once, in bytes; a bound of the HTTP edge.
const BODIES: u64 = 512 << 20;

pub(crate) fn faults(cluster: &Cluster) -> Faults {
    let mut faults = Vec::new();
    majority(cluster, &mut faults);
    probes(cluster, &mut faults);
    rights(cluster, &mut faults);
    if let Err(error) = grace(cluster, &mut faults) {
        faults.push(format!("{error:#}"));
    }
    if let Err(error) = configured(cluster, &mut faults) {
        faults.push(format!("{error:#}"));
    }
    faults
}

fn majority(cluster: &Cluster, faults: &mut Faults) {
    let budget = cluster.budget.spec.as_ref();
    let missing = match budget.and_then(|it| it.max_unavailable.as_ref()) {
        Some(IntOrString::Int(number)) => Some(*number),
        _ => None,
    };
    let replicas = cluster.set.replicas.unwrap_or(1);
    let survives = missing.is_some_and(|it| it >= 1 && (replicas - it) * 2 > replicas);
    let founding = cluster.stage == Stage::Founding;
    need(faults, survives || founding, "the budget lets a majority go, or nobody at all");
    let budget = budget.and_then(|it| it.unhealthy_pod_eviction_policy.as_deref());
    need(faults, budget != Some("AlwaysAllow"), "members that wait for a majority may be evicted");
    let parallel = cluster.set.pod_management_policy.as_deref() == Some("Parallel");
    need(faults, parallel, "after a loss of power the first member waits for itself to be ready");
    let update = cluster.set.update_strategy.as_ref();
    let rolling = update.and_then(|it| it.rolling_update.as_ref());
    let one_by_one = update.and_then(|it| it.type_.as_deref()) == Some("RollingUpdate")
        && rolling.is_none_or(|it| it.max_unavailable.is_none());
    need(faults, one_by_one, "changes do not go one member at a time");
    let kept = cluster.set.persistent_volume_claim_retention_policy.as_ref().is_some_and(|it| {
        it.when_deleted.as_deref() == Some("Retain") && it.when_scaled.as_deref() == Some("Retain")
    });
    need(faults, kept, "a member's folder may be deleted as a side effect");
}

fn probes(cluster: &Cluster, faults: &mut Faults) {
    let container = &cluster.container;
    let ready = container.readiness_probe.as_ref().and_then(|it| it.http_get.as_ref());
    let asks = ready.is_some_and(|it| {
        it.scheme.as_deref() == Some("HTTPS") && it.path.as_deref() == Some(HEALTH)
    });
    need(faults, asks, "readiness does not ask whether the member is in a majority");
    for probe in [&container.startup_probe, &container.liveness_probe].into_iter().flatten() {
        let path = probe.http_get.as_ref().and_then(|it| it.path.as_deref());
        need(faults, path != Some(HEALTH), "a probe kills members that wait for a majority");
    }
    // A path that the HTTP edge does not have would answer 404 for ever.
    let routed = files::read("platform/front/src/routes/mod.rs")
        .is_ok_and(|text| text.contains(&format!("\"{HEALTH}\"")));
    need(faults, routed, "the HTTP edge has no such path for health");
}

fn rights(cluster: &Cluster, faults: &mut Faults) {
    let pod = cluster.pod.security_context.clone().unwrap_or_default();
    let PodSecurityContext { run_as_user: user, run_as_group, fs_group, .. } = pod;
    let own = run_as_group == user && fs_group == user && pod.run_as_non_root == Some(true);
    need(faults, own && user.is_some(), "the pod's user, group and volume group are not one");
    let image = Containerfile::read().ok().and_then(|file| file.user());
    need(faults, user == image, "the pod runs as another user than the image's");
    // With `Always`, each start gives the group the right to read and write all key files.
    let once = pod.fs_group_change_policy.as_deref() == Some("OnRootMismatch");
    need(faults, once, "each start opens the key files to the group");
    let profile = pod.seccomp_profile.as_ref();
    let profile =
        profile.filter(|it| it.type_ == "Localhost").and_then(|it| it.localhost_profile.as_deref());
    let told = files::read("deploy/README.md").is_ok_and(|text| {
        profile.is_some_and(|profile| text.contains(&format!("seccomp/{profile}")))
    });
    need(faults, told, "nobody is told to put the profile of system calls on the hosts");
    let container = cluster.container.security_context.clone().unwrap_or_default();
    let bare = container.allow_privilege_escalation == Some(false)
        && container.read_only_root_filesystem == Some(true)
        && container.privileged != Some(true);
    need(faults, bare, "the container may gain rights or change its image");
    let dropped = container
        .capabilities
        .as_ref()
        .is_some_and(|it| it.add.is_none() && it.drop.as_deref() == Some(&["ALL".to_owned()]));
    need(faults, dropped, "the container keeps capabilities");
    let shares = [cluster.pod.host_network, cluster.pod.host_pid, cluster.pod.host_ipc];
    need(faults, !shares.contains(&Some(true)), "the pod shares a namespace with its host");
    let tokens = [
        cluster.pod.automount_service_account_token,
        cluster.account.automount_service_account_token,
    ];
    need(faults, tokens == [Some(false); 2], "the pod is given a token of the cluster");
}

/// What a drain may take at most: the edge waits for connections, those that come late included,
/// the node for runs and then for workers.
fn grace(cluster: &Cluster, faults: &mut Faults) -> Result<()> {
    let edge = files::seconds("platform/front/src/limits.rs", "DRAIN_MAX")?;
    let late = files::seconds("platform/front/src/limits.rs", "TURN_AWAY_MAX")?;
    let node = files::seconds("platform/node/src/limits.rs", "DRAIN_MAX")?;
    let before = cluster.container.lifecycle.as_ref().and_then(|it| it.pre_stop.as_ref());
    let before = before.and_then(|it| it.sleep.as_ref()).map_or(0, |it| it.seconds);
    let given = cluster.pod.termination_grace_period_seconds.unwrap_or(30);
    let long = given > before + edge + late + 2 * node;
    need(faults, long, "a member is killed before its drain may take its time");
    Ok(())
}

/// The configuration is one, names every member, and fits the memory of the pod.
fn configured(cluster: &Cluster, faults: &mut Faults) -> Result<()> {
    let data = cluster.config.data.as_ref().context("the ConfigMap is empty")?;
    let [(_, text)] = &data.iter().collect::<Vec<_>>()[..] else {
        anyhow::bail!("the ConfigMap holds one file");
    };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("notrace.toml");
    fs::write(&file, text)?;
    let config = Config::read(folder.path(), &file).context("the configuration")?;
    let service = cluster.set.service_name.as_deref().unwrap_or_default();
    let mut names: Vec<_> = cluster.pods().iter().map(|pod| format!("{pod}.{service}")).collect();
    let reached = cluster.services.iter().filter(|it| name(*it) != service);
    names.extend(reached.map(|it| name(it).to_owned()));
    for name in names.iter().filter(|name| !config.names.contains(name)) {
        faults.push(format!("no certificate is for {name}"));
    }
    let workers = u64::from(config.workers.running_max) * config.task.memory_bytes;
    let needed = workers + config.store_bytes_max + BODIES + BESIDES;
    let resources = cluster.container.resources.clone().unwrap_or_default();
    let memory = |of: Option<std::collections::BTreeMap<String, Quantity>>| {
        of.as_ref().and_then(|it| it.get("memory")).and_then(bytes)
    };
    let (limit, request) = (memory(resources.limits.clone()), memory(resources.requests));
    need(
        faults,
        limit.is_some_and(|it| it >= needed),
        "the memory limit does not hold what may run",
    );
    need(faults, limit == request, "a member may be evicted for memory that its limit allows");
    let throttled = resources.limits.is_some_and(|it| it.contains_key("cpu"));
    need(faults, !throttled, "a member that is throttled looks dead to the others");
    Ok(())
}

fn bytes(quantity: &Quantity) -> Option<u64> {
    let Quantity(text) = quantity;
    let (number, shift) = match (text.strip_suffix("Gi"), text.strip_suffix("Mi")) {
        (Some(number), _) => (number, 30),
        (_, Some(number)) => (number, 20),
        _ => return None,
    };
    Some(number.parse::<u64>().ok()? << shift)
}
