//! Who is let into a group, and who is not, not even with a folder that was a member's.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use crate::nodes::Group;

/// How often others are asked whether somebody came back who must not: many times as long as a
/// member takes that may.
const LOOKS: usize = 60;

impl Group {
    fn members(&self, number: usize) -> usize {
        let status = self.types(number, "cluster status");
        status.out.lines().filter(|line| line.trim_start().starts_with("node ")).count()
            - status.out.lines().filter(|line| line.starts_with("node ")).count()
    }

    /// Ends a node in order.
    fn end(&mut self, number: usize) {
        let child = &mut self.nodes[number - 1].child;
        kill_process(Pid::from_child(child), Signal::TERM).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Looks whether a node that runs is kept out of the group of the first.
    fn stays_out(&mut self, number: usize) {
        let before = self.members(1);
        for _ in 0..LOOKS {
            assert_eq!(self.members(1), before);
        }
        assert!(self.nodes[number - 1].child.try_wait().unwrap().is_none(), "it said why");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&entry.path(), &to),
            kind if kind.is_file() => drop(fs::copy(entry.path(), to).unwrap()),
            _ => {}
        }
    }
}

#[test]
fn a_node_that_left_is_none_any_more() {
    let mut group = Group::found(3, "");
    group.types(1, "pool create p --retain 30d").ended(0);
    group.end(3);
    let (folder, before) = (group.folder.path().join("n3"), group.folder.path().join("before"));
    copy(&folder, &before);
    group.restart(3);
    while group.members(1) < 3 {}
    while group.types(3, "cluster leave").exit != 0 {}
    assert!(group.nodes[2].child.wait().unwrap().success());
    while group.members(1) > 2 {}

    let kept = |name: &str| folder.join(name).exists();
    assert!(!kept("keys/authority.key") && !kept("client.toml") && !kept("store"));
    assert_eq!(fs::read_dir(folder.join("keys")).unwrap().count(), 0, "keys that all share");

    // It knows that it left, and says so.
    group.restart(3);
    assert_eq!(group.nodes[2].child.wait().unwrap().code(), Some(7));

    // A copy of its folder from before does not, but the others do.
    fs::remove_dir_all(&folder).unwrap();
    copy(&before, &folder);
    group.restart(3);
    group.stays_out(3);
    group.types_with(2, "put p/after -", b"x").ended(0);
    assert_eq!(group.types(1, "get p/after").ended(0).out, "x");

    // One has to stay, and does no worse for having been asked to leave.
    group.types(1, "cluster leave").ended(0);
    while group.members(2) > 1 {}
    let last = group.types(2, "cluster leave");
    assert!(last.exit == 5 && last.err.contains("last_member"), "{} {}", last.exit, last.err);
    group.end(2);
    group.restart(2);
    while group.types(2, "get p/after").out != "x" {}
}

#[test]
fn a_node_that_will_not_come_back_can_be_forgotten() {
    let mut group = Group::found(3, "");
    let member = group.types(1, "cluster forget 3");
    assert!(member.exit == 5 && member.err.contains("member_present"), "{}", member.err);
    let nobody = group.types(1, "cluster forget 7");
    assert!(nobody.exit == 3 && nobody.err.contains("node_unknown"), "{}", nobody.err);

    group.kill(3);
    while !group.types(1, "cluster status").out.contains("absent: node 3") {}
    group.types(2, "cluster forget 3").ended(0);
    let status = group.types(1, "cluster status").ended(0);
    assert!(!status.out.contains("absent"), "{}", status.out);
    group.types(1, "cluster forget 3").ended(0);
    group.restart(3);
    group.stays_out(3);
}

#[test]
fn a_second_process_with_a_copy_of_a_folder_ends_and_the_group_goes_on() {
    let mut group = Group::found(3, "");
    group.types(1, "pool create p --retain 30d").ended(0);
    group.end(3);
    copy(&group.folder.path().join("n3"), &group.folder.path().join("n4"));
    group.restart(3);
    while group.members(1) < 3 {}
    let mut second = group.spawn(4, "--listen 127.0.0.1:0 --cluster 127.0.0.1:0");
    assert_eq!(second.wait().unwrap().code(), Some(7));
    group.types_with(3, "put p/after -", b"x").ended(0);
    assert_eq!(group.members(1), 3);
}

#[test]
fn a_node_joins_at_an_address_of_its_own_that_others_can_reach() {
    let group = Group::found(1, "");
    let (url, taken) = (&group.nodes[0].url, &group.nodes[0].cluster);
    let token = group.types(1, "cluster invite").ended(0).out;
    let ends = |advertise: &str| {
        let join = format!("--join {} --token {}", url.replace("https://", ""), token.trim());
        let line = format!("--listen 127.0.0.1:0 --cluster 127.0.0.1:0 {join} {advertise}");
        group.spawn(2, &line).wait().unwrap().code()
    };
    assert_eq!(ends("--advertise nonsense"), Some(2));
    assert_eq!(ends("--advertise n2:0"), Some(2));
    assert_eq!(ends(&format!("--advertise {taken}")), Some(5));
    let mut group = group;
    // The token was not used up.
    let join = group.nodes[0].url.replace("https://", "");
    let line = format!("--listen 127.0.0.1:0 --cluster 127.0.0.1:0 --join {join} --token {token}");
    group.join(2, &line);
    while group.members(1) < 2 {}
}

#[test]
fn the_authority_alone_makes_nobody_a_member() {
    let mut group = Group::found(3, "");
    group.end(3);
    // All that members share is still there; what proves that it is node 3 is not.
    fs::remove_file(group.folder.path().join("n3/keys/member.key")).unwrap();
    while group.members(1) > 2 {}
    group.restart(3);
    group.stays_out(3);
}

#[test]
fn a_token_lets_one_node_in_whenever_its_group_was_told_of_it() {
    let mut group = Group::found(1, "");
    let token = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let invites = group.folder.path().join("invites");
    fs::create_dir(&invites).unwrap();
    fs::write(invites.join("one"), token).unwrap();
    // As after a first start that was cut short before it registered them.
    group.end(1);
    group.restart_with(1, "--invites invites");
    while group.types(1, "cluster status").exit != 0 {}
    let join = group.nodes[0].url.replace("https://", "");
    let line = format!("--listen 127.0.0.1:0 --cluster 127.0.0.1:0 --join {join} --token {token}");
    group.join(2, &line);
    while group.members(1) < 2 {}

    // Whoever comes later with it is refused, also once the founder has read the folder again.
    for again in [false, true] {
        if again {
            group.end(1);
            group.restart_with(1, "--invites invites");
            while group.types(1, "cluster status").exit != 0 || group.members(1) < 2 {}
        }
        let ran = group.types(1, &format!("serve --dir n3 {line}"));
        assert!(ran.exit != 0 && ran.err.contains("invite_unknown"), "{}{}", ran.out, ran.err);
    }
}
