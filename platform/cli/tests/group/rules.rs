//! Rules of a group: pushed at one node, followed by all, whoever comes and goes.

use crate::nodes::Group;

const ALL: &str = "permit (principal, action, resource);\n";
const NO_READING: &str = "forbid (principal, action == Action::\"read\", resource);\n";

fn push(group: &Group, number: usize, rules: &str) {
    std::fs::write(group.folder.path().join("rules.cedar"), rules).unwrap();
    group.types(number, "rules push rules.cedar").ended(0);
}

#[test]
fn are_followed_by_every_node_whichever_they_were_pushed_at() {
    let mut group = Group::found(3, "");
    group.types(1, "pool create notes --retain 30d").ended(0);
    group.types_with(1, "put notes/1 -", b"a note").ended(0);
    for number in [1, 2, 3] {
        group.types(number, "get notes/1").ended(0);
    }

    push(&group, 2, &format!("{ALL}{NO_READING}"));
    for number in [1, 2, 3] {
        // Each follows as soon as it has applied the change.
        group.comes_to(number, "get notes/1", |ran| ran.err.contains("error[not_permitted]"));
    }

    // Who was away follows before it serves, and so does who comes later.
    group.kill(3);
    group.restart(3);
    group.types(3, "get notes/1").ended(4);
    group.joins(4);
    group.types(4, "get notes/1").ended(4);

    push(&group, 4, ALL);
    group.comes_to(1, "get notes/1", |ran| ran.exit == 0);
}
