//! Leaks that are planted for the tests of the hunt stay where they are: behind one feature that
//! nothing turns on by itself, in builds that are no release.

use crate::Breach;

/// The feature.
const FEATURE: &str = "planted-leaks";
/// Who may have it, or speak of it.
const MAY: [&str; 6] =
    ["runtime/", "platform/", "tests/residue/", "tests/xtask/", "tests/tidy/", "tests/README.md"];
/// What every file that plants leaks for its crate says.
const REFUSAL: [&str; 2] = ["#[cfg(not(debug_assertions))]", "compile_error!("];

/// What is wrong with how a file speaks of the feature.
#[must_use]
pub fn breaches(path: &str, text: &str) -> Vec<Breach> {
    let mut found = Vec::new();
    let mut section = "";
    for (number, line) in (1..).zip(text.lines()) {
        if path.ends_with("Cargo.toml") && line.starts_with('[') {
            section = line;
        }
        if !line.contains(FEATURE) || line.trim_start().starts_with('#') && section.is_empty() {
            continue;
        }
        let mut say = |what: &str| found.push(Breach::new(path, number, what));
        if !MAY.iter().any(|place| path.starts_with(place)) {
            say("planted leaks are for the hunt alone");
        }
        if line.starts_with("default") || section.contains("dependencies") {
            say("nothing turns planted leaks on");
        }
    }
    if path.ends_with("src/leak.rs") && !REFUSAL.iter().all(|line| text.contains(line)) {
        found.push(Breach::new(path, 0, "it must refuse to be part of a release build"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect_none;
    use crate::repository::Repository;

    #[test]
    fn nothing_turns_planted_leaks_on() {
        let repository = Repository::open().unwrap();
        let files = repository.files().filter_map(|path| Some((path, repository.text(path)?)));
        let found: Vec<Breach> = files.flat_map(|(path, text)| breaches(path, &text)).collect();
        expect_none(&found);
        let planting = repository.files().filter(|path| path.ends_with("src/leak.rs")).count();
        assert!(
            planting >= 5,
            "only {planting} files plant leaks: is this still the rule's place?"
        );
    }

    #[test]
    fn a_default_or_a_dependency_that_turns_them_on_is_refused() {
        let default = format!("[features]\ndefault = [\"{FEATURE}\"]\n");
        assert_eq!(breaches("platform/cli/Cargo.toml", &default).len(), 1);
        let needed = format!("[dependencies]\nx = {{ features = [\"{FEATURE}\"] }}\n");
        assert_eq!(breaches("platform/cli/Cargo.toml", &needed).len(), 1);
        let fine = format!("[features]\n{FEATURE} = []\n");
        assert_eq!(breaches("platform/cli/Cargo.toml", &fine).len(), 0);
    }

    #[test]
    fn a_recipe_that_builds_with_them_is_refused() {
        let recipe = format!("RUN cargo build --release --features {FEATURE}\n");
        assert_eq!(breaches("deploy/Containerfile", &recipe).len(), 1);
    }

    #[test]
    fn leaks_that_a_release_build_could_have_are_refused() {
        assert_eq!(breaches("platform/node/src/leak.rs", "pub fn keep() {}\n").len(), 1);
        let refusing = format!("{}\n{}\"no\");\n", REFUSAL[0], REFUSAL[1]);
        assert_eq!(breaches("platform/node/src/leak.rs", &refusing).len(), 0);
    }
}
