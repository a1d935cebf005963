//! Stories of runs, told with real processes.
//!
//! Without libtest: this binary is also the one that the supervisor executes, and a process that is
//! to be jailed has one thread. `main` therefore is first of all the two hidden subcommands.

mod guests;
#[cfg(feature = "weaken")]
mod rules;
mod sealed;
mod seats;
mod stage;
mod stories;

use std::future::Future;
use std::pin::Pin;
use std::process::{Command, ExitCode};

#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// A story's name, which is a sentence, and the story.
type Story = (&'static str, fn() -> Pin<Box<dyn Future<Output = anyhow::Result<()>>>>);

use sealed::a_sealed_run;
use seats::a_tenant;
use stories::{a_module, a_run, a_supervisor, a_worker, the_fences};

macro_rules! stories {
    ($($group:ident { $($name:ident),+ $(,)? })+) => {
        &[$($((
            concat!(stringify!($group), "::", stringify!($name)),
            || Box::pin($group::$name()),
        )),+),+]
    };
}

const STORIES: &[Story] = stories! {
    a_run {
        answers_what_its_guest_answered,
        sees_its_arguments_and_objects,
        tells_its_owner_what_it_said,
        that_loops_is_interrupted_in_time,
        that_uses_up_its_fuel_says_so,
        of_code_from_elsewhere_is_refused,
        on_an_object_that_was_altered_never_begins,
        is_numbered_higher_than_the_one_before,
        leaves_proof_of_its_removal,
    }
    a_sealed_run {
        answers_to_its_client_alone,
        sees_its_arguments_and_objects,
        tells_its_client_alone_how_it_failed,
        fails_as_it_answers_where_it_shall,
        whose_content_was_altered_never_begins,
    }
    a_tenant {
        has_its_cores_alone,
        has_the_machine_alone,
        may_be_beside_others_where_all_share,
    }
    a_worker {
        killed_from_outside_costs_its_run_alone,
        killed_while_it_waits_costs_nothing,
    }
    a_supervisor {
        with_all_workers_busy_says_so,
        recovers_when_its_template_is_killed,
        recovers_when_its_namespace_is_killed,
        replaces_a_sweeper_that_is_gone,
        scrubs_what_a_caller_that_left_has_left,
        that_drains_leaves_no_process,
        that_is_dropped_by_a_crash_leaves_no_process,
        fills_a_pool_larger_than_the_way_to_its_template,
        refuses_a_binary_that_is_none_of_ours,
        does_nothing_when_there_is_nothing_to_do,
    }
    a_module {
        that_is_none_is_refused_with_its_reason,
        compiles_once_and_runs_from_the_cache,
    }
    the_fences {
        all_stand_on_this_host,
        without_rights_are_reported_missing,
    }
};

/// What needs a build that can be weakened.
#[cfg(feature = "weaken")]
const COUNTED: &[Story] =
    &[("the_filters::have_no_rule_that_nothing_uses", || Box::pin(rules::counted()))];
#[cfg(not(feature = "weaken"))]
const COUNTED: &[Story] = &[];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        #[cfg(feature = "weaken")]
        Some(word @ ("worker" | "compile")) if rules::are_counted() => rules::main(word),
        Some("worker") => notrace_runtime_worker::worker_main(),
        Some("compile") => notrace_runtime_worker::compile_main(),
        Some("sweep") => return notrace_runtime_worker::sweep_main(),
        #[cfg(feature = "weaken")]
        Some("dying") => rules::die(&args),
        Some("report") => return block_on(stage::report()),
        Some("crash") => return block_on(stage::crash()),
        _ => {}
    }
    let flag = |flag: &str| args.iter().any(|arg| arg == flag);
    let is_filter = |arg: &&String| !arg.starts_with("--") && arg.as_str() != "terse";
    let filters: Vec<&String> = args.iter().filter(is_filter).collect();
    let chosen = STORIES.iter().chain(COUNTED).filter(|(name, _)| {
        let matches = |filter: &&String| match flag("--exact") {
            true => filter.as_str() == *name,
            false => name.contains(filter.as_str()),
        };
        !flag("--ignored") && (filters.is_empty() || filters.iter().any(matches))
    });
    let chosen: Vec<&Story> = chosen.collect();
    let mut failed = 0;
    for (name, story) in &chosen {
        if flag("--list") {
            say(&format!("{name}: test"));
        } else if chosen.len() > 1 {
            // Stories count processes, so each gets a process of its own to count from.
            failed += usize::from(!alone(name));
        } else if let Err(error) = block_on(story()) {
            say(&format!("test {name} ... FAILED\n  {error:#}"));
            failed += 1;
        } else {
            say(&format!("test {name} ... ok"));
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

fn alone(name: &str) -> bool {
    let exe = std::env::current_exe();
    let told = exe.and_then(|exe| Command::new(exe).args(["--exact", name]).status());
    told.is_ok_and(|status| status.success())
}

fn say(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build();
    runtime.unwrap_or_else(|error| panic!("no runtime: {error}")).block_on(future)
}
