//! Progress on a terminal; silence everywhere else.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use notrace_sdk_client::source::Progress;
use notrace_sdk_client::task::{PushProgress, PushStep};

/// Below this many bytes a bar would only flicker.
const WORTH_A_BAR: u64 = 1 << 20;

/// A line that shows how far long work is, and is gone when it is dropped.
pub(crate) struct Shown(ProgressBar);

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar for an upload of this size.
pub(crate) fn upload(size_bytes: u64) -> (Shown, Progress) {
    let bar = bar(size_bytes);
    let shown = Shown(bar.clone());
    (shown, Arc::new(move |sent| bar.set_position(sent)))
}

/// A bar for a module's upload, then a line for its compiling.
pub(crate) fn push(size_bytes: u64) -> (Shown, PushProgress) {
    let bar = bar(size_bytes);
    let shown = Shown(bar.clone());
    let told: PushProgress = Arc::new(move |step| match step {
        PushStep::Sent(bytes) => bar.set_position(bytes),
        PushStep::Compiling(elapsed) => {
            bar.set_style(style("{spinner} {msg}"));
            bar.set_message(format!("compiling, {:.1} s", elapsed.as_secs_f32()));
            bar.enable_steady_tick(Duration::from_millis(100));
        }
    });
    (shown, told)
}

/// A line that turns while something is waited for.
pub(crate) fn waiting(what: &'static str) -> Shown {
    let bar = ProgressBar::new_spinner();
    bar.set_style(style("{spinner} {msg}"));
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(100));
    Shown(bar)
}

fn bar(size_bytes: u64) -> ProgressBar {
    if size_bytes < WORTH_A_BAR {
        return ProgressBar::new_spinner().with_style(style("{spinner} sending"));
    }
    let bar = ProgressBar::new(size_bytes);
    bar.set_style(style("{bar:40} {bytes} of {total_bytes}  {bytes_per_sec}"));
    bar
}

/// The template is a literal of ours; should it ever not parse, the plain style does.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
