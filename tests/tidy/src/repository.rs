//! The files of the repository, read once per test.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::source::Source;

/// Folders that hold nothing anybody wrote.
const SKIPPED_FOLDERS: [&str; 3] = [".git", "target", "node_modules"];

/// Everything below the root, as paths relative to it.
#[derive(Debug)]
pub struct Repository {
    root: PathBuf,
    files: Vec<String>,
}

impl Repository {
    /// Opens the repository this crate is part of.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn open() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .context("the crate is not two folders below the root")?
            .to_path_buf();
        let mut files = Vec::new();
        gather(&root, &root, &mut files)?;
        files.sort();
        Ok(Self { root, files })
    }

    /// The folder that holds the workspace.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Paths of all files, sorted.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// Paths of the files whose name ends in one of `endings`.
    pub fn files_ending(&self, endings: &[&str]) -> impl Iterator<Item = &str> {
        self.files().filter(move |path| endings.iter().any(|ending| path.ends_with(ending)))
    }

    /// The text of a file, or nothing where there is no such file or it is not text.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    /// Every Rust file, as tokens, with what is test code marked as such.
    ///
    /// # Errors
    /// When a file cannot be read or is not Rust.
    pub fn sources(&self) -> Result<Vec<Source>> {
        let mut sources = Vec::new();
        for path in self.files_ending(&[".rs"]) {
            let text = self.text(path).with_context(|| format!("cannot read {path}"))?;
            sources.push(Source::parse(path, &text)?);
        }
        let specs: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
        for source in &mut sources {
            source.note_declared_as_tests(&specs);
        }
        Ok(sources)
    }
}

fn gather(root: &Path, folder: &Path, files: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {folder:?}"))? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type()?;
        if kind.is_dir() && !SKIPPED_FOLDERS.contains(&name.as_str()) {
            gather(root, &path, files)?;
        } else if kind.is_file() {
            files.push(path.strip_prefix(root)?.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        let repository = Repository::open().unwrap();
        assert!(repository.text("Cargo.toml").unwrap().contains("[workspace]"));
        assert!(repository.files().any(|path| path == "tests/tidy/src/repository.rs"));
    }

    #[test]
    fn build_output_is_left_out() {
        let repository = Repository::open().unwrap();
        assert!(!repository.files().any(|path| path.starts_with("target/")));
        assert!(!repository.files().any(|path| path.starts_with(".git/")));
    }
}
