//! Files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of the file at `path`, from the root.
///
/// # Errors  It cannot be read.
pub fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("reading {path}"))
}

/// The names of the files in the folder at `path`, sorted.
pub(crate) fn names(path: &str) -> Result<Vec<String>> {
    let entries = fs::read_dir(root().join(path)).with_context(|| format!("listing {path}"))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// How many seconds the constant `name` holds in the Rust file at `path`.
pub(crate) fn seconds(path: &str, name: &str) -> Result<i64> {
    let start = format!("const {name}: Duration = Duration::from_secs(");
    let text = read(path)?;
    let value = text.split_once(&start).and_then(|(_, rest)| rest.split_once(')'));
    let (value, _) = value.with_context(|| format!("{path} has no {name} in whole seconds"))?;
    Ok(value.parse()?)
}
