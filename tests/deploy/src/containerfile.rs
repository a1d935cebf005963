//! The recipe of the image, as far as it can be checked without an engine that builds it.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

use crate::{Faults, files, need};

/// Where it is, from the repository's root.
pub const FILE: &str = "deploy/container/Containerfile";

/// All instructions there are. Source: Containerfile(5).
const KNOWN: [&str; 18] = [
    "FROM",
    "ARG",
    "ADD",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A recipe: instructions and what follows them, comments and continued lines undone.
pub struct Containerfile(Vec<(String, String)>);

impl Containerfile {
    /// The repository's recipe.
    ///
    /// # Errors  It cannot be read.
    pub fn read() -> Result<Self> {
        Ok(Self::parse(&files::read(FILE)?))
    }

    /// The instructions in `text`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut instructions = Vec::new();
        let mut line = String::new();
        let told = text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#'));
        for piece in told {
            line.push_str(piece.trim_end_matches('\\').trim_end());
            if piece.ends_with('\\') {
                line.push(' ');
                continue;
            }
            let (name, rest) = line.split_once(' ').unwrap_or((&line, ""));
            instructions.push((name.to_owned(), rest.trim().to_owned()));
            line.clear();
        }
        Self(instructions)
    }

    /// The number of the user that the last stage runs as.
    #[must_use]
    pub fn user(&self) -> Option<i64> {
        let user = self.last("USER")?;
        let (user, group) = user.split_once(':')?;
        if user == group { user.parse().ok() } else { None }
    }

    fn last(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(it, _)| it == name).map(|(_, rest)| rest.as_str())
    }

    /// What is wrong with it.
    ///
    /// # Errors  The workspace's manifest cannot be read.
    pub fn faults(&self) -> Result<Faults> {
        let mut faults = Vec::new();
        let mut stages = BTreeSet::new();
        let mut copied = BTreeSet::new();
        need(&mut faults, self.0.first().is_some_and(|it| it.0 == "FROM"), "no stage comes first");
        for (name, rest) in &self.0 {
            need(&mut faults, KNOWN.contains(&name.as_str()), format!("{name} is no instruction"));
            need(&mut faults, !rest.is_empty(), format!("{name} says nothing"));
            match name.as_str() {
                "FROM" => stage(rest, &mut stages, &mut faults),
                "COPY" => copy(rest, &stages, &mut copied, &mut faults),
                "CMD" | "ENTRYPOINT" | "VOLUME" => {
                    let list = serde_json::from_str::<Vec<String>>(rest).is_ok();
                    need(&mut faults, list, format!("{name} would need a shell"));
                }
                "EXPOSE" => {
                    let ports = rest.split(' ').all(|port| port.parse::<u16>().is_ok());
                    need(&mut faults, ports, "EXPOSE names no port");
                }
                _ => {}
            }
        }
        let manifest = files::read("Cargo.toml")?;
        for folder in missing_members(&manifest, &copied) {
            faults.push(format!("the workspace's {folder} is not copied"));
        }
        self.last_stage(&manifest, &mut faults)?;
        Ok(faults)
    }

    fn last_stage(&self, manifest: &str, faults: &mut Faults) -> Result<()> {
        let program = self.last("ENTRYPOINT") == Some("[\"/usr/bin/notrace\"]");
        need(faults, program, "the image does not start the program");
        let user = self.user().is_some_and(|user| user > 0);
        need(faults, user, "the image runs as root, or its user and group differ");
        let run = self.0.iter().filter(|(name, _)| name == "RUN").map(|(_, rest)| rest);
        let locked = run.filter(|it| it.contains("cargo ")).all(|it| it.contains(" --locked "));
        need(faults, locked, "the build may choose other versions than the lock file's");
        let version = manifest.split_once("[workspace.package]\nversion = \"");
        let (version, _) = version.and_then(|(_, it)| it.split_once('"')).context("a version")?;
        let label = format!("org.opencontainers.image.version=\"{version}\"");
        let labelled = self.last("LABEL").is_some_and(|it| it.contains(&label));
        need(faults, labelled, "the image's label is of another version");
        Ok(())
    }
}

/// `FROM image [AS name]`, where a stage may build on one before it.
fn stage(rest: &str, stages: &mut BTreeSet<String>, faults: &mut Faults) {
    match rest.split_whitespace().collect::<Vec<_>>()[..] {
        [image] | [image, "AS", _] => {
            let tagged = image.contains(':') || stages.contains(image);
            need(faults, tagged, format!("{image} is not of a version"));
        }
        _ => faults.push("FROM is not of the form image [AS name]".to_owned()),
    }
    if let Some((_, name)) = rest.split_once(" AS ") {
        need(faults, stages.insert(name.to_owned()), format!("two stages are called {name}"));
    }
}

fn copy(rest: &str, stages: &BTreeSet<String>, copied: &mut BTreeSet<String>, faults: &mut Faults) {
    let (flags, paths): (Vec<&str>, Vec<&str>) =
        rest.split_whitespace().partition(|word| word.starts_with("--"));
    let Some((_, sources)) = paths.split_last().filter(|(_, sources)| !sources.is_empty()) else {
        return faults.push("COPY has no source".to_owned());
    };
    let from = flags.iter().find_map(|flag| flag.strip_prefix("--from="));
    if let Some(from) = from {
        need(faults, stages.contains(from), format!("there is no stage {from}"));
        return;
    }
    for source in sources {
        need(faults, files::root().join(source).exists(), format!("there is no {source} to copy"));
        copied.insert((*source).to_owned());
    }
}

/// Members of the workspace that lie in no folder of `copied`: cargo reads the manifest of each.
fn missing_members(manifest: &str, copied: &BTreeSet<String>) -> Vec<String> {
    let members = manifest.split_once("\nmembers = [").and_then(|(_, it)| it.split_once(']'));
    let members = members.map(|(members, _)| members).unwrap_or_default();
    let members = members.split('"').skip(1).step_by(2).map(str::to_owned);
    let has =
        |member: &String| copied.iter().any(|it| std::path::Path::new(member).starts_with(it));
    members.filter(|member| !has(member)).collect()
}
