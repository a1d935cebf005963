//! Each folder tells its story, and each dependency the reason it is there.

use crate::Breach;
use crate::crates::Member;
use crate::repository::Repository;

/// Members without a README, without decisions, or with a dependency nobody explains.
#[must_use]
pub fn breaches(repository: &Repository, members: &[Member]) -> Vec<Breach> {
    let mut found = Vec::new();
    for member in members {
        let path = format!("{}/README.md", member.folder);
        let own = repository.text(&path);
        let group = member.folder.split_once('/').map_or("", |(group, _)| group);
        let above = repository.text(&format!("{group}/README.md")).unwrap_or_default();
        match own {
            None => found.push(Breach::new(&path, 0, "is missing")),
            Some(own) => found.extend(untold(&path, member, &own, &above)),
        }
    }
    found
}

fn untold(path: &str, member: &Member, own: &str, above: &str) -> Vec<Breach> {
    let mut found = Vec::new();
    if !own.lines().any(|line| line == "## Decisions") {
        found.push(Breach::new(path, 0, "has no section `## Decisions`"));
    }
    for dependency in member.dependencies.iter().filter(|it| !it.ours) {
        if !names(own, &dependency.name) && !names(above, &dependency.name) {
            let what = format!("does not say why `{}` and instead of what", dependency.name);
            found.push(Breach::new(path, 0, what));
        }
    }
    found
}

/// Whether `text` holds `name` as a word of its own.
fn names(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|it| it.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|it| it.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crates::{Dependency, Need, members};
    use crate::expect_none;

    fn hyper() -> Member {
        Member {
            name: "notrace-platform-front".to_owned(),
            folder: "platform/front".to_owned(),
            dependencies: vec![Dependency {
                name: "hyper".to_owned(),
                need: Need::Normal,
                ours: false,
            }],
            roots: Vec::new(),
        }
    }

    #[test]
    fn every_crate_tells_its_decisions_and_its_dependencies() {
        let repository = Repository::open().unwrap();
        expect_none(&breaches(&repository, &members(&repository).unwrap()));
    }

    #[test]
    fn a_readme_without_decisions_is_refused() {
        assert_eq!(untold("README.md", &hyper(), "# front\n\n`hyper` because.", "").len(), 1);
    }

    #[test]
    fn a_dependency_that_is_not_named_is_refused() {
        assert_eq!(untold("README.md", &hyper(), "## Decisions\nhyper-util because.", "").len(), 1);
        assert_eq!(untold("README.md", &hyper(), "## Decisions\n`hyper` because.", "").len(), 0);
        assert_eq!(untold("README.md", &hyper(), "## Decisions\n", "hyper because.").len(), 0);
    }

    #[test]
    fn a_crate_without_a_readme_is_refused() {
        let mut nowhere = hyper();
        nowhere.folder = "platform/nowhere".to_owned();
        assert_eq!(breaches(&Repository::open().unwrap(), &[nowhere]).len(), 1);
    }
}
