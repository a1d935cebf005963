//! One style of `Cargo.toml`: versions, lints and edition come from the workspace, lines are
//! sorted, names are paths.

use crate::Breach;

const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

/// What is unusual about the manifest of the member in `folder`.
#[must_use]
pub fn breaches(folder: &str, manifest: &str) -> Vec<Breach> {
    let path = format!("{folder}/Cargo.toml");
    let mut found = Vec::new();
    let mut missing = |line: &str| {
        if !manifest.lines().any(|it| it == line) {
            found.push(Breach::new(&path, 0, format!("no line `{line}`")));
        }
    };
    // A crate that links a library of the system is called after it, as is the custom.
    match folder.strip_prefix("store/fabric/") {
        Some(library) => missing(&format!("name = \"{library}\"")),
        None => missing(&format!("name = \"notrace-{}\"", folder.replace('/', "-"))),
    }
    for key in INHERITED {
        missing(&format!("{key}.workspace = true"));
    }
    missing("[lints]");
    missing("workspace = true");
    found.extend(dependency_lines(&path, manifest));
    found
}

fn dependency_lines(path: &str, manifest: &str) -> Vec<Breach> {
    let mut found = Vec::new();
    let mut inside = false;
    let mut before = String::new();
    for (number, line) in (1..).zip(manifest.lines()) {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
            before.clear();
            continue;
        }
        let Some((key, _)) = line.split_once([' ', '=']).filter(|_| inside) else { continue };
        if line.starts_with('#') {
            continue;
        }
        if !line.contains("workspace = true") {
            found.push(Breach::new(path, number, "the version belongs into the workspace"));
        }
        // Dashes sort before letters in both spellings; cargo treats `-` and `_` as one name.
        let name = key.trim_end_matches(".workspace").replace('_', "-");
        if name < before {
            found.push(Breach::new(path, number, format!("`{name}` stands after `{before}`")));
        }
        before = name;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crates::members;
    use crate::expect_none;
    use crate::repository::Repository;

    const GOOD: &str = "[package]\nname = \"notrace-store-log\"\nversion.workspace = true\n\
        edition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\n\
        publish.workspace = true\n\n[lints]\nworkspace = true\n\n[dependencies]\n\
        crc32c.workspace = true\nthiserror.workspace = true\n";

    #[test]
    fn all_manifests_look_alike() {
        let repository = Repository::open().unwrap();
        for member in members(&repository).unwrap() {
            let text = repository.text(&format!("{}/Cargo.toml", member.folder)).unwrap();
            expect_none(&breaches(&member.folder, &text));
        }
    }

    #[test]
    fn a_good_one_passes() {
        expect_none(&breaches("store/log", GOOD));
    }

    #[test]
    fn a_name_that_is_not_the_path_is_refused() {
        assert_eq!(breaches("store/protocol", GOOD).len(), 1);
    }

    #[test]
    fn a_version_of_its_own_is_refused() {
        let own = GOOD.replace("crc32c.workspace = true", "crc32c = \"0.6\"");
        assert_eq!(breaches("store/log", &own).len(), 1);
    }

    #[test]
    fn unsorted_dependencies_are_refused() {
        let unsorted = format!("{GOOD}bytes.workspace = true\n");
        assert_eq!(breaches("store/log", &unsorted).len(), 1);
    }

    #[test]
    fn lints_that_are_not_inherited_are_refused() {
        let own = GOOD.replace("[lints]\nworkspace = true\n", "");
        assert_eq!(breaches("store/log", &own).len(), 2);
    }
}
