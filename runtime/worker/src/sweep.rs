//! `notrace sweep`: clears what processes that died in the middle leave of their registers.
//!
//! Whoever is interrupted has its registers on its kernel stack, and whoever is killed then never
//! gets them back. Linux keeps two stacks of the dead for each processor, as they are, for the next
//! threads that begin there, and clears them no earlier, `init_on_free` or not. So threads begin:
//! enough at once on each processor that no such stack is left, and they have nothing to leave.
//!
//! A process of its own does that, because it is needed after the node's own death as well: then
//! its input ends without a farewell.
//!
//! Source: Linux, `kernel/fork.c` (`NR_CACHED_STACKS`, `alloc_thread_stack_node`).

use std::io::{self, ErrorKind, Read};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::signal::unix::{SignalKind, signal};

use crate::topology;

/// The supervisor's words.
pub(crate) const SOMEBODY_DIED: u8 = b'd';
pub(crate) const FAREWELL: u8 = b'f';

/// More than the kernel keeps for one processor.
const THREADS: usize = 3;
/// What is given to the smallest thread.
const STACK_BYTES: usize = 16 << 10;
/// When it is done after a death. Some stacks come to be kept only when the kernel is through with
/// what it does later (RCU), and who is killed with the node dies a moment after it.
const AFTER: [Duration; 3] = [Duration::ZERO, Duration::from_millis(100), Duration::from_secs(1)];

/// The whole of `notrace sweep`. Reads a byte for each death, and ends with its input.
pub fn main() -> ExitCode {
    // Whoever stops a service ends all of its processes; this one has something to do then.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let _deaf = runtime.as_ref().ok().map(|runtime| {
        let _inside = runtime.enter();
        signal(SignalKind::terminate())
    });
    let _ = notrace_runtime_jail::harden_process(io::sink());
    attend(&mut io::stdin().lock(), || {
        for pause in AFTER {
            thread::sleep(pause);
            sweep();
        }
    });
    ExitCode::SUCCESS
}

/// Does it once for all deaths that are told together, and once more if the input ends unforeseen.
fn attend(input: &mut impl Read, mut after_a_death: impl FnMut()) {
    let mut words = [0; 64];
    loop {
        match input.read(&mut words) {
            Ok(0) => return after_a_death(),
            Ok(count) => {
                let told = words.get(..count).unwrap_or_default();
                if told.contains(&SOMEBODY_DIED) {
                    after_a_death();
                }
                if told.contains(&FAREWELL) {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return after_a_death(),
        }
    }
}

/// Has threads begin at once on each processor that our processes may be on.
fn sweep() {
    for cpu in topology::cores().iter().flatten() {
        let mut only = CpuSet::new();
        only.set(usize::from(*cpu));
        // One that was switched off has nothing to keep; the kernel freed that.
        if sched_setaffinity(None, &only).is_ok() {
            threads();
        }
    }
}

/// Threads that are there all at once: none ends before the last has begun.
fn threads() {
    let all = Mutex::new(());
    thread::scope(|scope| {
        let _not_yet = all.lock();
        for _ in 0..THREADS {
            let one = thread::Builder::new().stack_size(STACK_BYTES);
            // Where there is no room for another, those that came did what they could.
            let _ = one.spawn_scoped(scope, || drop(all.lock()));
        }
    });
}

#[cfg(test)]
mod a_sweeper {
    use super::*;

    fn sweeps(told: &[u8]) -> usize {
        let mut count = 0;
        attend(&mut &*told, || count += 1);
        count
    }

    #[test]
    fn acts_once_for_deaths_told_together_and_again_if_nobody_says_farewell() {
        assert_eq!(sweeps(b""), 1);
        assert_eq!(sweeps(b"ddd"), 2);
        assert_eq!(sweeps(b"df"), 1);
        assert_eq!(sweeps(b"f"), 0);
    }

    #[test]
    fn comes_back_from_each_processor() {
        sweep();
    }
}
