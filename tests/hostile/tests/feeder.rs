//! Modules that nobody wrote, and all that were written to do harm, against one node.

use anyhow::{Context as _, Result};
use notrace_sdk_wire::Code;
use notrace_tests_hostile::feed::{Became, Feeder};
use notrace_tests_hostile::make::{Kind, Made, Maker, Written, written};

/// `cargo xtask hostile` is the long run.
const MODULES: u64 = 150;
/// Modules in `fixtures/advisories`.
const ADVISORIES: usize = 13;

#[tokio::test(flavor = "multi_thread")]
async fn modules_that_nobody_wrote_cost_their_workers_and_nothing_else() -> Result<()> {
    let (mut feeder, mut maker) = (Feeder::begin().await?, Maker::new()?);
    for number in 0..MODULES {
        let fed = feeder.feed(&maker.make(1, number)).await;
        fed.with_context(|| format!("seed 1, number {number}"))?;
    }
    feeder.is_unharmed().await
}

/// Each module says in its first line of which advisory it is, and how it must end here.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_once_a_way_out_of_the_engine_is_none() -> Result<()> {
    let mut feeder = Feeder::begin().await?;
    let advisories = written()?.into_iter().filter(|written| written.says.contains("RUSTSEC-"));
    let mut count = 0;
    for Written { name, says, bytes } in advisories {
        let made = Made { kind: Kind::Written, name: name.clone(), bytes };
        let became = feeder.feed(&made).await.with_context(|| name.clone())?;
        let fits = match says.rsplit("; ").next() {
            Some("answers") => became == Became::Answered,
            Some("traps") => became == Became::Ended(Code::TaskTrapped),
            Some("ends") => became == Became::Ended(Code::TaskExhausted),
            _ => false,
        };
        assert!(fits, "{name} ({says}): {became}");
        count += 1;
    }
    assert_eq!(count, ADVISORIES);
    feeder.is_unharmed().await
}
