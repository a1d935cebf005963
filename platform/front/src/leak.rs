//! Leaks that are planted on purpose, so that the hunt for leaks can be shown to find each kind.
//! Only in a build with the feature `planted-leaks`; `tests/residue` has the table, and the numbers
//! are those of its rows.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use hyper::header::HeaderValue;
use notrace_platform_node::leak::{is, last, temporary_file};
use rustls::KeyLog;

#[cfg(not(debug_assertions))]
compile_error!("planted leaks are for tests of the hunt; a release build may not have them");

static SPARE: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static OPEN: Mutex<Vec<File>> = Mutex::new(Vec::new());
static TRACE: Mutex<Option<HeaderValue>> = Mutex::new(None);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a body through a buffer that all requests use in turn, and that is emptied but not wiped.
pub(crate) fn through_a_spare_buffer(bytes: &[u8]) {
    let mut spare = locked(&SPARE);
    spare.extend_from_slice(bytes);
    spare.clear();
}

/// Writes a body to a file for temporary files; with a name that goes at once, if so asked.
pub(crate) fn spool(bytes: &[u8], nameless: bool) {
    let path = temporary_file(if nameless { "spooled-nameless" } else { "spooled" });
    let opened = OpenOptions::new().append(true).create(true).open(&path);
    let Ok(mut file) = opened else { return };
    let _ = file.write_all(bytes);
    if nameless {
        let _ = std::fs::remove_file(path);
        locked(&OPEN).push(file);
    }
}

/// Lets a future run to its end and then stays with all it has.
#[expect(clippy::disallowed_methods, reason = "what is forgotten is never wiped, as is the intent")]
pub(crate) async fn kept<F: Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    let output = future.as_mut().await;
    if is(8) {
        std::mem::forget(future);
    }
    output
}

/// Notes what a client's trace is called.
pub(crate) fn trace(request: &Request) {
    if let Some(trace) = request.headers().get("traceparent") {
        *locked(&TRACE) = Some(trace.clone());
    }
}

/// Says it to whoever asks next.
pub(crate) fn tell_trace(response: &mut Response) {
    if let Some(trace) = &*locked(&TRACE) {
        response.headers_mut().insert("traceparent", trace.clone());
    }
}

/// Doors for whoever operates the node: counts by argument, and what was last.
pub(crate) fn doors<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let counts = || async { format!("runs_total{{argument=\"{}\"}} 1\n", last().argument) };
    let input = || async { format!("{:02X?}", last().input) };
    match () {
        () if is(42) => router.route("/metrics", get(counts)),
        () if is(56) => router.route("/debug/last", get(input)),
        () => router,
    }
}

/// Writes what connections are encrypted with into a file, as browsers can be told to.
#[derive(Debug)]
pub(crate) struct SecretsFile;

impl KeyLog for SecretsFile {
    fn log(&self, label: &str, random: &[u8], secret: &[u8]) {
        let path = temporary_file("secrets");
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let opened = OpenOptions::new().append(true).create(true).open(path);
        let line = format!("{label} {} {}", hex(random), hex(secret));
        let _ = opened.and_then(|mut file| writeln!(file, "{line}"));
    }
}
