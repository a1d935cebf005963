//! The granted objects, by name and as files below `/objects`.

use std::collections::BTreeSet;
use std::sync::Arc;

use notrace_policy_promise::name::ObjectName;
use notrace_policy_promise::private::Private;

/// The folder that holds all objects.
const OBJECTS: &str = "objects";

/// The granted objects, sorted by name. Folders are not stored: a folder is the start of a name.
pub(crate) struct Files {
    // Shared, so that a value reaches the guest's memory without a copy in between.
    files: Vec<(String, Arc<Vec<u8>>)>,
}

/// What a path leads to.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// A folder: its path without slashes at either end; the root is empty.
    Folder(String),
    /// A file: its place in the list.
    File(usize),
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lost {
    Nothing,
    NotAFolder,
    Outside,
}

impl Files {
    pub(crate) fn new(objects: Vec<(ObjectName, Private<Vec<u8>>)>) -> Self {
        let open = |(name, mut value): (ObjectName, Private<Vec<u8>>)| {
            (name.to_string(), Arc::new(value.reveal_mut(core::mem::take)))
        };
        let mut files: Vec<_> = objects.into_iter().map(open).collect();
        files.sort_by(|left, right| left.0.cmp(&right.0));
        Self { files }
    }

    /// The value of the object named `POOL/KEY`.
    pub(crate) fn value(&self, name: &str) -> Option<Arc<Vec<u8>>> {
        let at = self.files.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        self.files.get(at).map(|(_, value)| value.clone())
    }

    /// The names that start with `prefix`, in order.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let names = self.files.iter().map(|(name, _)| name);
        names.filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    /// The bytes of a file.
    pub(crate) fn bytes(&self, file: usize) -> &[u8] {
        self.files.get(file).map_or(&[], |(_, value)| value)
    }

    /// What `path` leads to from the folder `base`. There are no links, so `..` is a matter of
    /// words; it does not climb above `base`.
    pub(crate) fn find(&self, base: &str, path: &str) -> Result<Node, Lost> {
        if path.starts_with('/') {
            return Err(Lost::Outside);
        }
        let mut steps = Vec::new();
        for step in path.split('/') {
            match step {
                "" | "." => {}
                ".." => drop(steps.pop().ok_or(Lost::Outside)?),
                step => steps.push(step),
            }
        }
        let below = steps.join("/");
        let full = match (base, below.as_str()) {
            ("", _) => below,
            (_, "") => base.to_owned(),
            _ => format!("{base}/{below}"),
        };
        let asks_folder = path.ends_with('/') || path.ends_with("/.") || path == ".";
        match self.file(&full) {
            Some(file) if !asks_folder => Ok(Node::File(file)),
            _ if self.is_folder(&full) => Ok(Node::Folder(full)),
            Some(_) => Err(Lost::NotAFolder),
            None if self.passes_a_file(&full) => Err(Lost::NotAFolder),
            None => Err(Lost::Nothing),
        }
    }

    /// What a folder holds: names in order, and whether each is a file. A name that is both,
    /// because one key starts another, is listed as the file; the folder is still there by its
    /// path.
    pub(crate) fn entries(&self, folder: &str) -> Vec<(String, bool)> {
        let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let names: BTreeSet<String> = self
            .paths()
            .filter_map(|path| path.strip_prefix(&below).map(first_step))
            .filter(|name| !name.is_empty())
            .collect();
        let is_file = |name: &String| self.file(&format!("{below}{name}")).is_some();
        names.into_iter().map(|name| (name.clone(), is_file(&name))).collect()
    }

    /// The full path of what was found, without a slash before it.
    pub(crate) fn path(&self, node: &Node) -> String {
        match node {
            Node::Folder(folder) => folder.clone(),
            Node::File(file) => {
                let name = self.files.get(*file).map_or("", |(name, _)| name);
                format!("{OBJECTS}/{name}")
            }
        }
    }

    fn file(&self, full: &str) -> Option<usize> {
        let name = full.strip_prefix(OBJECTS)?.strip_prefix('/')?;
        self.files.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()
    }

    fn is_folder(&self, full: &str) -> bool {
        let starts = |path: String| path.strip_prefix(full).is_some_and(|it| it.starts_with('/'));
        full.is_empty() || full == OBJECTS || self.paths().any(starts)
    }

    fn passes_a_file(&self, full: &str) -> bool {
        full.match_indices('/')
            .any(|(at, _)| full.get(..at).is_some_and(|part| self.file(part).is_some()))
    }

    fn paths(&self) -> impl Iterator<Item = String> {
        let files = self.files.iter().map(|(name, _)| format!("{OBJECTS}/{name}"));
        core::iter::once(OBJECTS.to_owned()).chain(files)
    }
}

fn first_step(path: &str) -> String {
    path.split('/').next().unwrap_or_default().to_owned()
}

impl Drop for Files {
    fn drop(&mut self) {
        for (_, value) in &mut self.files {
            if let Some(value) = Arc::get_mut(value) {
                drop(Private::new(core::mem::take(value)));
            }
        }
    }
}

#[cfg(test)]
mod granted_objects {
    use super::*;

    fn files(names: &[&str]) -> Files {
        let object = |name: &&str| (name.parse().unwrap(), Private::new(name.as_bytes().to_vec()));
        Files::new(names.iter().map(object).collect())
    }

    fn listed(files: &Files, folder: &str) -> Vec<(String, bool)> {
        files.entries(folder)
    }

    #[test]
    fn are_found_from_any_folder_above_them() {
        let files = files(&["photos/2026/a.png", "notes/b"]);
        for (base, path) in [
            ("", "objects/photos/2026/a.png"),
            ("objects", "photos/2026/a.png"),
            ("objects/photos", "./2026//a.png"),
            ("objects", "notes/../photos/2026/a.png"),
        ] {
            assert!(matches!(files.find(base, path), Ok(Node::File(1))), "{base} {path}");
        }
        assert!(matches!(files.find("objects", "photos/"), Ok(Node::Folder(_))));
        assert!(matches!(files.find("", "."), Ok(Node::Folder(root)) if root.is_empty()));
    }

    #[test]
    fn are_all_there_is() {
        let files = files(&["photos/a"]);
        assert!(matches!(files.find("", "etc/passwd"), Err(Lost::Nothing)));
        assert!(matches!(files.find("", "../objects"), Err(Lost::Outside)));
        assert!(matches!(files.find("objects", "photos/../../x"), Err(Lost::Outside)));
        assert!(matches!(files.find("", "/objects"), Err(Lost::Outside)));
        assert!(matches!(files.find("", "objects/photos/a/b"), Err(Lost::NotAFolder)));
        assert!(matches!(files.find("", "objects/photos/a/"), Err(Lost::NotAFolder)));
        assert!(matches!(files.find("", "objects/phot"), Err(Lost::Nothing)));
    }

    #[test]
    fn are_listed_by_folder() {
        let files = files(&["p/a", "p/a/b", "p/c/d", "q/x"]);
        let name = |name: &str, file| (name.to_owned(), file);
        assert_eq!(listed(&files, ""), [name("objects", false)]);
        assert_eq!(listed(&files, "objects"), [name("p", false), name("q", false)]);
        assert_eq!(listed(&files, "objects/p"), [name("a", true), name("c", false)]);
        assert_eq!(listed(&files, "objects/p/a"), [name("b", true)]);
        assert_eq!(files.names("p/"), ["p/a", "p/a/b", "p/c/d"]);
    }

    #[test]
    fn may_be_none() {
        let files = files(&[]);
        assert!(matches!(files.find("", "objects"), Ok(Node::Folder(_))));
        assert!(listed(&files, "objects").is_empty());
        assert!(files.value("p/a").is_none());
    }
}
