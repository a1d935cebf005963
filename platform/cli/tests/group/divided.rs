//! Four nodes that hold three shards, two copies of each, so that every node lacks one: whatever
//! is asked of any of them is answered, also when one is killed, and when all come back.

use notrace_sdk_client::credentials;

use crate::nodes::Group;

const NODES: usize = 4;
const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const GATHER: &str = include_str!("gather.wat");

impl Group {
    /// Waits until each data shard is on two nodes, and no node holds two more than another.
    fn settles(&self) {
        self.comes_to(1, "cluster status", |ran| {
            let shards = || ran.out.lines().filter(|line| line.contains(" objects  on "));
            let held = |line: &str| {
                line.split("  ").find_map(|part| part.strip_prefix("on ").map(str::to_owned))
            };
            let holders = || {
                shards()
                    .filter_map(held)
                    .flat_map(|on| on.split(", ").map(str::to_owned).collect::<Vec<_>>())
            };
            let load = |number: usize| holders().filter(|it| *it == number.to_string()).count();
            let loads: Vec<usize> = (1..=NODES).map(load).collect();
            shards().count() == 3
                && holders().count() == 6
                && loads.iter().max().unwrap() - loads.iter().min().unwrap() < 2
        });
    }

    fn reads(&self, number: usize) {
        for key in KEYS {
            self.comes_to(number, &format!("get photos/{key}"), |ran| {
                ran.out == format!("value {key}")
            });
        }
    }
}

#[test]
fn is_one_store_at_each_of_its_nodes() {
    let mut group = Group::found(NODES, "--shards 3 --copies 2");
    group.settles();
    lets_its_owner_in_everywhere(&group);
    group.types(2, "pool create photos --retain 1d").ended(0);
    group.types(3, "pool create notes --retain 1d --durability volatile").ended(0);
    for (key, number) in KEYS.iter().zip((1..=NODES).cycle()) {
        let value = format!("value {key}");
        group.types_with(number, &format!("put photos/{key} -"), value.as_bytes()).ended(0);
    }
    group.types_with(4, "put notes/a -", b"a canary that no disk sees").ended(0);
    for number in 1..=NODES {
        group.reads(number);
        let listed = group.types(number, "ls photos").ended(0).out;
        let keys: Vec<&str> =
            listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(keys, KEYS);
        assert!(group.types(number, "pool show photos").ended(0).out.contains("objects      6"));
        assert_eq!(group.types(number, "get notes/a").ended(0).out, "a canary that no disk sees");
    }
    runs_on_objects_of_different_shards(&group);
    shreds_everywhere(&group);
    group.kill(3);
    [1, 2, 4].into_iter().for_each(|number| group.reads(number));
    group.restart(3);
    group.reads(3);
    (1..=NODES).for_each(|number| group.kill(number));
    assert!(!holds_canary(group.folder.path()), "a pool in memory was written down");
    (1..=NODES).for_each(|number| group.restart(number));
    (1..=NODES).for_each(|number| group.reads(number));
    group.comes_to(2, "get notes/a", |ran| ran.err.contains("object_unknown"));
    group.types(4, "pool shred photos").ended(0);
    group.comes_to(1, "get photos/a", |ran| ran.err.contains("pool_unknown"));
}

/// Each node has credentials for itself, which name the others it knew of when it began.
fn lets_its_owner_in_everywhere(group: &Group) {
    let of = |number: usize| {
        let path = group.folder.path().join(format!("n{number}/client.toml"));
        credentials::read(&path).unwrap()
    };
    let founder = of(1);
    for number in 2..=NODES {
        let own = of(number);
        assert_eq!(own.url, group.nodes[number - 1].url);
        assert!(own.token == founder.token && own.ca_pem == founder.ca_pem);
        assert!(own.members.contains(&founder.url), "{:?}", own.members);
        assert!(!own.members.contains(&own.url), "{:?}", own.members);
    }
}

fn runs_on_objects_of_different_shards(group: &Group) {
    std::fs::write(group.folder.path().join("gather.wat"), GATHER).unwrap();
    group.types(1, "task push gather.wat --name gather").ended(0);
    for number in 1..=NODES {
        let objects: Vec<String> =
            KEYS.iter().map(|key| format!("--object photos/{key}")).collect();
        // A node compiles a task that it meets for the first time.
        group.comes_to(number, &format!("run gather {}", objects.join(" ")), |ran| {
            ran.out == "value avalue bvalue cvalue dvalue evalue f"
        });
    }
}

fn shreds_everywhere(group: &Group) {
    for (key, number) in ["x", "y", "z"].into_iter().zip(2..) {
        group.types_with(number, &format!("put photos/{key} -"), b"to be shredded").ended(0);
        group.types(1, &format!("shred photos/{key}")).ended(0);
        for other in 1..=NODES {
            let gone = group.types(other, &format!("get photos/{key}"));
            assert!(gone.err.contains("object_shredded"), "{}", gone.err);
        }
    }
}

/// Whether any file below this folder has the canary in it.
fn holds_canary(folder: &std::path::Path) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => holds_canary(&path),
            false => {
                let bytes = std::fs::read(&path).unwrap_or_default();
                bytes.windows(8).any(|window| window == b"a canary")
            }
        }
    })
}
