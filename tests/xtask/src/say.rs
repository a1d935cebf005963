//! Prints to standard output. A closed pipe is nobody's mistake, so failures to print are ignored.

use std::io::Write;
use std::time::Duration;

/// One line.
pub(crate) fn line(line: &str) {
    text(&format!("{line}\n"));
}

/// Text as it is.
pub(crate) fn text(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A duration as people say it: `0.4 s`, `12 s`, `3 min 05 s`.
pub(crate) fn duration(took: Duration) -> String {
    let seconds = took.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", took.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let said = |millis| duration(Duration::from_millis(millis));
        assert_eq!(said(440), "0.4 s");
        assert_eq!(said(12_400), "12 s");
        assert_eq!(said(185_000), "3 min 05 s");
    }
}
