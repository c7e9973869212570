//! How far the work is, on standard error and only on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line that shows what is going on; nothing at all where standard error is no terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A line for work whose end is known: `total` bytes.
    pub(crate) fn of_bytes(what: &str, total: u64) -> Progress {
        Progress::with(
            ProgressBar::new(total),
            what,
            "{msg} {wide_bar} {percent:>3}%",
        )
    }

    /// A line for work whose end is not known.
    pub(crate) fn open(what: &str) -> Progress {
        Progress::with(ProgressBar::no_length(), what, "{spinner} {msg} {elapsed}")
    }

    /// No line at all.
    pub(crate) fn hidden() -> Progress {
        Progress {
            bar: ProgressBar::hidden(),
        }
    }

    fn with(bar: ProgressBar, what: &str, template: &str) -> Progress {
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        // What takes no time shows no bar: the first line is drawn by the first tick.
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress { bar }
    }

    /// Says that `done` of the total is done.
    pub(crate) fn at(&self, done: u64) {
        // A heap that grew since its size was asked: the bar stays at its end.
        self.bar
            .set_position(done.min(self.bar.length().unwrap_or(done)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
