//! Two thousand clusters, each with its own troubles.

use notrace_tests_simulator::coverage::Coverage;
use notrace_tests_simulator::swarm::Swarm;

const SEEDS: u64 = 2_000;

fn swarm() -> Swarm {
    Swarm { seeds: 0..SEEDS, members: None, fail_fast: true, threads: 2 }
}

#[test]
fn two_thousand_seeds_break_no_property_and_walk_every_rare_path() {
    let outcome = swarm().run();
    let failures: Vec<_> =
        outcome.failures.iter().map(|(seed, it)| (seed, it.property, &it.text)).collect();
    assert!(
        failures.is_empty(),
        "cargo run --release -p notrace-tests-simulator -- --replay SEED: {failures:?}"
    );
    let Coverage { runs, excused, .. } = outcome.coverage;
    assert_eq!(runs, SEEDS);
    assert!(excused * 10 < runs, "too many runs end with nobody left to vote");
    assert_eq!(outcome.coverage.missing(), Vec::<String>::new(), "paths that no run walked");
}
