//! The crates of the workspace, as `cargo metadata` tells them.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::repository::Repository;

/// When a dependency is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To run.
    Normal,
    /// To build.
    Build,
    /// To test.
    Test,
}

/// One line of a dependency table.
#[derive(Debug, Clone)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// When it is needed.
    pub need: Need,
    /// Whether it is one of ours.
    pub ours: bool,
}

/// One member of the workspace.
#[derive(Debug, Clone)]
pub struct Member {
    /// The package's name.
    pub name: String,
    /// Its folder, relative to the root, as in `store/log`.
    pub folder: String,
    /// Its dependencies, in the order of the manifest.
    pub dependencies: Vec<Dependency>,
    /// The root files of its library and programs.
    pub roots: Vec<String>,
}

impl Member {
    /// Dependencies that are not ours and that reach what we ship.
    pub fn shipped(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(|it| !it.ours && it.need != Need::Test)
    }
}

/// Asks cargo, without a network.
///
/// # Errors
/// When cargo cannot be run, or the workspace does not load.
pub fn members(repository: &Repository) -> Result<Vec<Member>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(repository.root())
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let packages = told.get("packages").and_then(Value::as_array).context("no packages")?;
    packages.iter().map(|package| member(package, repository)).collect()
}

fn member(package: &Value, repository: &Repository) -> Result<Member> {
    let relative = |path: &str| {
        let root = format!("{}/", repository.root().display());
        path.strip_prefix(&root).unwrap_or(path).to_owned()
    };
    let manifest = relative(text(package, "manifest_path")?);
    let roots = list(package, "targets")
        .filter(|target| {
            list(target, "kind").any(|kind| matches!(kind.as_str(), Some("lib" | "bin")))
        })
        .map(|target| Ok(relative(text(target, "src_path")?)))
        .collect::<Result<_>>()?;
    Ok(Member {
        name: text(package, "name")?.to_owned(),
        folder: manifest.trim_end_matches("/Cargo.toml").to_owned(),
        dependencies: list(package, "dependencies").map(dependency).collect::<Result<_>>()?,
        roots,
    })
}

fn dependency(entry: &Value) -> Result<Dependency> {
    let need = match entry.get("kind").and_then(Value::as_str) {
        Some("build") => Need::Build,
        Some("dev") => Need::Test,
        _ => Need::Normal,
    };
    let ours = entry.get("path").is_some_and(Value::is_string);
    Ok(Dependency { name: text(entry, "name")?.to_owned(), need, ours })
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value.get(field).and_then(Value::as_str).with_context(|| format!("no field {field}"))
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_crate_is_a_member_and_its_dependencies_are_known() {
        let members = members(&Repository::open().unwrap()).unwrap();
        let tidy = members.iter().find(|member| member.name == "notrace-tests-tidy").unwrap();
        assert_eq!(tidy.folder, "tests/tidy");
        assert_eq!(tidy.roots, ["tests/tidy/src/lib.rs"]);
        assert!(tidy.shipped().any(|it| it.name == "serde_json"));
    }
}
