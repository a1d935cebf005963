//! Threads for what takes long and can wait. Where processors are few, they stand back behind those
//! that clients and other members wait for.

use std::io;
use std::thread::{Builder, JoinHandle};

use rustix::process::setpriority_process;

/// As `nice` has it by default: a tenth of the share of others, while others have work.
const NICENESS: i32 = 10;

/// Begins a thread that stands back.
/// # Errors  There is no thread for it.
pub(crate) fn begin<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        // Of this thread alone, as Linux has it. Without it the work is done all the same.
        let _ = setpriority_process(None, NICENESS);
        work()
    })
}
