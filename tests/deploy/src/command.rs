//! What the container is told, and whether the program understands it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::cluster::{Cluster, name};
use crate::{Bundle, Faults, Stage, files, need};

/// Where the program's command line is written down, from the repository's root.
const ARGUMENTS: &str = "platform/cli/src/args";

pub(crate) fn faults(cluster: &Cluster) -> Faults {
    let mut faults = Vec::new();
    let arguments = cluster.container.args.as_deref().unwrap_or_default();
    let serves = arguments.first().is_some_and(|it| it == "serve");
    need(&mut faults, serves, "the container does not serve");
    need(&mut faults, cluster.container.command.is_none(), "the image's program is replaced");
    let Ok(given) = given(arguments) else {
        faults.push("an argument is not of the form --flag or --flag=value".to_owned());
        return faults;
    };
    variables(cluster, arguments, &mut faults);
    addresses(cluster, &given, &mut faults);
    places(cluster, &given, &mut faults);
    group(cluster, &given, &mut faults);
    let strict = given.contains_key("strict");
    need(&mut faults, strict, "a member would serve without a fence that is required");
    faults
}

/// The flags in `arguments`, with their values; the command is left out.
fn given(arguments: &[String]) -> Result<BTreeMap<&str, &str>> {
    let flags = arguments.iter().skip(1).map(|argument| {
        let flag = argument.strip_prefix("--").context("a flag begins with two dashes")?;
        Ok(flag.split_once('=').unwrap_or((flag, "")))
    });
    flags.collect()
}

fn variables(cluster: &Cluster, arguments: &[String], faults: &mut Faults) {
    let known: Vec<_> = cluster.container.env.iter().flatten().map(|it| it.name.as_str()).collect();
    for used in arguments.iter().flat_map(|argument| argument.split("$(").skip(1)) {
        let variable = used.split(')').next().unwrap_or_default();
        need(faults, known.contains(&variable), format!("nobody sets the variable {variable}"));
    }
}

fn addresses(cluster: &Cluster, given: &BTreeMap<&str, &str>, faults: &mut Faults) {
    let port = |address: Option<&&str>| -> Option<i32> {
        address.and_then(|it| it.rsplit_once(':')).and_then(|(_, port)| port.parse().ok())
    };
    let named = |name: &str| {
        let mut ports = cluster.container.ports.iter().flatten();
        ports.find(|it| it.name.as_deref() == Some(name)).map(|it| it.container_port)
    };
    for (flag, name) in [("listen", "https"), ("cluster", "cluster"), ("advertise", "cluster")] {
        let port = port(given.get(flag));
        let agrees = port.is_some() && port == named(name);
        need(faults, agrees, format!("--{flag} is not at the port {name}"));
    }
    let host = given.get("advertise").and_then(|it| it.rsplit_once(':')).map(|(host, _)| host);
    let service = cluster.set.service_name.as_deref().unwrap_or_default();
    let own = format!("$(POD_NAME).{service}");
    need(faults, host == Some(&own), "--advertise is not the name the set gives a pod");
    if let Some((host, _)) = given.get("join").and_then(|it| it.rsplit_once(':')) {
        let service = cluster.services.iter().find(|it| name(*it) == host);
        let ports = service.and_then(|it| it.spec.as_ref()).and_then(|it| it.ports.as_ref());
        let port = port(given.get("join"));
        let there = ports.into_iter().flatten().any(|it| Some(it.port) == port);
        need(faults, there, "--join names no Service and port of ours");
    }
}

fn places(cluster: &Cluster, given: &BTreeMap<&str, &str>, faults: &mut Faults) {
    let mounts: Vec<_> = cluster.container.volume_mounts.iter().flatten().collect();
    let volume_of = |path: &str| {
        let mount = mounts.iter().find(|mount| Path::new(path).starts_with(&mount.mount_path));
        mount.map(|mount| mount.name.as_str())
    };
    let claims: Vec<_> = cluster.set.volume_claim_templates.iter().flatten().map(name).collect();
    let kept = given.get("dir").and_then(|dir| volume_of(dir));
    let kept = kept.is_some_and(|volume| claims.contains(&volume));
    need(faults, kept, "--dir is not on a volume that outlives the pod");
    let volume = |path: &str| {
        let volume = volume_of(path);
        cluster.pod.volumes.iter().flatten().find(|it| Some(it.name.as_str()) == volume)
    };
    let config = given.get("config").copied().unwrap_or_default();
    let from_map = volume(config).is_some_and(|it| it.config_map.is_some());
    let key = Path::new(config).file_name().and_then(|it| it.to_str()).unwrap_or_default();
    let there = cluster.config.data.as_ref().is_some_and(|data| data.contains_key(key));
    need(faults, from_map && there, "--config is no file of the ConfigMap");
    for flag in ["token-file", "invites"] {
        let Some(path) = given.get(flag) else { continue };
        let secret = volume(path).is_some_and(|it| it.secret.is_some());
        need(faults, secret, format!("--{flag} is not in the secret"));
    }
}

/// Founding and joining exclude each other, and what stands for good can only join.
fn group(cluster: &Cluster, given: &BTreeMap<&str, &str>, faults: &mut Faults) {
    let has = |flag: &str| given.contains_key(flag);
    let joins = has("join") && has("token-file");
    let founds = has("invites") || !has("join");
    match cluster.stage {
        Stage::Standing => {
            need(faults, joins && !founds, "what stands for good could found a second group");
        }
        Stage::Founding => {
            let one = cluster.set.replicas == Some(1);
            need(faults, founds && !has("join") && one, "founding is not one member that founds");
        }
    }
}

/// The flags that the container of `bundle` is given.
///
/// # Errors  An object is missing.
pub fn flags(bundle: &Bundle) -> Result<BTreeSet<String>> {
    let cluster = Cluster::of(bundle)?;
    let arguments = cluster.container.args.unwrap_or_default();
    Ok(given(&arguments)?.into_keys().map(str::to_owned).collect())
}

/// The flags that `notrace serve` has, read from its source.
///
/// # Errors  The source cannot be read, or has no such command.
pub fn flags_of_serve() -> Result<BTreeSet<String>> {
    let mut source = String::new();
    for file in files::names(ARGUMENTS)? {
        source.push_str(&files::read(&format!("{ARGUMENTS}/{file}"))?);
    }
    flags_of(&source, "Serve").context("there is no command line of `serve`")
}

/// The long flags of the struct `name`, and of what is flattened into it.
fn flags_of(source: &str, name: &str) -> Option<BTreeSet<String>> {
    let (_, body) = source.split_once(&format!("struct {name} {{"))?;
    let (body, _) = body.split_once("\n}")?;
    let mut flags = BTreeSet::new();
    let mut attribute = "";
    for line in body.lines().map(str::trim) {
        if line.starts_with("#[arg(long") || line.starts_with("#[command(flatten)") {
            attribute = line;
        }
        let field = line.strip_prefix("pub(crate) ").and_then(|it| it.split_once(": "));
        let Some((field, kind)) = field else { continue };
        if attribute.starts_with("#[command(flatten)") {
            flags.extend(flags_of(source, kind.trim_end_matches(','))?);
        } else if let Some((_, given)) = attribute.split_once("long = \"") {
            flags.extend(given.split('"').next().map(str::to_owned));
        } else if !attribute.is_empty() {
            flags.insert(field.replace('_', "-"));
        }
        attribute = "";
    }
    Some(flags)
}

#[cfg(test)]
mod flags_of_a_struct {
    use super::*;

    #[test]
    fn are_those_of_its_fields_and_of_what_is_flattened_into_it() {
        let source = "pub(crate) struct Serve {\n    #[arg(long, value_name = \"X\")]\n    \
            pub(crate) token_file: Option<PathBuf>,\n    pub(crate) place: PathBuf,\n    \
            #[command(flatten)]\n    pub(crate) more: More,\n}\n\
            pub(crate) struct More {\n    #[arg(long = \"arg\")]\n    pub(crate) args: bool,\n}\n";
        let flags: Vec<_> = flags_of(source, "Serve").unwrap().into_iter().collect();
        assert_eq!(flags, ["arg", "token-file"]);
    }

    #[test]
    fn hold_what_serve_has_had_from_the_first() {
        let flags = flags_of_serve().unwrap();
        assert!(["dir", "listen", "config", "strict"].iter().all(|it| flags.contains(*it)));
    }
}
