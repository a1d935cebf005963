//! Modules that somebody wrote to do harm, or to be refused.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use notrace_tests_rig::node::workspace;

/// Folders of such modules.
const FOLDERS: [&str; 2] = ["fixtures", "fixtures/advisories"];

/// A module that was written.
pub struct Written {
    /// Its file's name.
    pub name: String,
    /// What its first line says.
    pub says: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// All that there are, by name.
///
/// # Errors  One of them is no text of a module.
pub fn written() -> Result<Vec<Written>> {
    let mut all = Vec::new();
    for folder in FOLDERS {
        let folder = workspace().join("tests/hostile").join(folder);
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == "wat") {
                all.push(read(&path)?);
            }
        }
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(all)
}

fn read(path: &Path) -> Result<Written> {
    let text = fs::read_to_string(path)?;
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
    let says = text.lines().next().and_then(|line| line.strip_prefix(";; ")).unwrap_or("");
    let bytes = wat::parse_str(&text).with_context(|| path.display().to_string())?;
    Ok(Written { name: name.unwrap_or_default(), says: says.to_owned(), bytes })
}
